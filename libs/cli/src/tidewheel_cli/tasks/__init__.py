"""`tidewheel submit`, `get`, `list`, `cancel`, `redrive`: tasks from the command line."""
