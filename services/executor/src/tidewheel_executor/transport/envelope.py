"""The Celery message (protocol 2) that carries a pack to a child."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tidewheel_executor.packing import Pack
from tidewheel_executor.transport.entry import Entry

TASK = "tidewheel.execute"


def message_id(pack: Pack[Entry], *, fresh: Callable[[], str] = lambda: uuid4().hex) -> str:
    """Return the id under which Celery knows a message, in `inspect` and `revoke`.

    A task that travels alone is known by its id and the number of the attempt that the claim will give it. Its bare id
    would not do: Celery remembers revoked ids for hours, and a redriven task must run.
    """
    if pack.size > 1:
        return fresh()
    (hint,) = pack.entries[0].bundle.hints
    return f"{hint.task_id}-{hint.attempt + 1}"


def wrap(pack: Pack[Entry], *, queue: str, tag: str, celery_id: str) -> dict[str, Any]:
    """Return the message as kombu's virtual transports hand it over.

    The body has no content type, so Celery hands it to the child as it is; the child reads the bundles.
    `entries` stays in the main process: it is what an ack needs, and no header, so it does not travel to the child.
    """
    bundles = [entry.bundle.text for entry in pack.entries]
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return {
        "body": [[], {"bundles": bundles}, embed],
        "entries": pack.entries,
        "content-type": None,
        "content-encoding": None,
        "headers": {
            "lang": "py",
            "task": TASK,
            "id": celery_id,
            "root_id": celery_id,
            "parent_id": None,
            "group": None,
            "retries": 0,
            "timelimit": [pack.hard, pack.soft],
            "argsrepr": "()",
            "kwargsrepr": f"{pack.size} hints",
            "ignore_result": True,
        },
        "properties": {
            "correlation_id": celery_id,
            "reply_to": None,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": tag,
            "body_encoding": None,
        },
    }
