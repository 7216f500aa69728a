"""The examples that the API's documentation shows; a test holds each against its model."""

from typing import Any, Final

Example = dict[str, Any]

SMALLEST_TASK: Final[Example] = {"handler": "demo.echo"}

FULL_TASK: Final[Example] = {
    "handler": "reports.daily",
    "payload": {"user_id": 42},
    "queue": "reports",
    "priority": "high",
    "run_at": "2026-12-01T09:00:00+01:00",
    "delay": None,
    "expires_at": None,
    "timeout": 60,
    "max_attempts": 5,
    "backoff": {"initial": 2, "factor": 2, "max": 3600, "jitter": 0.1},
    "removal_delay": 86400,
    "depends_on": [],
    "on_parent_failure": "cancel",
    "delivery": "at_least_once",
    "concurrency_key": None,
    "concurrency_limit": None,
    "unique_key": None,
    "tags": ["eu"],
    "notify": [],
}

SCHEDULE: Final[Example] = {
    "name": "daily report",
    "handler": "reports.daily",
    "payload": {"user_id": 42},
    "queue": "reports",
    "priority": "high",
    "cron": "0 9 * * 1-5",
    "timezone": "Europe/Berlin",
    "max_attempts": 5,
    "removal_delay": 86400,
    "tags": ["eu"],
}

STORED_TASK: Final[Example] = {
    "id": "0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10",
    "handler": "reports.daily",
    "queue": "reports",
    "priority": "high",
    "state": "waiting",
    "run_at": "2026-12-01T08:00:00Z",
    "expires_at": None,
    "timeout": 60.0,
    "max_attempts": 5,
    "backoff": {"initial": 2.0, "factor": 2.0, "max": 3600.0, "jitter": 0.1},
    "removal_delay": 86400.0,
    "delivery": "at_least_once",
    "tags": ["eu"],
    "attempt": 0,
    "failures": 0,
    "lost": 0,
    "reason": None,
    "error_type": None,
    "pending_parents": 0,
    "on_parent_failure": None,
    "unique_key": None,
    "concurrency_key": None,
    "concurrency_limit": None,
    "schedule_id": None,
    "nominal_at": None,
    "created_at": "2026-11-30T17:12:45.123456Z",
    "started_at": None,
    "finished_at": None,
    "cancel_requested_at": None,
    "remove_at": None,
    "payload": {"user_id": 42},
    "result": None,
    "error": None,
    "unreadable": {},
}

STORED_SCHEDULE: Final[Example] = {
    "id": "0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f11",
    "name": "daily report",
    "handler": "reports.daily",
    "queue": "reports",
    "priority": "high",
    "every": None,
    "cron": "0 9 * * 1-5",
    "timezone": "Europe/Berlin",
    "max_attempts": 5,
    "timeout": None,
    "backoff": None,
    "removal_delay": 86400.0,
    "delivery": "at_least_once",
    "tags": ["eu"],
    "next_run_at": "2026-12-01T08:00:00Z",
    "last_run_at": None,
    "paused_at": None,
    "created_at": "2026-11-30T17:12:45.123456Z",
    "updated_at": "2026-11-30T17:12:45.123456Z",
    "payload": {"user_id": 42},
    "unreadable": {},
}

PROBLEM: Final[Example] = {
    "type": "urn:tidewheel:problem:invalid_request",
    "title": "The request is not valid",
    "status": 422,
    "detail": "One field is not as it must be; see `errors`.",
    "code": "invalid_request",
    "errors": [
        {
            "pointer": "/run_at",
            "code": "naive_time",
            "detail": "The time has no offset; write it like 2026-12-01T09:00:00+01:00.",
        },
    ],
    "request_id": "0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f12",
}
