"""What moves runs: one folder for each engine, all around the same machine in `core`."""
