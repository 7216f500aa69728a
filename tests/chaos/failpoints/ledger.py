"""Handlers whose effects are written down outside of Tidewheel: which task ran, and in which attempt."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from celery import Celery, shared_task

app = Celery("ledger")
# A child that died is given up after this long, instead of ten seconds.
app.conf.worker_lost_wait = 0.5

LEDGER = "ledger"
"""The file beside the failpoints' directory."""


class Refusal(Exception):
    """What the handlers fail with."""


@shared_task(name="ledger.note", bind=True)
def note(self: Any, ledger: str) -> int:
    """Leave a mark."""
    return _mark(self, ledger)


@shared_task(name="ledger.anote", bind=True)
async def anote(self: Any, ledger: str) -> int:
    """Leave a mark, as a coroutine."""
    return _mark(self, ledger)


@shared_task(name="ledger.flaky", bind=True)
def flaky(self: Any, ledger: str, failures: int = 1) -> int:
    """Leave a mark, and fail so many times."""
    attempt = _mark(self, ledger)
    if self.request.retries < failures:
        raise Refusal(f"Failure {self.request.retries + 1} of {failures}.")
    return attempt


@shared_task(name="ledger.redriven", bind=True)
def redriven(self: Any, ledger: str, once: str) -> int:
    """Leave a mark, and fail until a file is there: a person has mended something."""
    attempt = _mark(self, ledger)
    if not Path(once).exists():
        raise Refusal("Not mended yet.")
    return attempt


def _mark(task: Any, ledger: str) -> int:
    attempt: int = task.request.attempt
    line = f"{task.request.id} {attempt}\n".encode()
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    return attempt


def read_ledger(ledger: Path) -> Counter[tuple[str, int]]:
    """Return how often each attempt of each task has begun to have its effect."""
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    return Counter((task_id, int(attempt)) for task_id, attempt in (line.split() for line in lines))
