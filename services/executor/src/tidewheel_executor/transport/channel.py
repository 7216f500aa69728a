"""A kombu channel that consumes task queues from Redis Streams.

Only task queues are streams. Control, reply and event queues are kombu's own, so `celery inspect`, `control` and events
work as ever. Private names of kombu 5.7.0 are overridden here; tests/unit/test_transport_contract.py lists them all.
"""

from collections.abc import Sequence
from queue import Empty
from time import monotonic
from typing import Any, NoReturn

import structlog
from celery.worker import state
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.client import refuses_writes
from tidewheel_common.streams.keys import stream_keys
from tidewheel_executor.packing import Pack
from tidewheel_executor.transport.entry import Entry
from tidewheel_executor.transport.envelope import message_id, wrap
from tidewheel_executor.transport.intake import TRANSIENT, Intake
from tidewheel_executor.transport.qos import Message, QoS
from tidewheel_executor.transport.reading import Pull, Read, doorbell, read_pulled, read_rung
from tidewheel_executor.transport.stock import StockChannel
from tidewheel_executor.transport.streams import TaskStreams

LEVELS = len(Priority)
"""Streams of a queue."""

CLAIM_MOST = 100
"""Entries that one round of claiming takes over at most."""

PULL_MOST = 2000
"""Entries that one pull takes at most; bounds how long the script holds Redis (about 5 ms)."""

BLOCKED_PAUSE = 0.01
"""Seconds until the streams are asked again when what waits there is long and no lane is left."""

REFUSED_PAUSE = 1.0
"""Seconds until a Redis that takes no writes is asked again."""

_DATA_LOST = ("NOGROUP", "UNBLOCKED", "no longer exists")

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class NotSubmitted(Exception):
    """A task was sent to a task queue with Celery's own `delay` or `apply_async`."""


