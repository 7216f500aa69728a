"""`tidewheel keys`: API keys, made by the operator through the database."""
