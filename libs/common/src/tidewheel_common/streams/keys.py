"""Every key that Tidewheel keeps in Redis.

| key | type | written by | read by | lives |
|---|---|---|---|---|
| `tidewheel:{<queue>}:high`, `:medium`, `:low` | stream | dispatcher, gateway | executor | until its ack |
| `tidewheel:queues` | set | dispatcher, gateway | executor | for ever; refilled when lost |
| `tidewheel:bundle-sizes` | hash | executor | dispatcher, gateway | ten minutes after the last executor went |
| `tidewheel:open` | string | dispatcher | gateway | three seconds |
| `tidewheel:epoch` | string | dispatcher | dispatcher | for ever; another value than expected means loss |
| `tidewheel:wake:<who>` | channel | whoever leaves work | `<who>` | not stored |

The braces make a queue's streams share one slot of a Redis Cluster. Celery's own keys (`_kombu.*`, `*.pidbox`) stand
beside these.
"""

from tidewheel_common.core.task import Priority

PREFIX = "tidewheel:"
GROUP = "executors"
QUEUES = "tidewheel:queues"
BUNDLE_SIZES = "tidewheel:bundle-sizes"
OPEN = "tidewheel:open"
EPOCH = "tidewheel:epoch"

EVERY_QUEUE = "*"
"""What an executor says that serves all queues; no queue has this name."""

WAKE_DISPATCHER = "tidewheel:wake:dispatcher"
WAKE_SCHEDULER = "tidewheel:wake:scheduler"
WAKE_REAPER = "tidewheel:wake:reaper"
WAKE_EXECUTOR = "tidewheel:wake:executor"
WAKE_FINAL = "tidewheel:wake:final"

VALVES = "valves"
"""The word in a dispatcher's wake-up that says that what keeps a queue back was set anew."""


def stream_key(queue: str, priority: Priority) -> str:
    """Return the key of one queue's stream of one priority."""
    return f"{PREFIX}{{{queue}}}:{priority.word}"


def stream_keys(queue: str) -> tuple[str, ...]:
    """Return a queue's stream keys, high before medium before low."""
    return tuple(stream_key(queue, priority) for priority in Priority)
