"""Speed with its error beside it: our solver, others where installed, and the machine's limits."""
