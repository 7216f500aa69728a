"""Pure decisions. Nothing here does I/O, asks the time or draws a random number."""
