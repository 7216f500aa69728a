"""Runs tasks: a Celery worker fed from Redis Streams."""
