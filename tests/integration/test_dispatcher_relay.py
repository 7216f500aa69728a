"""The relay on a real PostgreSQL and a real Valkey."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from tests.integration.dispatcher_rig import Rig, ago, opened_rig

from tidewheel_common.core.task import Priority
from tidewheel_common.process.loop import AGAIN
from tidewheel_common.store.engine import Connection
from tidewheel_common.store.sql import Statement
from tidewheel_common.streams.keys import BUNDLE_SIZES, GROUP, QUEUES
from tidewheel_dispatcher.grants import ROOM_PAUSE
from tidewheel_dispatcher.relay import FLOW, LEAST_DUTY
from tidewheel_dispatcher.rooms import FORGET
from tidewheel_dispatcher.window import FIRST


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with opened_rig(database_url, redis_url) as opened:
        yield opened


async def test_a_ready_task_is_marked_and_its_hint_is_in_its_stream(rig: Rig) -> None:
    await rig.executor("demo.echo")
    (task_id,) = await rig.tasks(
        1, timeout=2.5, lost=1, attempt=3, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    )
    assert await rig.relay.tick() is None
    row = await rig.row(task_id)
    assert (row["state"], row["ready_at"], row["attempt"]) == ("queued", None, 3)
    assert row["queued_at"] is not None
    (hint,) = await rig.hints()
    assert (hint.task_id, hint.attempt, hint.handler, hint.timeout, hint.lost) == (task_id, 3, "demo.echo", 2.5, 1)
    assert hint.traceparent == row["traceparent"]
    assert await rig.redis.smembers(QUEUES) == {b"default"}
    assert [group["name"].decode() for group in await rig.redis.xinfo_groups("tidewheel:{default}:medium")] == [GROUP]
    assert rig.count("pushed") == 1


async def test_each_priority_has_its_stream_and_within_one_the_longest_wait_goes_first(rig: Rig) -> None:
    await rig.executor("demo.echo")
    (late,) = await rig.tasks(1, ready_at=ago(1))
    (early,) = await rig.tasks(1, ready_at=ago(9))
    (high,) = await rig.tasks(1, priority=0)
    (low,) = await rig.tasks(1, priority=2)
    await rig.relay.tick()
    assert [hint.task_id for hint in await rig.hints()] == [early, late]
    assert [hint.task_id for hint in await rig.hints(priority=Priority.HIGH)] == [high]
    assert [hint.task_id for hint in await rig.hints(priority=Priority.LOW)] == [low]


async def test_short_tasks_share_entries_as_far_as_executors_say_and_count_one_by_one(rig: Rig) -> None:
    await rig.executor("demo.echo", "other")
    await rig.redis.hset(BUNDLE_SIZES, mapping={"demo.echo": 40})
    ids = [*await rig.tasks(FIRST + 300, ready_at=ago(9)), *await rig.tasks(2, handler="other", queue="b")]
    await rig.relayed()
    assert await rig.redis.xlen("tidewheel:{default}:medium") < FIRST / 40 + 5  # a tick ends with less than 40
    assert len(await rig.hints()) == FIRST  # the window counts hints
    assert await rig.redis.xlen("tidewheel:{b}:medium") == 2
    assert rig.count("pushed") == FIRST + 2
    await rig.read(FIRST)
    await rig.relayed()
    assert Counter(hint.task_id for hint in [*await rig.hints(), *await rig.hints("b")]) == Counter(ids)


async def test_a_small_budget_goes_to_high_before_low(database_url: str, redis_url: str) -> None:
    async with opened_rig(database_url, redis_url, budget=5) as rig:
        await rig.executor("demo.echo")
        await rig.tasks(4, priority=2, ready_at=ago(100))
        await rig.tasks(4, priority=0, ready_at=ago(1))
        assert await rig.relay.tick() == AGAIN
        assert len(await rig.hints(priority=Priority.HIGH)) == 4
        assert len(await rig.hints(priority=Priority.LOW)) == 1
        assert await rig.relayed() is None
        assert await rig.states() == {"queued": 8}


async def test_a_queue_with_a_long_backlog_does_not_hold_up_another(database_url: str, redis_url: str) -> None:
    async with opened_rig(database_url, redis_url, budget=10) as rig:
        await rig.executor("demo.echo")
        await rig.tasks(50, queue="long", ready_at=ago(100))
        await rig.tasks(1, queue="short")
        await rig.relay.tick()
        assert len(await rig.hints("short")) == 1
        assert len(await rig.hints("long")) == 5


async def test_no_more_than_a_window_waits_in_redis_until_executors_have_read_some(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(FIRST + 500)
    assert await rig.relay.tick() == AGAIN  # the budget was spent, and the window filled
    assert await rig.relayed() == ROOM_PAUSE
    assert len(await rig.hints()) == FIRST
    assert await rig.states() == {"queued": FIRST, "ready": 500}
    await rig.read(300)
    assert await rig.relayed() == ROOM_PAUSE
    assert len(await rig.hints()) == FIRST + 300  # what is in flight does not count


async def test_a_queue_that_nothing_was_dispatched_to_for_long_is_forgotten(rig: Rig) -> None:
    await rig.executor("demo.echo")
    for queue in ("once", "always"):
        await rig.tasks(1, queue=queue)
    await rig.relay.tick()
    await rig.relay.tick()
    assert rig.registry.get_sample_value("tidewheel_queue_window", {"queue": "once"}) is not None
    rig.time += FORGET
    await rig.tasks(1, queue="always")
    await rig.relayed()
    shown = [rig.registry.get_sample_value("tidewheel_queue_window", {"queue": queue}) for queue in ("once", "always")]
    assert shown[0] is None
    assert shown[1] is not None


async def test_a_full_low_line_does_not_hold_up_a_high_task(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(FIRST + 10, priority=2, ready_at=ago(100))
    await rig.relay.tick()
    await rig.relay.tick()
    await rig.tasks(1, priority=0)
    await rig.relay.tick()
    assert len(await rig.hints(priority=Priority.HIGH)) == 1


async def test_a_task_that_is_not_due_stays(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1, ready_at=ago(-60))
    assert await rig.relay.tick() is None
    assert await rig.states() == {"ready": 1}


async def test_two_dispatchers_share_the_work_and_push_no_task_twice(database_url: str, redis_url: str) -> None:
    async with (
        opened_rig(database_url, redis_url, budget=50) as one,
        opened_rig(database_url, redis_url, budget=50) as two,
    ):
        await one.executor("demo.echo")
        ids = await one.tasks(600)

        async def drain(rig: Rig) -> None:
            while (await rig.states()).get("ready"):
                await rig.relay.tick()

        await asyncio.gather(drain(one), drain(two))
        assert Counter(hint.task_id for hint in await one.hints()) == Counter(ids)
        assert one.count("pushed") + two.count("pushed") == 600


async def test_a_push_that_fails_takes_the_tasks_back_to_their_place(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.executor("demo.echo")
    ids = await rig.tasks(3, ready_at=ago(5))

    async def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr("tidewheel_dispatcher.relay.push", refuse)
        with pytest.raises(RedisError):
            await rig.relay.tick()
    assert await rig.states() == {"ready": 3}
    assert rig.count("released") == 3
    await rig.relay.tick()
    assert [hint.task_id for hint in await rig.hints()] == ids


async def test_a_release_leaves_alone_what_has_moved_on_since(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.executor("demo.echo")
    claimed, cancelled, other = await rig.tasks(3)

    async def refuse(*_: object, **__: object) -> None:
        await rig.set(claimed, state="running", attempt=1, lease_until=ago(-60))
        await rig.set(cancelled, state="cancelled", queued_at=None, remove_at=ago(-60))
        raise RedisConnectionError("gone")

    monkeypatch.setattr("tidewheel_dispatcher.relay.push", refuse)
    with pytest.raises(RedisError):
        await rig.relay.tick()
    assert (await rig.row(claimed))["state"] == "running"
    assert (await rig.row(cancelled))["state"] == "cancelled"
    assert (await rig.row(other))["state"] == "ready"


async def test_nothing_is_marked_while_redis_is_away(database_url: str) -> None:
    async with opened_rig(database_url, "redis://127.0.0.1:1/0") as rig:
        await rig.executor("demo.echo")
        await rig.tasks(2)
        with pytest.raises(RedisError):
            await rig.relay.tick()
        assert await rig.states() == {"ready": 2}


async def test_the_statements_of_a_tick_use_the_index_of_ready_tasks(rig: Rig) -> None:
    await rig.history(30_000)
    await rig.tasks(500)
    lines = await rig.plan("lines_ready", now=None)
    assert lines.count("using tasks_ready") == 4
    assert "Seq Scan on tasks" not in lines
    unpark = await rig.plan("tasks_unpark", queue="default", priority=1, handlers=["demo.echo"], most=1000, now=None)
    assert "using tasks_ready" in unpark


async def test_what_the_rest_of_a_burst_costs_does_not_depend_on_when_the_plan_was_made(rig: Rig) -> None:
    await rig.executor("demo.echo")
    for _ in range(8):
        await rig.tasks(1)
        await rig.relay.tick()
    await rig.history(30_000)
    await rig.tasks(500)
    async with asyncio.timeout(2):  # it takes 0.05 s; with a plan for an empty table more than the timeout
        await rig.relay.tick()
    assert (await rig.states())["queued"] == 508


class Counting:
    """Counts the statements of an engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        honest = Connection.execute

        async def execute(connection: Connection, what: Statement, parameters: object = None) -> object:
            self.names.append(getattr(what, "name", ""))
            return await honest(connection, what, parameters)  # type: ignore[arg-type]

        monkeypatch.setattr(Connection, "execute", execute)

    def asked(self) -> list[str]:
        names, self.names = self.names, []
        return [name for name in names if name not in {"executors_live", ""}]


