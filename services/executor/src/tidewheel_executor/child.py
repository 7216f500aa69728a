"""A child process: the event loop and the connections with which it runs one batch after the other."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from celery import Celery
from prometheus_client import CollectorRegistry

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.tracing import start_tracing
from tidewheel_common.store.engine import Plans, open_engine
from tidewheel_common.streams.client import open_redis
from tidewheel_executor.aborts import Aborts
from tidewheel_executor.attempt import said_by
from tidewheel_executor.batch import Batch, Durations, Kit
from tidewheel_executor.capture import Capture
from tidewheel_executor.claim import Terms
from tidewheel_executor.figures import Figures
from tidewheel_executor.handlers import Handlers
from tidewheel_executor.judge import Judge
from tidewheel_executor.limits import SoftLimit
from tidewheel_executor.printed import Redirection
from tidewheel_executor.relief import Relief
from tidewheel_executor.scribe import Scribe
from tidewheel_executor.wakes import Wakes
from tidewheel_executor.watch import Watch

NAME = "tidewheel-executor-child"

POOL_SIZE = 2
"""Connections that a child holds of each kind: one for its statements, one while that one is being replaced. What every
task passes through has its own kind to PostgreSQL, whose plans are kept; the other is opened when it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a child is given."""

    database_url: str
    redis_url: str
    keyring: Keyring
    terms: Terms
    otlp_endpoint: str | None = None
    hostname: str | None = None
    """Celery's node name."""
    orders: Path | None = None
    """Where the main process says which running tasks are to be stopped."""
    jitter: Callable[[], float] = random.random


class Child:
    """Runs batches, all on one event loop, for as long as the process lives. To be made after the fork.

    Nothing connects before its first use.

    Args:
        app: its tasks are the handlers.
        birth: what the child is given.
    """

    def __init__(self, app: Celery, birth: Birth) -> None:
        # Not uvloop: this loop runs for a statement at a time, and to start uvloop anew costs more than it saves then.
        self._loop = asyncio.new_event_loop()
        self._tracing = start_tracing("tidewheel-executor", endpoint=birth.otlp_endpoint)
        self._engine = open_engine(birth.database_url, application_name=NAME, pool_size=POOL_SIZE)
        self._hot = open_engine(birth.database_url, application_name=NAME, pool_size=POOL_SIZE, plans=Plans.KEPT)
        self._redis = open_redis(birth.redis_url, client_name=NAME, pool_size=POOL_SIZE)
        self.registry = CollectorRegistry()
        sealer = Sealer(birth.keyring)
        self._scribe = Scribe(lambda: open_engine(birth.database_url, application_name=NAME, pool_size=1), sealer)
        self._capture = Capture(self._scribe.note, said_by)
        logging.getLogger().addHandler(self._capture)
        self._redirection = Redirection(app, self._capture.current)
        limit = SoftLimit()
        figures = Figures(self.registry)
        relief = Relief(
            database_url=birth.database_url,
            redis_url=birth.redis_url,
            executor_id=birth.terms.executor_id,
            sealer=sealer,
            figures=figures,
            settle=self._scribe.settle,
        )
        self._watch = Watch(relief)
        self._kit = Kit(
            enter=self._loop.run_until_complete,
            engine=self._engine,
            hot=self._hot,
            sealer=sealer,
            handlers=Handlers(app),
            terms=birth.terms,
            judge=Judge(jitter=birth.jitter),
            figures=figures,
            tell=Wakes(self._redis).tell,
            limit=limit,
            scribe=self._scribe,
            aborts=Aborts(birth.orders, limit, self._loop),
            watch=self._watch,
            hostname=birth.hostname,
        )

    def execute(self, bundles: Sequence[str], *, hard_limit: float | None = None) -> Durations:
        """Run one message's tasks; see `Batch.execute`."""
        return Batch(self._kit).execute(bundles, hard_limit=hard_limit)

    def close(self) -> None:
        """Close the connections and the event loop, and send the spans that wait."""
        self._redirection.close()
        logging.getLogger().removeHandler(self._capture)
        self._scribe.close()
        self._watch.close()
        self._loop.run_until_complete(self._hot.dispose())
        self._loop.run_until_complete(self._engine.dispose())
        self._loop.run_until_complete(self._redis.aclose())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._tracing.flush()
