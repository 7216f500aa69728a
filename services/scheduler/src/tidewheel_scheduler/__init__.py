"""Promotes due tasks, fires schedules, expires and rescues: a Celery Beat process."""
