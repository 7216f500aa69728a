"""What waits behind a task that takes long, in the same message: others have it, and nothing runs twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis import Redis
from tests.execution import Queued, World, opened_world
from tests.integration.recovery_rig import cluster
from tests.integration.test_recovery_stop import HANDLERS, runs
from tests.support import wait_until

from tidewheel_common.streams.keys import WAKE_SCHEDULER

WAITING = "SELECT count(*) = $1 FROM tasks WHERE state = 'waiting'"


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


@contextmanager
def hearing(redis_url: str, channel: str) -> Iterator[None]:
    """Expect a wake-up on a channel."""
    with Redis.from_url(redis_url) as redis, redis.pubsub() as listening:
        listening.subscribe(channel)
        yield
        heard = iter(lambda: listening.get_message(timeout=5.0), None)
        assert any(message["type"] == "message" for message in heard)


def test_neighbours_of_a_blocked_task_run_on_another_child_while_it_still_blocks(
    world: World, database_url: str, redis_url: str
) -> None:
    ran: list[int] = []

    @world.handler(name="t.quick")
    def quick(number: int) -> None:
        ran.append(number)

    @world.handler(name="t.coroutine")
    async def coroutine(number: int) -> None:
        ran.append(number)

    @world.handler(name="t.blocks")
    def blocks() -> None:
        world.until(WAITING, 3, what="the neighbours to be given back")
        world.fetch("UPDATE tasks SET state = 'queued', queued_at = now(), wait_until = NULL WHERE state = 'waiting'")
        with opened_world(database_url, redis_url) as other:
            other.app.tasks.register(world.app.tasks["t.quick"])
            other.app.tasks.register(world.app.tasks["t.coroutine"])
            other.run(*(Queued(id=t.id, tenant_id=t.tenant_id, handler=t.handler, attempt=1) for t in neighbours))
        states.extend(world.row(task)["state"] for task in (first, *neighbours, blocked))
        ran.append(0)

    states: list[str] = []
    first = world.queue("t.quick", {"number": 1})
    blocked = world.queue("t.blocks")
    neighbours = [
        world.queue("t.coroutine", {"number": 2}),
        world.queue("t.quick", {"number": 3}),
        world.queue("t.quick", {"number": 4}),
    ]

    with hearing(redis_url, WAKE_SCHEDULER):
        durations = world.run(first, blocked, *neighbours)

    assert states == ["complete", "complete", "complete", "complete", "running"]
    assert ran == [1, 3, 4, 2, 0]
    assert {name: count for name, (count, _, _) in durations.items()} == {"t.quick": 1, "t.blocks": 1}
    for task in neighbours:
        row = world.row(task)
        assert (row["state"], row["attempt"], row["failures"], row["lost"]) == ("complete", 2, 0, 0)
        assert [attempt["state"] for attempt in world.attempts(task)] == ["interrupted", "complete"]
    assert world.row(blocked)["state"] == world.row(first)["state"] == "complete"
    assert world.child.registry.get_sample_value("tidewheel_executor_relieved_total") == 3


async def _refuse_connections(postgres_url: str, database_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f"ALTER DATABASE {urlsplit(database_url).path[1:]} ALLOW_CONNECTIONS false")
    finally:
        await connection.close()


def test_what_could_not_be_given_back_in_time_is_given_back_at_the_end(
    world: World, postgres_url: str, database_url: str
) -> None:
    ran: list[int] = []

    @world.handler(name="t.quick")
    def quick(number: int) -> None:
        ran.append(number)

    @world.handler(name="t.blocks")
    def blocks() -> None:
        world.wait(wait_until(lambda: world.owed() == 2, what="the neighbours to be taken"))

    world.finish("t.quick", {"number": 0})  # now the child has its connection
    world.wait(_refuse_connections(postgres_url, database_url))
    blocked = world.queue("t.blocks")
    neighbours = [world.queue("t.quick", {"number": number}) for number in (1, 2)]

    world.run(blocked, *neighbours)

    assert ran == [0]
    assert world.row(blocked)["state"] == "complete"
    for task in neighbours:
        row = world.row(task)
        assert (row["state"], row["attempt"], row["failures"], row["lost"]) == ("waiting", 1, 0, 0)
        assert [attempt["state"] for attempt in world.attempts(task)] == ["interrupted"]


async def test_one_task_that_blocks_holds_nobody_up_who_came_with_it(tmp_path: Path, server_binaries: object) -> None:
    assert server_binaries
    ledger, go = tmp_path / "ledger", tmp_path / "go"
    async with cluster(tmp_path, TIDEWHEEL_HANDLERS=HANDLERS) as made:
        known = await made.submit("r.block", 40, payload={"path": str(ledger)})
        await made.until_states(complete=40)
        blocking = {"handler": "r.block", "payload": {"path": str(ledger), "until": str(go)}}
        quick = {"handler": "r.block", "payload": {"path": str(ledger)}}
        answer = await made.http.post("/v1/tasks:batch", json={"tasks": [blocking, *[quick] * 19]})
        ids = [result["id"] for result in answer.json()["results"]]
        await made.until_states(running=1, complete=59)
        go.touch()
        await made.until_states(complete=60)

        assert runs(ledger) == dict.fromkeys([*known, *ids], 1)
        assert made.complaints() == []
