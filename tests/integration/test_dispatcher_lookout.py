"""What the dispatcher looks at between two whole looks, and that nothing stays unseen for good."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.dispatcher_rig import Rig, ago, opened_rig

from tidewheel_common.core.task import Priority
from tidewheel_common.store.engine import Engine
from tidewheel_common.streams.stream import Line
from tidewheel_dispatcher.lookout import FORGET, LONGEST, Lookout
from tidewheel_dispatcher.queries import BEGINNING, clock_ago

LINE = Line("default", Priority.MEDIUM)


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        yield opened


class Looking:
    """A lookout whose clock stands still but while a look lasts, as long as the test says."""

    def __init__(self, engine: Engine) -> None:
        self.now = 0.0
        self._steps: list[float] = []
        self._engine = engine
        self.lookout = Lookout(clock=self._clock)

    def _clock(self) -> float:
        self.now += self._steps.pop() if self._steps else 0.0
        return self.now

    async def look(self, *, lasts: float = 0.0) -> list[Line]:
        self._steps = [lasts, 0.0]
        async with self._engine.connect() as connection:
            found = [each.line for each in await self.lookout.look(connection)]
        self._steps.clear()
        return found

    async def dispatched(self) -> None:
        async with self._engine.connect() as connection:
            self.lookout.dispatched({LINE: await clock_ago(connection, seconds=0)})


async def test_a_look_is_due_the_later_the_longer_the_last_one_took(rig: Rig) -> None:
    looking = Looking(rig.engine)
    assert looking.lookout.due_in == 0
    await looking.look(lasts=0.03)
    assert looking.lookout.due_in == pytest.approx(1)
    looking.now += 0.75
    assert looking.lookout.due_in == pytest.approx(0.25)
    looking.now += 0.25
    assert looking.lookout.due_in == 0


async def test_one_slow_look_does_not_hide_what_is_new_for_long(rig: Rig) -> None:
    looking = Looking(rig.engine)
    assert await looking.look(lasts=30) == []
    assert looking.lookout.due_in == LONGEST


async def test_a_look_finds_what_stands_before_the_last_dispatch(rig: Rig) -> None:
    looking = Looking(rig.engine)
    await rig.tasks(1, queue="other")
    await rig.tasks(1)
    await looking.look()
    await looking.dispatched()
    assert looking.lookout.after(LINE) > BEGINNING
    assert await looking.look() == [LINE, Line("other", Priority.MEDIUM)]
    assert looking.lookout.after(LINE) == BEGINNING


async def test_a_line_is_known_while_something_is_due_or_was_dispatched_not_long_ago(rig: Rig) -> None:
    looking = Looking(rig.engine)
    (task_id,) = await rig.tasks(1)
    await looking.look()
    assert looking.lookout.known == {LINE}
    await looking.dispatched()
    await rig.set(task_id, state="queued", ready_at=None, queued_at=ago(0))
    looking.now += FORGET - 1
    await looking.look()
    assert looking.lookout.known == {LINE}
    looking.now += 2
    await looking.look()
    assert looking.lookout.known == set()
