"""The process and its machine: files, threads, signals, memory, warnings, progress."""
