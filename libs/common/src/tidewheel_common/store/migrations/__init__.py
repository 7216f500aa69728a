"""The migrations; Alembic runs them, `tidewheel_common.store.migrate` is the way in."""