async def test_a_task_that_comes_alone_takes_one_statement_and_the_look_follows_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1)
    await rig.relay.tick()
    (alone,) = await rig.tasks(1)
    statements = Counting(monkeypatch)
    assert await rig.relay.tick() == 0.0  # a look is due, but the task did not wait for it
    assert statements.asked() == ["tasks_dispatch"]
    assert (await rig.hints())[-1].task_id == alone
    assert await rig.relay.tick() is None
    assert statements.asked() == ["lines_ready"]


async def test_what_is_new_in_an_unknown_line_is_found_in_the_tick_that_it_wakes(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1)
    await rig.relay.tick()
    await rig.tasks(1, queue="other", priority=0)
    assert await rig.relay.tick() is None
    assert len(await rig.hints("other", Priority.HIGH)) == 1


async def test_between_two_looks_a_queue_that_is_paused_or_limited_meanwhile_is_left_alone(rig: Rig) -> None:
    await rig.executor("demo.echo")
    for columns in ({"paused_at": ago(0)}, {"concurrency": 1}, {"rate": 0.001, "tokens": 0.0, "tokens_at": ago(0)}):
        await rig.tasks(1)
        await rig.relayed()
        (held,) = await rig.tasks(1)
        await rig.valve(**columns)
        await rig.relay.tick()
        assert (await rig.row(held))["state"] == "ready", columns
        await rig.relayed()
        assert (await rig.row(held))["state"] == "ready", columns
        await rig.valve()
        await rig.relayed()
        assert (await rig.states()).keys() == {"queued"}


