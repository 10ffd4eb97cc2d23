"""Where runs are kept: one folder for each database, all behind `ports.Store`."""
