"""What analyses have found, as records and as groups of a result file."""
