"""Opens what the scheduler needs and puts its loops together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from uuid import UUID

from celery.app.utils import find_app

from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.loop import Loop
from tidewheel_common.process.service import Process
from tidewheel_common.store.engine import Engine, open_engine
from tidewheel_common.streams.client import Redis, open_redis
from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_FINAL, WAKE_SCHEDULER
from tidewheel_common.streams.wake import Listener, Speaker, Waker
from tidewheel_scheduler import expire, fire, forget, lapse, promote, rebase, release, rescue, sync
from tidewheel_scheduler.counts import Counts
from tidewheel_scheduler.ration import Ration
from tidewheel_scheduler.settings import SchedulerSettings
from tidewheel_scheduler.vigil import Vigil, longest_gap

_APPLICATION = "tidewheel-scheduler"
_LAST_WORDS = 1.0
"""Seconds that the last wake-ups may take to leave."""


@asynccontextmanager
async def build_loops(process: Process[SchedulerSettings]) -> AsyncIterator[Sequence[Loop]]:
    """Yield the scheduler's loops, on connections that are closed afterwards."""
    async with AsyncExitStack() as stack:
        url = process.settings.database_url.get_secret_value()
        engine = open_engine(url, application_name=_APPLICATION, pool_size=8)  # one for each loop
        stack.push_async_callback(engine.dispose)
        # A promotion that a crash of PostgreSQL undoes is done again: it need not wait for the disk.
        # So is a look at the store.
        quick = open_engine(url, application_name=_APPLICATION, pool_size=2, synchronous_commit=False)
        stack.push_async_callback(quick.dispose)
        redis = open_redis(process.settings.redis_url.get_secret_value(), client_name=_APPLICATION)
        stack.push_async_callback(redis.aclose)
        speaker = await stack.enter_async_context(_speaker(redis))
        dispatcher, final = Waker(speaker, WAKE_DISPATCHER), Waker(speaker, WAKE_FINAL)
        wakes = _Wakes()
        listener = Listener(redis, {WAKE_SCHEDULER: wakes.hear})
        stack.push_async_callback(listener.close)
        yield [
            *_working_loops(process, engine=engine, quick=quick, wakes=wakes, dispatcher=dispatcher, final=final),
            Loop(name="listen", tick=partial(listener.listen, process.stop), every=1.0),
        ]


class _Wakes:
    """The loops that a wake-up concerns."""

    def __init__(self) -> None:
        self.promote = asyncio.Event()
        self.fire = asyncio.Event()
        self.release = asyncio.Event()

    def hear(self, _: str) -> None:
        self.promote.set()
        self.fire.set()
        self.release.set()


def _working_loops(
    process: Process[SchedulerSettings],
    *,
    engine: Engine,
    quick: Engine,
    wakes: _Wakes,
    dispatcher: Waker,
    final: Waker,
) -> list[Loop]:
    counts = Counts(process.metrics.registry)
    stale = process.settings.executor_stale
    announce = partial(_announce, final)
    promoting = promote.Promote(engine=quick, wake_dispatcher=dispatcher.wake, counts=counts)
    firing = fire.Fire(engine=engine, wake_dispatcher=dispatcher.wake, counts=counts)
    expiring = expire.Expire(engine=engine, announce=announce, counts=counts)
    lapsing = lapse.Lapse(engine=engine, counts=counts)
    rescuing = rescue.Rescue(
        engine=engine,
        stale=stale,
        vigil=Vigil(quick, gap=longest_gap(stale)),
        ration=Ration(process.settings.rescues_per_minute),
        wake_promote=wakes.promote.set,
        announce=announce,
        counts=counts,
        jitter=process.jitter,
    )
    rebasing = rebase.Rebase(engine=engine, slack=longest_gap(stale), wake_promote=wakes.promote.set)
    releasing = release.Release(engine=engine, wake_dispatcher=dispatcher.wake, announce=announce, counts=counts)
    forgetting = forget.Forget(engine=engine)
    return [
        Loop(name="promote", tick=promoting.tick, every=promote.EVERY, wake=wakes.promote),
        Loop(name="fire", tick=firing.tick, every=fire.EVERY, wake=wakes.fire),
        Loop(name="expire", tick=expiring.tick, every=expire.EVERY),
        Loop(name="lapse", tick=lapsing.tick, every=lapse.EVERY),
        Loop(name="release", tick=releasing.tick, every=release.EVERY, wake=wakes.release),
        Loop(name="rescue", tick=rescuing.tick, every=rescue.EVERY),
        Loop(name="rebase", tick=rebasing.tick, every=rebase.EVERY),
        Loop(name="forget", tick=forgetting.tick, every=forget.EVERY),
        *_synchronising(process.settings, engine, wakes, counts),
    ]


def _synchronising(settings: SchedulerSettings, engine: Engine, wakes: _Wakes, counts: Counts) -> list[Loop]:
    if settings.celery_app is None:
        return []
    following = sync.Sync(
        engine=engine,
        sealer=Sealer(settings.keyring()),
        app=find_app(settings.celery_app),
        wake_fire=wakes.fire.set,
        refused=counts.beat_refused,
    )
    return [Loop(name="sync", tick=following.tick, every=sync.EVERY)]


def _announce(final: Waker, task_ids: Sequence[UUID]) -> None:
    final.wake(*(str(task_id) for task_id in task_ids))


@asynccontextmanager
async def _speaker(redis: Redis) -> AsyncIterator[Speaker]:
    speaker = Speaker(redis)
    try:
        yield speaker
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(speaker.close(), _LAST_WORDS)
