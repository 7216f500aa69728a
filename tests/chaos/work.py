"""What is submitted: tasks of every kind, drawn from a seed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

CANARY = "canary-plaintext-that-must-stay-sealed"

KINDS = {
    "plain": 60,
    "delayed": 10,
    "flaky": 8,
    "failing": 4,
    "expiring": 4,
    "cancelled": 4,
    "once": 6,
    "slow": 3,
    "brief": 1,
}
"""How often each kind comes, of a hundred. `once` is delivered at most once, `brief` is removed soon."""

FAILURES = 2
"""Planned failures of a flaky task."""

_QUEUES = ("default", "mail", "reports")
_PRIORITIES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Piece:
    """One task to submit.

    Attributes:
        body: as the API takes it.
        due: the instant before which it must not start; seconds since the epoch.
    """

    kind: str
    body: dict[str, Any]
    due: float


def draw(random: Random, *, tenant: str, op: str, now: float) -> Piece:
    """Draw one task."""
    kind = random.choices(list(KINDS), weights=list(KINDS.values()))[0]
    return make(kind, random, tenant=tenant, op=op, now=now)


def make(kind: str, random: Random, *, tenant: str, op: str, now: float) -> Piece:
    """Make a task of a kind."""
    body: dict[str, Any] = {
        "handler": "chaos.touch",
        "payload": {"who": tenant, "canary": CANARY},
        "queue": random.choice(_QUEUES),
        "priority": random.choice(_PRIORITIES),
        "removal_delay": 86400.0,
        "backoff": {"initial": 0.2, "factor": 2, "max": 5, "jitter": 0.1},
        "tags": [op],
    }
    extra, delay = _extra(kind, random, now)
    payload = body["payload"] | extra.pop("payload", {})
    return Piece(kind, body | extra | {"payload": payload}, now + delay)


def _extra(kind: str, random: Random, now: float) -> tuple[dict[str, Any], float]:
    """Return what is special about a kind, and its delay."""
    soon, late, seconds = round(random.uniform(0.5, 8.0), 2), 60.0, round(random.uniform(0.1, 2.0), 2)
    expires = datetime.fromtimestamp(now + random.uniform(1.0, 10.0), UTC).isoformat()
    extras: dict[str, tuple[dict[str, Any], float]] = {
        "delayed": ({"delay": soon}, soon),
        "flaky": ({"payload": {"failures": FAILURES}, "max_attempts": FAILURES + 2}, 0.0),
        "failing": ({"payload": {"failures": 1000}, "max_attempts": 2}, 0.0),
        "expiring": ({"expires_at": expires}, 0.0),
        "cancelled": ({"delay": late}, late),
        "once": ({"delivery": "at_most_once"}, 0.0),
        "slow": ({"handler": "chaos.linger", "payload": {"seconds": seconds}}, 0.0),
        "brief": ({"removal_delay": 2.0}, 0.0),
    }
    return extras.get(kind, ({}, 0.0))


def make_bad(random: Random, *, tenant: str, op: str) -> Piece:
    """Make a submit that must be refused, and never run."""
    bad: dict[str, Any] = random.choice(
        [{"priority": "urgent"}, {"max_attempts": 0}, {"queue": "no spaces"}, {"removal_delay": -1.0}]
    )
    body = {"handler": "chaos.touch", "payload": {"who": tenant}, "tags": [op], **bad}
    return Piece("bad", body, 0.0)
