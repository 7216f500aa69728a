"""`python -m tidewheel_reaper`: the reaper's composition root."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tidewheel_common.process.loop import Loop
from tidewheel_common.process.service import Process, run_service
from tidewheel_common.process.settings import load_settings
from tidewheel_common.store.engine import open_engine
from tidewheel_common.streams.client import open_redis
from tidewheel_common.streams.keys import WAKE_REAPER
from tidewheel_common.streams.wake import LISTEN_PAUSE, Listener
from tidewheel_common.weather import store_is_away
from tidewheel_reaper.forget import Forget
from tidewheel_reaper.metrics import ReaperMetrics
from tidewheel_reaper.remove import Remove
from tidewheel_reaper.settings import ReaperSettings

NAME = "tidewheel-reaper"


@asynccontextmanager
async def build(process: Process[ReaperSettings]) -> AsyncIterator[list[Loop]]:
    """Open the two stores and yield the loops."""
    settings = process.settings
    async with AsyncExitStack() as opened:
        engine = open_engine(
            settings.database_url.get_secret_value(),
            application_name=NAME,
            pool_size=2,
            synchronous_commit=False,  # what a crash brings back is deleted once more
        )
        opened.push_async_callback(engine.dispose)
        redis = open_redis(settings.redis_url.get_secret_value(), client_name=NAME, pool_size=2)
        opened.push_async_callback(redis.aclose)
        wake = asyncio.Event()

        def hear(_: str) -> None:
            wake.set()

        listener = Listener(redis, {WAKE_REAPER: hear})
        opened.push_async_callback(listener.close)
        metrics = ReaperMetrics(process.metrics.registry)
        yield [
            Loop(name="listen", tick=listener.tick, every=2 * LISTEN_PAUSE),
            Loop(name="remove", tick=Remove(engine, metrics).tick, every=1.0, wake=wake),
            Loop(name="forget", tick=Forget(engine, metrics, fires_age=settings.fires_age).tick, every=60.0),
        ]


def main() -> int:
    """Be the reaper until it is asked to stop, and return the exit code."""
    return run_service("reaper", load_settings(ReaperSettings), build, transient=store_is_away)


if __name__ == "__main__":
    sys.exit(main())
