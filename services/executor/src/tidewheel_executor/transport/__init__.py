"""Celery's road to the task streams: a kombu transport over Redis Streams that packs many tasks into one message."""

from tidewheel_executor.transport.transport import Transport

__all__ = ["Transport"]
