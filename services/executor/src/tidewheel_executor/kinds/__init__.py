"""Handlers that come with Tidewheel: ordinary Celery tasks, each served where the settings say so."""
