"""A backend with reminders: FastAPI and SQLAlchemy, with Tidewheel for everything that takes time or comes later."""
