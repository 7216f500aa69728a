"""A dispatcher dies in the middle of a batch. A push is one pipeline, so this is played on a dispatcher in pieces."""

from collections.abc import Sequence

import pytest
from tests.integration.dispatcher_rig import opened_rig

from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.stream import Addressed, push
from tidewheel_dispatcher import relay


class Died(BaseException):
    """No code of ours goes on after it."""


@pytest.mark.parametrize("pushed", [0, 1, 25, 50])
async def test_a_dispatcher_that_dies_with_a_batch_half_pushed_is_made_good_by_the_next(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, pushed: int
) -> None:
    async def half(redis: Redis, hints: Sequence[Addressed], **_: object) -> None:
        await push(redis, hints[:pushed], size_of=lambda _: 10)
        raise Died

    async with opened_rig(database_url, redis_url) as dying:
        await dying.executor("demo.echo")
        await dying.settle()
        ids = await dying.tasks(50)
        with monkeypatch.context() as patch:
            patch.setattr(relay, "push", half)
            with pytest.raises(Died):
                await dying.relay.tick()
        assert await dying.states() == {"queued": 50}

    async with opened_rig(database_url, redis_url, age=0.000_001) as following:
        await following.overdue.tick()
        assert following.count("overdue") == 50 - pushed
        await following.relay.tick()
        assert sorted(hint.task_id for hint in await following.hints()) == ids
