"""Writes down what attempts say while they run: about once a second, and before their end is recorded.

A `def` handler keeps the child's own event loop from running, so this is a thread with a loop and a connection of its
own. Both are made when the first handler of a child says something.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from tidewheel_common.crypto.sealed import Sealer, Subject
from tidewheel_common.store.engine import Engine
from tidewheel_executor.capture import LONGEST_META, Said, write_line
from tidewheel_executor.patience import Patience
from tidewheel_executor.scribe_queries import Piece, Progress, logs_append, progress_put

EVERY = 1.0
"""Seconds that what was said may wait."""

SETTLE = 2.0
"""Seconds that the end of an attempt waits for what it has said; then it is written later, if it can be."""

PATIENCE = 60.0
"""Seconds for which PostgreSQL may be away before what was said is lost."""

MOST_WAITING = 16 * 1024 * 1024
"""Bytes that wait while PostgreSQL is away; what comes on top is left out."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Scribe:
    """Collects what attempts say and writes it in batches.

    Args:
        open_engine: opens a pool of one connection.
        sealer: seals lines and progress.
    """

    def __init__(self, open_engine: Callable[[], Engine], sealer: Sealer) -> None:
        self._open_engine = open_engine
        self._sealer = sealer
        self._lock = threading.Lock()
        self._writing: asyncio.Lock | None = None
        self._waiting: dict[tuple[Any, int], Said] = {}
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None

    def note(self, said: Said, size: int) -> None:
        """Write soon what an attempt has said."""
        with self._lock:
            fresh = not self._waiting
            self._waiting[said.task_id, said.attempt] = said
            self._size += size
            if self._size > MOST_WAITING:
                said.lines.clear()
                said.lines.append(write_line("WARNING", "tidewheel", "Lines are missing here: PostgreSQL was away."))
        if fresh:
            self._running().call_soon_threadsafe(self._soon)

    def progressed(self, said: Said, state: str, meta: str) -> None:
        """Write soon how far an attempt is.

        Raises:
            ValueError: `meta` is too large.
        """
        if len(meta) > LONGEST_META:
            raise ValueError(f"The meta has {len(meta):,} bytes of JSON; it may have {LONGEST_META:,}.")
        with self._lock:
            said.progress = (state, meta)
        self.note(said, 0)

    async def settle(self) -> None:
        """Write what waits; called before the ends of attempts are recorded. It costs nothing when nothing waits."""
        if self._loop is None or not (self._waiting or self._is_writing):
            return
        writing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._write(), self._loop))
        try:
            await asyncio.wait_for(asyncio.shield(writing), SETTLE)
        except TimeoutError:
            log.warning("what attempts said is written late")

    def close(self) -> None:
        """Write what waits and end the thread."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def _is_writing(self) -> bool:
        return self._writing is not None and self._writing.locked()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="scribe", daemon=True)
            self._thread.start()
        return self._loop

    def _soon(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(EVERY, lambda: loop.create_task(self._write()))

    async def _write(self) -> None:
        if self._writing is None:
            self._writing = asyncio.Lock()
        async with self._writing:
            pieces, progress = self._take()
            if not pieces and not progress:
                return
            try:
                await self._keep(pieces, progress)
            except Exception as error:  # noqa: BLE001 -- whatever it is, it must not cost the tasks anything
                log.warning("what attempts said is lost", pieces=len(pieces), error_type=type(error).__name__)

    async def _keep(self, pieces: Sequence[Piece], progress: Sequence[Progress]) -> None:
        patience = Patience(time.monotonic() + PATIENCE)
        while True:
            try:
                await self._insert(pieces, progress)
            except Exception as error:  # noqa: BLE001 -- patience raises what is not a lost connection again
                await patience.endure(error)
            else:
                return

    async def _insert(self, pieces: Sequence[Piece], progress: Sequence[Progress]) -> None:
        if self._engine is None:
            self._engine = self._open_engine()
        async with self._engine.connect() as connection:
            if pieces:
                await logs_append(connection, pieces)
            if progress:
                await progress_put(connection, progress)

    def _take(self) -> tuple[list[Piece], list[Progress]]:
        with self._lock:
            waiting, self._waiting, self._size = list(self._waiting.values()), {}, 0
            # Its handler may be adding lines right now: they are taken one by one.
            taken = [(said, [said.lines.popleft() for _ in range(len(said.lines))], said.progress) for said in waiting]
            for said in waiting:
                said.progress = None
        return (
            [self._piece(said, lines) for said, lines, _ in taken if lines],
            [self._progress(said, *progress) for said, _, progress in taken if progress is not None],
        )

    def _piece(self, said: Said, lines: Sequence[str]) -> Piece:
        said.part += 1
        sealed = self._seal(said, f"[{','.join(lines)}]", f"log {said.attempt} {said.part}")
        return Piece(task_id=said.task_id, tenant_id=said.tenant_id, attempt=said.attempt, part=said.part, lines=sealed)

    def _progress(self, said: Said, state: str, meta: str) -> Progress:
        sealed = self._seal(said, meta, f"progress {said.attempt}")
        return Progress(task_id=said.task_id, tenant_id=said.tenant_id, attempt=said.attempt, state=state, meta=sealed)

    def _seal(self, said: Said, text: str, field: str) -> bytes:
        data = text.encode("utf-8", "backslashreplace")
        return self._sealer.seal(data, tenant=said.tenant_id, subject=Subject.task(said.task_id), field=field)

    async def _end(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._write(), SETTLE)
        if self._engine is not None:
            await self._engine.dispose()


def meta_text(meta: object) -> str:
    """Return a progress's `meta` as JSON.

    Raises:
        TypeError, ValueError: it is not JSON.
    """
    return json.dumps(meta, allow_nan=False)
