"""The HTTP client of Tidewheel."""
