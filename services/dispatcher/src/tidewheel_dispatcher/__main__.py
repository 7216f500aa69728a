"""`python -m tidewheel_dispatcher`: the dispatcher's composition root."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tidewheel_common.process.loop import Loop
from tidewheel_common.process.service import Process, run_service
from tidewheel_common.process.settings import load_settings
from tidewheel_common.store.engine import Plans, open_engine
from tidewheel_common.streams.client import open_redis
from tidewheel_common.streams.keys import VALVES, WAKE_DISPATCHER
from tidewheel_common.streams.wake import LISTEN_PAUSE, Listener
from tidewheel_common.weather import store_is_away
from tidewheel_dispatcher.metrics import DispatcherMetrics
from tidewheel_dispatcher.observe import Observe
from tidewheel_dispatcher.overdue import Overdue
from tidewheel_dispatcher.rehydrate import Rehydrate
from tidewheel_dispatcher.relay import Relay
from tidewheel_dispatcher.served import Roster
from tidewheel_dispatcher.settings import DispatcherSettings
from tidewheel_dispatcher.slots import Slots
from tidewheel_dispatcher.unpark import Unpark
from tidewheel_dispatcher.withdraw import Withdraw

NAME = "tidewheel-dispatcher"


@asynccontextmanager
async def build(process: Process[DispatcherSettings]) -> AsyncIterator[list[Loop]]:
    """Open the two stores and yield the loops."""
    settings = process.settings
    async with AsyncExitStack() as opened:
        engine = open_engine(
            settings.database_url.get_secret_value(),
            application_name=NAME,
            pool_size=8,  # one for each loop
            synchronous_commit=False,  # every mark can be derived again: a lost one is dispatched once more
        )
        opened.push_async_callback(engine.dispose)
        hot = open_engine(
            settings.database_url.get_secret_value(),
            application_name=NAME,
            pool_size=1,
            synchronous_commit=False,
            plans=Plans.KEPT,
        )
        opened.push_async_callback(hot.dispose)
        redis = open_redis(settings.redis_url.get_secret_value(), client_name=NAME, pool_size=8)
        opened.push_async_callback(redis.aclose)
        wake, suspect, paused = asyncio.Event(), asyncio.Event(), asyncio.Event()

        def hear(words: str) -> None:
            wake.set()
            if VALVES in words:
                paused.set()

        listener = Listener(redis, {WAKE_DISPATCHER: hear})
        opened.push_async_callback(listener.close)
        metrics = DispatcherMetrics(process.metrics.registry)
        roster = Roster(engine, stale=settings.executor_stale)
        relay = Relay(engine, hot, redis, roster, metrics, suspect=suspect)
        rehydrate = Rehydrate(engine, redis, metrics, wake=wake)
        overdue = Overdue(engine, redis, metrics, age=settings.queued_overdue, wake=wake)
        yield [
            Loop(name="listen", tick=listener.tick, every=2 * LISTEN_PAUSE),
            Loop(name="relay", tick=relay.tick, every=0.5, wake=wake, duty=relay.duty),
            Loop(name="rehydrate", tick=rehydrate.tick, every=1.0, wake=suspect),
            Loop(name="overdue", tick=overdue.tick, every=min(5.0, settings.queued_overdue)),
            Loop(name="withdraw", tick=Withdraw(engine, metrics).tick, every=0.5, wake=paused),
            Loop(name="slots", tick=Slots(engine, wake=wake).tick, every=0.5),
            Loop(name="unpark", tick=Unpark(engine, roster, metrics).tick, every=1.0),
            Loop(name="observe", tick=Observe(engine, redis, metrics).tick, every=5.0),
        ]


def main() -> int:
    """Be the dispatcher until it is asked to stop, and return the exit code."""
    return run_service("dispatcher", load_settings(DispatcherSettings), build, transient=store_is_away)


if __name__ == "__main__":
    sys.exit(main())
