"""What goes straight to its stream: a gateway pushes the hints of tasks that nothing holds back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from tests.gateway import Gateway, serving
from tests.integration.dispatcher_rig import Rig, ago, opened_rig
from tests.support import wait_until

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.bundle_sizes import BundleSizes
from tidewheel_common.streams.keys import OPEN, stream_key
from tidewheel_common.streams.open_queues import OpenQueues, tell_open_queues
from tidewheel_dispatcher.window import FIRST
from tidewheel_gateway import rooms
from tidewheel_gateway.app import Sources
from tidewheel_gateway.rooms import FRESH, IN_USE, SHUN


@dataclass(kw_only=True)
class Clock:
    """Seconds that a test lets pass."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


@dataclass(kw_only=True)
class Pair:
    """A gateway and a dispatcher, and an executor that serves `demo.echo`."""

    gateway: Gateway
    rig: Rig
    clock: Clock = field(default_factory=Clock)

    async def opened(self, queue: str = "default") -> None:
        """Have a queue used once, and let the dispatcher look; what gateways knew is old."""
        await self.gateway.submit(queue=queue)
        await self.rig.relayed()
        await self.looked()

    async def looked(self) -> None:
        """Let the dispatcher look, and the gateway ask anew."""
        self.rig.time += 10.0
        await self.rig.relayed()
        await self.asked()

    async def asked(self) -> None:
        """Let the gateway ask Redis."""
        await self.gateway.parts.rooms.look()

    async def submitted(self, count: int = 1, **fields: Any) -> list[UUID]:
        """Submit tasks in one call, and return their ids."""
        answer = await self.gateway.http.post(
            "/v1/tasks:batch", json={"tasks": [{"handler": "demo.echo", **fields} for _ in range(count)]}
        )
        assert answer.status_code == 201, answer.text
        return [UUID(result["id"]) for result in answer.json()["results"]]

    async def states(self, ids: list[UUID]) -> list[str]:
        """Return where tasks are, in their order."""
        rows = await self.gateway.rows("SELECT id, state FROM tasks WHERE id = ANY(:ids)", ids=ids)
        states = {row["id"]: row["state"] for row in rows}
        return [states[task_id] for task_id in ids]

    async def hinted(self, ids: list[UUID], queue: str = "default") -> bool:
        """Tell whether the last hints of a stream are those of some tasks, in their order."""
        return [hint.task_id for hint in await self.rig.hints(queue)][-len(ids) :] == ids


@asynccontextmanager
async def paired(database_url: str, redis_url: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    clock = Clock()
    sources = Sources(jitter=lambda: 0.0, monotonic=clock)
    patch.setattr(rooms, "REFRESH", 3600.0)  # a test says when it asks
    patch.setattr(rooms, "AGAIN", 0.0)
    async with (
        serving(database_url, redis_url, sources=sources) as gateway,
        opened_rig(database_url, redis_url) as rig,
    ):
        await rig.executor("demo.echo")
        yield Pair(gateway=gateway, rig=rig, clock=clock)


@pytest.fixture
async def pair(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    async with paired(database_url, redis_url, monkeypatch) as pair:
        await pair.opened()
        yield pair


async def test_a_task_for_an_open_queue_is_queued_from_the_start(pair: Pair) -> None:
    ids = await pair.submitted(3)

    assert await pair.states(ids) == ["queued"] * 3
    await wait_until(lambda: pair.hinted(ids), what="the hints")
    (row,) = await pair.gateway.rows(
        "SELECT ready_at, queued_at = created_at AS born FROM tasks WHERE id = :id", id=ids[0]
    )
    assert row == {"ready_at": None, "born": True}
    metrics = await pair.gateway.http.get("/metrics")
    assert "tidewheel_tasks_straight_total 3.0" in metrics.text


async def test_the_executor_reads_what_went_straight_like_all_else(pair: Pair) -> None:
    await pair.rig.read(10)
    [task_id] = await pair.submitted(timeout=7.5)
    await wait_until(lambda: pair.hinted([task_id]), what="the hint")

    [hint] = await pair.rig.read(10)

    assert (hint.task_id, hint.attempt, hint.handler, hint.timeout, hint.lost) == (task_id, 0, "demo.echo", 7.5, 0)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"handler": "nobody.serves"}, "ready"),
        ({"concurrency_key": "one"}, "ready"),
        ({"queue": "never-used"}, "ready"),
        ({"delay": 60}, "waiting"),
        ({"run_at": "2020-01-01T00:00:00Z"}, "ready"),
        ({"unique_key": "one"}, "ready"),
    ],
    ids=lambda given: next(iter(given), "") if isinstance(given, dict) else given,
)
async def test_whatever_something_holds_back_goes_by_the_dispatcher(
    pair: Pair, fields: dict[str, Any], state: str
) -> None:
    task = await pair.gateway.submit(**fields)

    assert await pair.states([UUID(task["id"])]) == [state]


