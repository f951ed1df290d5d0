"""From a case to a result: frames, checkpoints, estimated errors, provenance."""
