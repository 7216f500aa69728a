"""`tidewheel doctor`: looks at every part that it can reach, and says what to do."""