class Channel(StockChannel):
    """Reads streams through `intake`; without one it is a stock Redis channel."""

    QoS = QoS
    Message = Message
    from_transport_options = (*StockChannel.from_transport_options, "intake")

    intake: Intake | None = None
    _asked: tuple[str, Sequence[str]] | None = None
    """What the connection waits for: `pull` or `doorbell`, and the streams that were asked."""
    _asked_for = 1
    """How many entries of each stream a doorbell may bring."""
    _drained = False
    _script_loaded = False
    _ask_again_at = 0.0
    _blocked_until = 0.0
    _refused = False
    _task_streams: dict[str, str] | None = None
    """What `task_streams` was when it was last asked for; None once the queues have changed."""
    _unbound: tuple[tuple[str, str, str, str], ...] = ()
    """What could not be bound yet."""

    def is_stream(self, queue: str) -> bool:
        """Tell whether a queue holds tasks. What Celery talks to itself on is not ours."""
        return self.intake is not None and not queue.endswith(".pidbox") and not queue.startswith("celeryev")

    @property
    def task_streams(self) -> dict[str, str]:
        """The streams that this channel consumes, high before medium before low, with their queues."""
        if self._task_streams is None:
            self._task_streams = self._find_task_streams()
        return self._task_streams

    def _find_task_streams(self) -> dict[str, str]:
        return {key: queue for queue in self.active_queues if self.is_stream(queue) for key in stream_keys(queue)}

    # Reading: kombu's poller calls `_brpop_start` on each turn of the event loop while there is credit and nothing is
    # asked, and `_brpop_read` once the answer is there.

    def _brpop_start(self, timeout: float | None = None) -> None:
        streams = tuple(self.task_streams)
        if self.intake is None or not streams:
            super()._brpop_start(timeout)
            return
        self.deliver_stash()
        if self.qos.can_consume() and monotonic() >= max(self._ask_again_at, self._blocked_until):
            self._ask(self.intake, streams)

    def _ask(self, intake: Intake, streams: Sequence[str]) -> None:
        if self._drained:
            self._asked_for = min(intake.likely(room=self.qos.room), PULL_MOST)
            kind = "doorbell"
            command = doorbell(streams, intake.consumer, block=self.brpop_timeout, most=self._asked_for)
        else:
            pull = Pull(
                streams=streams,
                consumer=intake.consumer,
                room=self.qos.room,
                most=min(self.qos.room * intake.packer.rules.most, PULL_MOST),
                longest=intake.packer.rules.default_timeout,
                turn=intake.turn,
                lanes=self.qos.lanes,
                shares=intake.packer.shares(),
                lingering=intake.packer.lingering(),
            )
            kind, command = "pull", pull.command(loaded=self._script_loaded)
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self._asked = kind, streams
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> bool:
        if self._asked is None or self.intake is None:
            return bool(super()._brpop_read(**options))
        pulled = self._asked[0] == "pull"
        read = self._read_answer(self.intake)
        if not read:
            raise Empty
        self._take(self.intake, read, chosen=pulled)
        return True

    def _read_answer(self, intake: Intake) -> Read:
        """Read what was asked for. Empty when there was nothing, or when Redis has forgotten groups or scripts."""
        (kind, streams), self._asked = self._asked or ("", ()), None
        connection = self.client.connection
        try:
            if kind == "doorbell":
                read = read_rung(self.client.parse_response(connection, "XREADGROUP"))
                self._drained = len(read) < self._asked_for
            else:
                read = self._read_pull(intake, self.client.parse_response(connection, "EVALSHA"), streams)
        except ResponseError as error:
            self._recover(error)
            return []
        except self.connection_errors:
            connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        return read

    def _read_pull(self, intake: Intake, reply: Any, streams: Sequence[str]) -> Read:
        pulled = read_pulled(reply, streams)
        intake.turn = pulled.turn
        if self._refused:
            self._refused = False
            log.info("redis takes writes again")
        self._script_loaded = True
        self._drained = not pulled.entries and not pulled.blocked
        if pulled.blocked and not pulled.entries:
            # A doorbell would take what must wait. The event loop would sleep until something else happens.
            intake.count("blocked", 1)
            self._blocked_until = monotonic() + BLOCKED_PAUSE
            self.connection.wake_in(BLOCKED_PAUSE)
        if pulled.made:
            # The dispatcher notices the loss by itself; this line only dates it.
            log.info("consumer groups made", groups=pulled.made)
        return pulled.entries

    def _recover(self, error: ResponseError) -> None:
        """Go on after an error that an emptied or restarted Redis explains; take the connection anew after any other.

        Raises:
            RedisConnectionError: Celery reconnects, at most five times a second.
        """
        self._drained = False
        if isinstance(error, NoScriptError):
            self._script_loaded = False
        elif refuses_writes(error):
            self._wait_for_room(error)
        elif not any(sign in str(error) for sign in _DATA_LOST):
            log.error("reading the task streams failed", error=str(error))
            self.client.connection.disconnect()
            raise RedisConnectionError(f"Reading the task streams failed: {error}") from error

    def _wait_for_room(self, error: ResponseError) -> None:
        """Let a Redis that takes no writes be for a moment. Reconnecting would not help, and writes too."""
        if not self._refused:
            log.warning("redis takes no writes", error_type=type(error).__name__, error=str(error)[:200])
        self._refused = True
        self._ask_again_at = monotonic() + REFUSED_PAUSE
        if isinstance(error, ReadOnlyError):
            self.client.connection.disconnect()  # another server may be the master by now

    # Delivering

    def _take(self, intake: Intake, read: Read, *, chosen: bool = False) -> None:
        queues = self.task_streams
        entries = intake.admit(read)
        intake.give_back([entry for entry in entries if entry.stream not in queues])
        wanted = [entry for entry in entries if entry.stream in queues]
        kept = wanted
        if not chosen:
            # A pull has minded room, lanes and levels. A doorbell takes what comes first, and so does who takes over.
            levels = {stream: place % LEVELS for place, stream in enumerate(queues)}
            wanted.sort(key=lambda entry: levels[entry.stream])
            kept = intake.turn_away(wanted, room=self.qos.room, lanes=self.qos.lanes)
        if len(kept) < len(wanted):
            self._drained = False  # they are in their streams again: a pull leaves them there, a doorbell would not
        self._deliver_room(intake, kept)

    def ask_now(self) -> None:
        """Ask at the next turn of the event loop: a message has ended, and may have left a lane."""
        self._blocked_until = 0.0

    def deliver_stash(self) -> None:
        """Deliver what waited for a free child, as far as there is room."""
        if self.intake is not None and self.intake.stash and self.task_streams and self.qos.room:
            self._deliver_room(self.intake, [])

    def _deliver_room(self, intake: Intake, entries: Sequence[Entry]) -> None:
        queues = self.task_streams
        some_queue = next(iter(queues.values()))
        for pack in intake.fill(entries, room=self.qos.room, lanes=self.qos.lanes):
            self._deliver_pack(intake, pack, queues.get(pack.entries[0].stream, some_queue))

    def _deliver_pack(self, intake: Intake, pack: Pack[Entry], queue: str) -> None:
        tag = intake.deliver(pack)
        self.connection._deliver(wrap(pack, queue=queue, tag=tag, celery_id=message_id(pack)), queue)  # noqa: SLF001 -- kombu's channels all do

    # Looking after what is pending, every few seconds

    def tend(self) -> None:
        """Hold what is ours, take over what is abandoned and remove consumers that died."""
        streams = tuple(self.task_streams)
        if self.intake is None or not streams:
            return
        try:
            self._bind_again()
            self._tend(self.intake, streams)
        except TRANSIENT as error:
            # Reading notices a lost connection by itself.
            log.debug("tending failed", error_type=type(error).__name__)

    def _bind_again(self) -> None:
        unbound, self._unbound = self._unbound, ()
        for binding in unbound:
            self._queue_bind(*binding)

    def _tend(self, intake: Intake, streams: Sequence[str]) -> None:
        intake.settle_now()
        self.streams.hold(intake.held())
        if self.qos.room and not intake.stash:
            abandoned = self.streams.claim_abandoned(streams, idle=intake.abandoned_after, most=CLAIM_MOST)
            intake.count("claimed", sum(entry.size for entry in abandoned))
            self._take(intake, abandoned)
        self.streams.bury(streams)
        intake.tell_all()

    @property
    def streams(self) -> TaskStreams:
        """The synchronous way to the streams."""
        if self.intake is None:
            raise TypeError("This channel was opened without an intake; it has no task streams.")
        return self.intake.open(self._connect)

    def _connect(self) -> Redis:
        return Redis(connection_pool=ConnectionPool(**self._connparams()))

    # Starting and stopping

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> Any:
        """Consume from a queue."""
        if self.intake is not None and self.is_stream(queue):
            self.intake.open(self._connect)
        self._task_streams = None
        return super().basic_consume(queue, *args, **kwargs)

    def _basic_cancel(self, consumer_tag: str) -> None:
        super()._basic_cancel(consumer_tag)
        self._task_streams = None
        if self.intake is not None and not self._closing and not self.task_streams:
            self._abandon_question(self.intake)
            self.intake.give_back_stash()

    def close(self) -> None:
        """Close the channel. What children work on stays in flight; what they have not begun is stashed."""
        self._closing = True
        if self.intake is not None and not self.closed:
            self._abandon_question(self.intake)
            started = {request.message.delivery_tag for request in state.active_requests}
            ours = self._qos._delivered if self._qos is not None else ()  # noqa: SLF001 -- our own QoS
            self.intake.unstarted(tag for tag in list(ours) if tag not in started)
        super().close()

    def _abandon_question(self, intake: Intake) -> None:
        """Hear the answer to what was asked (a second at most), so that no entry is left to nobody."""
        if not self._in_poll or self._asked is None:
            return
        try:
            intake.stash += intake.admit(self._read_answer(intake))
        except self.connection_errors:
            log.debug("the answer was lost with its connection")

    # What else kombu asks of a queue

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Bind a queue. While Redis takes no writes, the worker does without `celery inspect`."""
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except ResponseError as error:
            if not refuses_writes(error):
                raise
            self._unbound = (*self._unbound, (exchange, routing_key, pattern, queue))

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        if self.is_stream(queue):
            self._refuse(queue, message)
        super()._put(queue, message, **kwargs)

    def _refuse(self, queue: str, message: dict[str, Any]) -> NoReturn:
        name = message.get("headers", {}).get("task", "a task")
        raise NotSubmitted(
            f"{name} was sent to the queue {queue!r} with Celery's own delay() or apply_async(). Tidewheel keeps tasks "
            "in PostgreSQL and would lose it: submit it through the HTTP API or the client instead."
        )

    def maybe_refresh_binding_expiry(self) -> None:
        """Keep bindings alive; every second, so a Redis that takes no writes is no news here."""
        try:
            super().maybe_refresh_binding_expiry()
        except ResponseError as error:
            if not refuses_writes(error):
                raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        if self.is_stream(queue):
            raise Empty
        return super()._get(queue, *(() if timeout is None else (timeout,)))

    def _size(self, queue: str) -> int:
        return self.streams.sizes(stream_keys(queue)) if self.is_stream(queue) else int(super()._size(queue))

    def _purge(self, queue: str) -> int:
        return self.streams.clear(stream_keys(queue)) if self.is_stream(queue) else int(super()._purge(queue))

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return self.is_stream(queue) or bool(super()._has_queue(queue, **kwargs))
