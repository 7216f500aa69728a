"""Looks at the service from outside: address, health, readiness, key, executors, queues."""

from collections.abc import Iterator

from tidewheel_cli.doctor.finding import Finding, Verdict
from tidewheel_cli.failing import sentence
from tidewheel_cli.session import Session
from tidewheel_client import ApiError, Client, ClientError, Forbidden, Unauthorized
from tidewheel_client.models import Queue
from tidewheel_common.core.errors import TidewheelError

_PATIENCE = 5.0
"""Seconds for one answer; a doctor does not try again."""

_LATE = 60.0
"""Seconds that a ready task may wait before the queue is worth a word."""


def look_at_service(session: Session) -> Iterator[Finding]:
    """Look at everything that a caller can see, until something keeps the rest from being seen."""
    try:
        url, _ = session.address()
        client = session.client(timeout=_PATIENCE, tries=1)
    except (TidewheelError, ClientError) as error:
        yield _bad("address", sentence(error))
        return
    yield _good("address", f"The gateway is {url}.")
    with client:
        alive = _alive(client)
        yield alive
        if alive.verdict is Verdict.BAD:
            return
        yield _ready(client)
        key = _key(client)
        yield key
        if key.verdict is Verdict.GOOD:
            yield _executors(client)
            yield from _queues(client)


def _alive(client: Client) -> Finding:
    try:
        verdict = client.health.alive()
    except ClientError as error:
        return _bad("health", sentence(error))
    if verdict.ok:
        return _good("health", "The gateway is alive.")
    return _bad("health", f"The gateway is not well: {' '.join(verdict.reasons)} Restart it if this stays.")


def _ready(client: Client) -> Finding:
    try:
        verdict = client.health.ready()
    except ClientError as error:
        return _bad("readiness", sentence(error))
    if verdict.ok:
        return _good("readiness", "The gateway serves calls.")
    return _bad("readiness", f"The gateway serves no calls yet: {' '.join(verdict.reasons)}")


def _key(client: Client) -> Finding:
    try:
        next(client.tasks.list(limit=1), None)
    except (Unauthorized, Forbidden):
        return _bad("key", "The key is unknown or revoked. Correct --api-key, or make one: `tidewheel keys create`.")
    except ClientError as error:
        return _bad("key", sentence(error))
    return _good("key", "The key opens.")


def _executors(client: Client) -> Finding:
    try:
        found = client.executors.list()
    except ApiError as error:
        return _bad("executors", sentence(error))
    if not found:
        return _bad("executors", "No executor is alive, so nothing runs. Start one: `python -m tidewheel_executor`.")
    handlers = {handler for each in found for handler in each.handlers}
    count = "One executor is" if len(found) == 1 else f"{len(found)} executors are"
    return _good("executors", f"{count} alive; {len(handlers)} handlers are served.")


def _queues(client: Client) -> Iterator[Finding]:
    try:
        found = client.queues.list()
    except ApiError as error:
        yield _bad("queues", sentence(error))
        return
    doubts = [said for queue in found if (said := _doubt(queue)) is not None]
    for said in doubts:
        yield Finding(part="queues", verdict=Verdict.DOUBTFUL, said=said)
    if not doubts:
        yield _good("queues", "Nothing waits for long in any queue.")


def _doubt(queue: Queue) -> str | None:
    if queue.paused:
        return f"The queue {queue.name} is paused; `tidewheel queues resume {queue.name}` lets it go on."
    if queue.oldest_seconds is not None and queue.oldest_seconds > _LATE:
        return (
            f"A task of the queue {queue.name} has been ready for {queue.oldest_seconds:.0f} s. Is its handler served "
            "(`tidewheel executors`), are there executors enough, is the queue limited (`tidewheel queues list`)?"
        )
    return None


def _good(part: str, said: str) -> Finding:
    return Finding(part=part, verdict=Verdict.GOOD, said=said)


def _bad(part: str, said: str) -> Finding:
    return Finding(part=part, verdict=Verdict.BAD, said=said)
