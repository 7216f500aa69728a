"""Telling others what was recorded: who waits for a result, the scheduler of a retry, the dispatcher of a dependant."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from redis.asyncio import Redis

from tidewheel_common.streams.keys import WAKE_DISPATCHER, WAKE_FINAL, WAKE_SCHEDULER
from tidewheel_common.streams.wake import Speaker
from tidewheel_executor.judge import Ended
from tidewheel_executor.queries import Settled

NEAR = 5.0
"""Seconds. For a retry that is further away the scheduler's own rhythm is good enough."""

LONGEST = 0.2
"""Seconds that a batch waits for its wake-ups to leave; what has not left by then is dropped."""


class Wakes:
    """Sends wake-ups from an event loop that runs only now and then."""

    def __init__(self, redis: Redis) -> None:
        self._speaker = Speaker(redis)

    async def tell(self, recorded: Sequence[Ended], settled: Settled) -> None:
        """Send the wake-ups that follow from what was recorded, and from what became of the dependants."""
        waits = [ended.transition.wait for ended in recorded]
        final = [str(ended.claimed.task_id) for ended, wait in zip(recorded, waits, strict=True) if wait is None]
        final += [str(task_id) for task_id in settled.cancelled]
        if settled.ready:
            self._speaker.say(WAKE_DISPATCHER)
        if final:
            self._speaker.say(WAKE_FINAL, *final)
        if any(wait is not None and wait <= NEAR for wait in waits):
            self._speaker.say(WAKE_SCHEDULER)
        await self._leave()

    async def tell_of_given_back(self) -> None:
        """Send the wake-up that follows when tasks were given back."""
        self._speaker.say(WAKE_SCHEDULER)
        await self._leave()

    async def _leave(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                await self._speaker.close()
