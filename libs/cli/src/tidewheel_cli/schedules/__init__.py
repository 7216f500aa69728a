"""Schedules as code: a file says which schedules there are, and the service is made to agree."""