async def test_what_is_set_for_a_queue_holds_even_before_the_dispatcher_has_seen_it(pair: Pair) -> None:
    await pair.opened("limited")
    await pair.rig.valve("limited", concurrency=1)

    held, free = await pair.submitted(2, queue="limited"), await pair.submitted()

    assert await pair.states([*held, *free]) == ["ready", "ready", "queued"]
    await wait_until(lambda: pair.hinted(free), what="the hint")
    assert len(await pair.rig.hints("limited")) == 1


@pytest.mark.parametrize(
    ("call", "path", "valve"),
    [("POST", ":pause", {}), ("PATCH", "", {"rate": 5}), ("PATCH", "", {"concurrency": 1})],
    ids=["paused", "rate", "concurrency"],
)
async def test_the_dispatcher_closes_a_queue_for_which_something_is_set(
    pair: Pair, call: str, path: str, valve: dict[str, Any]
) -> None:
    answer = await pair.gateway.http.request(call, f"/v1/queues/default{path}", json=valve)
    assert answer.status_code == 200, answer.text
    await pair.submitted()
    await pair.looked()

    told: Any = await pair.rig.redis.get(OPEN)
    assert OpenQueues.read(told).closed == {"default"}


async def test_no_more_goes_straight_than_there_is_room_for_and_the_first_go(pair: Pair) -> None:
    handlers = {"*": frozenset({"demo.echo"})}
    told = OpenQueues(served=handlers, windows={"default": 200}, window=0, closed=frozenset())
    await tell_open_queues(pair.rig.redis, told)
    await pair.asked()
    ids = await pair.submitted(300)

    assert await pair.states(ids) == ["queued"] * 199 + ["ready"] * 101  # one hint has been waiting all the time


async def test_a_queue_in_which_something_is_left_is_closed_until_it_is_empty(pair: Pair) -> None:
    await pair.rig.tasks(FIRST + 200)
    await pair.rig.relayed()
    await pair.asked()
    assert await pair.states(await pair.submitted()) == ["ready"]

    while await pair.rig.read(FIRST):
        await pair.looked()

    assert await pair.states(await pair.submitted()) == ["queued"]


async def test_without_a_dispatcher_nothing_goes_straight_for_long(pair: Pair) -> None:
    await pair.rig.redis.delete(OPEN)  # as it does by itself
    await pair.asked()

    assert await pair.states(await pair.submitted()) == ["ready"]


async def test_what_another_release_says_opens_nothing(pair: Pair) -> None:
    await pair.rig.redis.set(OPEN, "[1, 2, 3, 4]")
    await pair.asked()

    assert await pair.states(await pair.submitted()) == ["ready"]


async def test_what_a_gateway_has_heard_is_good_for_a_moment(pair: Pair) -> None:
    pair.clock.now += FRESH / 2
    assert await pair.states(await pair.submitted()) == ["queued"]
    pair.clock.now += FRESH
    assert await pair.states(await pair.submitted()) == ["ready"]


async def test_a_pause_that_is_over_holds_nothing_back(pair: Pair) -> None:
    await pair.rig.valve(paused_at=ago(60), paused_until=ago(30))
    await pair.looked()
    assert await pair.states(await pair.submitted()) == ["queued"]


