"""Looks at the service from outside: address, health, readiness, key, executors, queues, handlers."""

import itertools
from collections.abc import Iterator, Sequence

from tidewheel_cli.doctor.finding import Finding, Verdict
from tidewheel_cli.failing import sentence
from tidewheel_cli.session import Session
from tidewheel_client import Client, ClientError, Forbidden, Unauthorized
from tidewheel_client.models import Executor, Queue, TaskSummary
from tidewheel_common.core.errors import TidewheelError

_PATIENCE = 5.0
"""Seconds for one answer; a doctor does not try again."""

_LATE = 60.0
"""Seconds that a ready task may wait before the queue is worth a word."""

_LOOK_AT = 200
"""Ready tasks, the newest ones, whose handlers are looked for."""


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
            yield from _work(client)


def _alive(client: Client) -> Finding:
    try:
        verdict = client.health.alive()
    except ClientError as error:
        return _bad("health", _untrusted(error) or sentence(error))
    if verdict.ok:
        return _good("health", "The gateway is alive.")
    return _bad("health", f"The gateway is not well: {' '.join(verdict.reasons)} Restart it if this stays.")


def _untrusted(error: ClientError) -> str | None:
    """Return what is wrong with the gateway's certificate, if that is what keeps us out."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" not in text:
        return None
    why = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "it is not trusted here"
    return f"The gateway's certificate does not hold: {why}. Correct --url, or name who vouches for it: --ca."


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


def _work(client: Client) -> Iterator[Finding]:
    try:
        executors, queues = client.executors.list(), client.queues.list()
        waiting = [*itertools.islice(client.tasks.list(state="ready", limit=_LOOK_AT), _LOOK_AT)]
    except ClientError as error:
        yield _bad("executors", sentence(error))
        return
    yield _executors(executors)
    doubts = [*unserved(executors, queues, waiting), *_overdue(queues)]
    yield from doubts
    if not doubts:
        yield _good("queues", "Nothing waits for long in any queue.")


def _executors(found: Sequence[Executor]) -> Finding:
    if not found:
        return _bad("executors", "No executor is alive, so nothing runs. Start one: `python -m tidewheel_executor`.")
    handlers = {handler for each in found for handler in each.handlers}
    count = "One executor is" if len(found) == 1 else f"{len(found)} executors are"
    return _good("executors", f"{count} alive; {len(handlers)} handlers are served.")


def unserved(
    executors: Sequence[Executor], queues: Sequence[Queue], waiting: Sequence[TaskSummary]
) -> Iterator[Finding]:
    """Find queues that no executor serves although tasks wait there, and handlers that none has."""
    if not executors:
        return
    served = {queue for each in executors for queue in each.queues}
    for queue in () if "*" in served else queues:
        if queue.name not in served and queue.ready + queue.queued:
            yield _bad(
                "queues",
                f"No executor serves the queue {queue.name}, where {queue.ready + queue.queued} tasks wait. "
                "Add it to TIDEWHEEL_QUEUES of an executor.",
            )
    known = {handler for each in executors for handler in each.handlers}
    for handler in sorted({task.handler for task in waiting} - known):
        said = f"No executor has the handler {handler}, for which tasks wait. Add its module to TIDEWHEEL_HANDLERS."
        yield Finding(part="handlers", verdict=Verdict.DOUBTFUL, said=said)


def _overdue(queues: Sequence[Queue]) -> Iterator[Finding]:
    for queue in queues:
        if (said := _doubt(queue)) is not None:
            yield Finding(part="queues", verdict=Verdict.DOUBTFUL, said=said)


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
