"""`tidewheel submit`, `get`, `list`, `logs`, `cancel`, `redrive`: tasks from the command line."""
