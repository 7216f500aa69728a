"""Pushes ready tasks from PostgreSQL to the Redis Streams."""
