"""`tidewheel demo`: shows on a real stack that each kind of task ends as it should."""