async def test_the_window_holds_between_two_looks(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(FIRST // 2 - 10)
    await rig.relay.tick()
    for more in (FIRST // 2, 30):
        await rig.tasks(more)
        await rig.relay.tick()
    assert await rig.relayed() == ROOM_PAUSE
    assert len(await rig.hints()) == FIRST


async def test_what_another_dispatcher_has_queued_is_looked_for_no_more(database_url: str, redis_url: str) -> None:
    async with opened_rig(database_url, redis_url) as one, opened_rig(database_url, redis_url) as two:
        await one.executor("demo.echo")
        for rig in (one, two):
            await one.tasks(1)
            await rig.relay.tick()
        await one.tasks(1)
        await one.relay.tick()
        assert await two.relay.tick() is None
        assert await two.states() == {"queued": 3}


async def test_tasks_that_come_one_by_one_and_in_numbers_are_given_time_to_gather(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1)
    await rig.relay.tick()
    assert rig.relay.duty() == 1.0
    await rig.tasks(FLOW)
    await rig.relay.tick()
    few = rig.relay.duty()
    await rig.tasks(10 * FLOW)
    await rig.relay.tick()
    assert LEAST_DUTY <= rig.relay.duty() < few < 1.0


async def test_what_stands_before_the_last_dispatch_is_found_however_much_comes_behind_it(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1, ready_at=ago(0))
    await rig.relay.tick()
    (late,) = await rig.tasks(1, ready_at=ago(60))
    (keyed,) = await rig.tasks(1, ready_at=ago(60), concurrency_key="k", concurrency_limit=1)
    moments = 0
    while "ready" in {(await rig.row(task_id))["state"] for task_id in (late, keyed)}:
        await rig.tasks(1, ready_at=ago(0))
        await rig.relay.tick()
        moments += 1
        assert moments < 5
    assert moments == 2  # one dispatch of what is new, and the look that was due


async def test_a_queue_that_floods_leaves_another_its_share_once_a_look_has_seen_both(
    database_url: str, redis_url: str
) -> None:
    async with opened_rig(database_url, redis_url, budget=10) as rig:
        await rig.executor("demo.echo")
        await rig.tasks(1, queue="a")
        await rig.relay.tick()
        await rig.tasks(200, queue="a")
        await rig.tasks(5, queue="b")
        for _ in range(3):
            await rig.relay.tick()
        assert len(await rig.hints("b")) == 5


async def test_a_paused_queue_wakes_up_although_others_never_rest(rig: Rig) -> None:
    await rig.executor("demo.echo")
    await rig.valve("sleeps", paused_at=ago(1))
    (held,) = await rig.tasks(1, queue="sleeps")
    await rig.tasks(1)
    await rig.relay.tick()
    await rig.valve("sleeps")
    for _ in range(2):
        await rig.tasks(1)
        await rig.relay.tick()
    assert (await rig.row(held))["state"] == "queued"


async def test_a_tick_that_failed_is_followed_by_a_look(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.executor("demo.echo")
    await rig.tasks(1)
    await rig.relay.tick()
    (task_id,) = await rig.tasks(1)

    async def refuse(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as broken:
        broken.setattr("tidewheel_dispatcher.relay.push", refuse)
        with pytest.raises(RedisConnectionError):
            await rig.relay.tick()
    assert (await rig.row(task_id))["state"] == "ready"
    statements = Counting(monkeypatch)
    await rig.relay.tick()
    assert statements.asked() == ["lines_ready", "limits_exist", "tasks_dispatch"]
    assert (await rig.row(task_id))["state"] == "queued"