async def test_a_full_redis_opens_nothing_and_stops_no_dispatcher(pair: Pair) -> None:
    await pair.rig.redis.config_set("maxmemory", "1")
    try:
        pair.rig.time += 10.0
        await pair.rig.relayed()
        [task_id] = await pair.submitted()

        async def taken_back() -> bool:
            return await pair.states([task_id]) == ["ready"]

        await wait_until(taken_back, what="the task to be taken back")
    finally:
        await pair.rig.redis.config_set("maxmemory", "0")


async def test_a_gateway_stops_whatever_has_become_of_its_hints(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paired(database_url, redis_url, monkeypatch) as pair:
        await pair.opened()

        async def refresh(_: object) -> None:
            raise ValueError

        monkeypatch.setattr(BundleSizes, "refresh", refresh)
        ids = await pair.submitted(2)

        async def taken_back() -> bool:
            return await pair.states(ids) == ["ready", "ready"]

        await wait_until(taken_back, what="the tasks to be taken back")


async def test_a_line_that_nobody_uses_is_not_asked_about(pair: Pair) -> None:
    pair.clock.now += IN_USE
    await pair.asked()
    assert await pair.states(await pair.submitted()) == ["ready"]
    await pair.asked()
    assert await pair.states(await pair.submitted()) == ["queued"]


async def test_what_redis_refuses_is_taken_back_and_goes_by_the_dispatcher(pair: Pair) -> None:
    first = await pair.submitted()
    await wait_until(lambda: pair.hinted(first), what="the first hint")
    stream = stream_key("default", Priority.MEDIUM)
    await pair.rig.redis.delete(stream)
    await pair.rig.redis.set(stream, "no stream")

    refused = await pair.submitted(2)

    async def taken_back() -> bool:
        return await pair.states(refused) == ["ready", "ready"]

    await wait_until(taken_back, what="the tasks to be taken back")
    assert await pair.states(await pair.submitted()) == ["ready"], "Redis is left alone for a while"
    await pair.rig.redis.delete(stream)
    pair.clock.now += SHUN
    await pair.looked()
    assert {hint.task_id for hint in await pair.rig.hints()} >= set(refused)


async def test_a_submission_that_was_there_already_pushes_nothing_again(pair: Pair) -> None:
    headers = {"Idempotency-Key": "once"}
    before = len(await pair.rig.hints())
    answers = [await pair.gateway.http.post("/v1/tasks", json={"handler": "demo.echo"}, headers=headers) for _ in "12"]
    other = await pair.submitted()
    await wait_until(lambda: pair.hinted(other), what="the other hint")

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len(await pair.rig.hints()) == before + 2


async def test_a_key_that_is_taken_in_the_same_flight_pushes_nothing(pair: Pair) -> None:
    await pair.gateway.execute(
        "INSERT INTO idempotency_keys (tenant_id, key, fingerprint, task_ids, accepted_at, expires_at) "
        "SELECT id, 'taken', 'other', '{}', now(), now() + interval '1 hour' FROM tenants"
    )
    before = len(await pair.rig.hints())
    post = pair.gateway.http.post
    refused, accepted = await pair.gateway.at_once(
        [
            post("/v1/tasks", json={"handler": "demo.echo"}, headers={"Idempotency-Key": "taken"}),
            post("/v1/tasks", json={"handler": "demo.echo"}),
        ]
    )
    assert (refused.status_code, accepted.status_code) == (422, 201)
    await wait_until(lambda: pair.hinted([UUID(accepted.json()["id"])]), what="the hint")
    assert len(await pair.rig.hints()) == before + 1


async def test_a_gateway_that_stops_pushes_what_it_has_accepted(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_rig(database_url, redis_url) as observer:
        async with paired(database_url, redis_url, monkeypatch) as pair:
            await pair.opened()
            ids = await pair.submitted(50)
        assert {hint.task_id for hint in await observer.hints()} >= set(ids)
