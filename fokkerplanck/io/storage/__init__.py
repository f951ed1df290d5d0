"""The bytes of a result file: whole changes, journal, locks, checkpoints, guards."""
