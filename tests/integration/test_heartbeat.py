"""An executor is heard again soon after an outage, and what never answers does not keep it silent."""

from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from tests.chaos.proxy import Toxics, open_proxy
from tests.support import wait_until

from tidewheel_common.store.errors import is_transient
from tidewheel_executor.beat import Beat
from tidewheel_executor.heartbeat_queries import Presence


async def test_a_sign_of_life_that_nobody_answers_does_not_hold_up_the_next(database_url: str) -> None:
    parts = urlsplit(database_url)
    assert parts.port
    presence = Presence(id=uuid4(), hostname="here", pid=1, queues=["default"], handlers=["demo.echo"])
    async with open_proxy("executor-postgres", parts.port) as link:
        through = parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{link.port}").geturl()
        beat = Beat(through, presence, longest=0.5)
        await wait_until(lambda: _is_given(beat), what="the first sign of life")
        first = await _heard(database_url)
        hanging = set(link.pairs)

        link.toxics.mute_answers = link.toxics.mute_requests = True
        with pytest.raises(TimeoutError) as raised:
            await beat.tick()
        assert is_transient(raised.value)
        assert await _heard(database_url) == first
        link.toxics = Toxics()  # and the old connection stays as dead as it was
        for pair in hanging:
            pair.hold(answers=True)
        await wait_until(lambda: _is_given(beat), what="another sign of life")
        await beat.close()

    assert await _heard(database_url) > first


async def _is_given(beat: Beat) -> bool:
    try:
        await beat.tick()
    except TimeoutError:
        return False
    return True


async def _heard(database_url: str) -> float:
    connection = await asyncpg.connect(database_url)
    try:
        return float(await connection.fetchval("SELECT extract(epoch FROM heartbeat_at) FROM executors"))
    finally:
        await connection.close()
