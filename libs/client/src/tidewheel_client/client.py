"""The blocking client."""

import random
import time
from collections.abc import Callable, Sequence
from threading import Event
from types import TracebackType
from typing import Self, Unpack

import httpx2

from tidewheel_client.caller import Caller, Habits, http_options
from tidewheel_client.exchange import Policy
from tidewheel_client.handles import TaskHandle
from tidewheel_client.models import BatchItem
from tidewheel_client.options import NewTask, TaskOptions
from tidewheel_client.resources import Executors, Handlers, Health, NotificationRules, Queues, Schedules, Tasks
from tidewheel_client.settings import find_address
from tidewheel_client.values import Payload


class Client:
    """Submits tasks and asks about them; may be shared by threads.

    Every call that creates something carries an `Idempotency-Key`, so that a call whose answer was lost is repeated
    safely.

    Args:
        url: the address of the gateway, such as `http://127.0.0.1:8080`; `TIDEWHEEL_URL` without one.
        api_key: `tw_…`; `TIDEWHEEL_API_KEY` without one.
        timeout: seconds to wait for one answer.
        tries: how often a call is made before it fails, when no answer comes or the service is busy.
        transport: where requests go, such as `httpx2.HTTPTransport(verify=…, proxy=…)`.
        jitter: draws from [0, 1); spreads the pauses between tries.
        clock: seconds that never jump; for tests.
        pause: waits for so many seconds; for tests.

    Raises:
        NotConfigured: the address or the key is in neither place.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        tries: int = 5,
        transport: httpx2.BaseTransport | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        http = httpx2.Client(**http_options(*find_address(url, api_key)), transport=transport)
        habits = Habits(policy=Policy(tries=tries, jitter=jitter), timeout=timeout, clock=clock)
        self._caller = Caller(http, habits, pause=pause or Event().wait)
        self.tasks = Tasks(self._caller)
        self.schedules = Schedules(self._caller)
        self.queues = Queues(self._caller)
        self.executors = Executors(self._caller)
        self.handlers = Handlers(self._caller)
        self.notification_rules = NotificationRules(self._caller)
        self.health = Health(self._caller)

    def submit(
        self,
        handler: str,
        payload: Payload = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> TaskHandle:
        """Submit one task: `tasks.submit`."""
        return self.tasks.submit(handler, payload, idempotency_key=idempotency_key, **options)

    def submit_batch(self, tasks: Sequence[NewTask], *, idempotency_key: str | None = None) -> list[BatchItem]:
        """Submit up to 1,000 tasks at once: `tasks.submit_batch`."""
        return self.tasks.submit_batch(tasks, idempotency_key=idempotency_key)

    def close(self) -> None:
        """Close the connections."""
        self._caller.http.close()

    def __enter__(self) -> Self:
        """Open the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()
