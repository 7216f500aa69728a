"""The same test body on a real stack and on the fake that users test with: what holds here holds there."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.stack import Stack
from tests.support import wait_until

from tidewheel_client import (
    AsyncClient,
    ChangedMeanwhile,
    Client,
    Conflict,
    InvalidRequest,
    NotFound,
    StillRunning,
    TaskFailed,
)
from tidewheel_client.testing import FakeTidewheel, NoHandler


class DemoError(Exception):
    """As of the demo's handlers."""


def _fake() -> FakeTidewheel:
    """Return a fake with the demo's handlers."""
    fake = FakeTidewheel()
    tries: dict[str, int] = {}

    @fake.handler("demo.distance")
    async def distance(x: float, y: float) -> float:
        return float((x * x + y * y) ** 0.5)

    @fake.handler("demo.echo")
    def echo(**payload: Any) -> dict[str, Any]:
        return payload

    @fake.handler("demo.fail")
    def fail(message: str = "This demo task always fails.") -> None:
        raise DemoError(message)

    @fake.handler("demo.flaky")
    def flaky(failures: int) -> None:
        tries["flaky"] = tries.get("flaky", 0) + 1
        logging.getLogger("demo").info("This is try %d; %d of them fail.", tries["flaky"], failures)
        if tries["flaky"] <= failures:
            raise RuntimeError("Not yet.")

    return fake


@pytest.fixture(params=["fake", "real"])
def opened(request: pytest.FixtureRequest) -> Callable[[], Any]:
    if request.param == "fake":
        fake = _fake()
        return fake.async_client
    stack: Stack = request.getfixturevalue("stack")
    return lambda: AsyncClient(stack.api_url, stack.api_key)


@pytest.fixture
async def client(opened: Callable[[], AsyncClient]) -> AsyncIterator[AsyncClient]:
    async with opened() as client:
        yield client


async def test_a_task_is_submitted_waited_for_and_read(client: AsyncClient) -> None:
    handle = await client.submit("demo.distance", {"x": 3, "y": 4}, tags=["both"], timeout=timedelta(minutes=1))

    assert handle.task is not None
    assert (handle.task.state, handle.task.timeout, handle.task.tags) == ("ready", 60.0, ["both"])
    assert await handle.result(timeout=30) == 5.0
    task = await handle.get()
    assert (task.state, task.attempt, task.failures, task.payload) == ("complete", 1, 0, {"x": 3, "y": 4})
    assert task.remove_at is not None
    assert task.finished_at is not None
    assert task.remove_at - task.finished_at == timedelta(days=1)


async def test_a_task_of_later_waits_and_is_cancelled(client: AsyncClient) -> None:
    handle = await client.submit("demo.echo", delay=timedelta(hours=1))

    with pytest.raises(StillRunning) as caught:
        await handle.wait(timeout=0)
    assert caught.value.task.state == "waiting"
    assert (await client.tasks.explain(handle)).state == "waiting"
    assert (await handle.cancel()).state == "cancelled"
    with pytest.raises(TaskFailed, match="cancelled"):
        await handle.result()


async def test_a_failing_task_is_tried_again_and_ends_dead_with_a_log(client: AsyncClient) -> None:
    handle = await client.submit("demo.fail", {"message": "No."}, max_attempts=2, backoff={"initial": 0.05})
    flaky = await client.submit("demo.flaky", {"failures": 2}, backoff={"initial": 0.05})

    with pytest.raises(TaskFailed, match=r"No\.") as caught:
        await handle.result(timeout=30)
    task = caught.value.task
    assert (task.state, task.reason, task.failures) == ("dead", "attempts_exhausted", 2)
    assert [entry.state for entry in await client.tasks.attempts(task)] == ["failed", "failed"]
    assert (await flaky.wait(timeout=30)).state == "complete"
    await client.tasks.redrive(handle)
    again = await handle.wait(timeout=30)
    assert (again.failures, again.attempt) == (2, 4)
    with pytest.raises(Conflict) as conflict:
        await client.tasks.redrive(flaky)
    assert conflict.value.code == "not_redrivable"


async def test_a_key_gives_the_same_task_and_refuses_another_request(client: AsyncClient) -> None:
    key = uuid4().hex

    first = await client.submit("demo.echo", {"a": 1}, idempotency_key=key)
    again = await client.submit("demo.echo", {"a": 1}, idempotency_key=key)

    assert first.id == again.id
    with pytest.raises(InvalidRequest) as caught:
        await client.submit("demo.echo", {"a": 2}, idempotency_key=key)
    assert caught.value.code == "idempotency_key_reused"


async def test_a_bad_submission_names_its_fields(client: AsyncClient) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await client.submit("not a name", {"a": "x"}, max_attempts=0, queue="q" * 65)

    assert {error.pointer for error in caught.value.errors} == {"/handler", "/max_attempts", "/queue"}
    with pytest.raises(InvalidRequest) as too_early:
        await client.submit("demo.echo", expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert [error.code for error in too_early.value.errors] == ["expires_too_early"]


async def test_a_batch_accepts_what_is_good_and_links_it(client: AsyncClient) -> None:
    items = await client.submit_batch(
        [
            {"handler": "demo.echo", "payload": {"n": 1}},
            {"handler": ""},
            {"handler": "demo.echo", "payload": {"n": 2}, "depends_on": [{"index": 0}]},
        ]
    )

    assert [item.error is None for item in items] == [True, False, True]
    assert items[1].error is not None
    assert items[1].error.errors[0]["pointer"] == "/tasks/1/handler"
    assert await client.tasks.handle(items[2]).result(timeout=30) == {"n": 2}
    with pytest.raises(ValueError, match="refused"):
        client.tasks.handle(items[1])


async def test_a_unique_key_gives_the_task_that_has_it(client: AsyncClient) -> None:
    key = uuid4().hex

    first = await client.submit("demo.echo", unique_key=key, delay=3600)
    again = await client.submit("demo.echo", unique_key=key, delay=3600)
    await first.cancel()
    after = await client.submit("demo.echo", unique_key=key)

    assert first.id == again.id != after.id


async def test_lists_come_page_by_page(client: AsyncClient) -> None:
    tag = uuid4().hex
    await client.submit_batch([{"handler": "demo.echo", "payload": {"n": n}, "tags": [tag]} for n in range(5)])

    found = [task.id async for task in client.tasks.list(tag=tag, limit=2)]

    assert len(set(found)) == 5
    assert [task async for task in client.tasks.list(tag=tag, state=["dead", "expired"])] == []


async def test_what_is_not_there_is_not_found(client: AsyncClient) -> None:
    for call in (client.tasks.get, client.tasks.cancel, client.schedules.get, client.schedules.delete):
        with pytest.raises(NotFound):
            await call(uuid4())


async def test_a_task_is_edited_removed_and_gone(client: AsyncClient) -> None:
    handle = await client.submit("demo.echo", delay=3600)

    edited = await client.tasks.edit(handle, priority="high", tags=["edited"], removal_delay=0)
    assert (edited.priority, edited.tags, edited.state) == ("high", ["edited"], "waiting")
    with pytest.raises(Conflict) as caught:
        await client.tasks.delete(handle)
    assert caught.value.code == "not_final"
    await handle.cancel()

    async def gone() -> bool:
        try:
            await handle.get()
        except NotFound:
            return True
        return False

    await wait_until(gone, what="the removal")


async def test_a_schedule_is_kept_changed_paused_triggered_and_deleted(client: AsyncClient) -> None:
    name = uuid4().hex
    schedule = await client.schedules.create(name, "demo.echo", {"a": 1}, cron="0 9 * * *", timezone="Europe/Berlin")
    try:
        with pytest.raises(Conflict):
            await client.schedules.create(name, "demo.echo", every=60)
        with pytest.raises(InvalidRequest):
            await client.schedules.edit(schedule, cron="61 * * * *")
        edited = await client.schedules.edit(schedule, every=timedelta(hours=1), etag=schedule.etag)
        assert (edited.cron, edited.every, edited.fired) == (None, 3600.0, 0)
        with pytest.raises(ChangedMeanwhile):
            await client.schedules.edit(schedule, tags=["late"], etag=schedule.etag)
        paused = await client.schedules.pause(schedule)
        assert (paused.next_run_at, paused.paused_at is None) == (None, False)
        fired = await client.schedules.trigger(schedule)
        assert await client.tasks.handle(fired.task_id).result(timeout=30) == {"a": 1}
        assert (await client.schedules.resume(schedule)).next_run_at is not None
        assert [fire.task_id async for fire in client.schedules.fires(schedule)] == [fired.task_id]
        assert name in {each.name async for each in client.schedules.list()}
    finally:
        await client.schedules.delete(schedule)
    with pytest.raises(NotFound):
        await client.schedules.get(schedule)


async def test_what_handlers_log_is_read(client: AsyncClient) -> None:
    handle = await client.submit("demo.flaky", {"failures": 1}, backoff={"initial": 0.05})
    await handle.result(timeout=30)

    first = await client.tasks.logs(handle)
    assert [(line.attempt, line.level, line.message) for line in first.data] == [
        (1, "INFO", "This is try 1; 1 of them fail."),
        (2, "INFO", "This is try 2; 1 of them fail."),
    ]
    rest = await client.tasks.logs(handle, after=first.next_cursor)
    assert (rest.data, rest.state) == ([], "complete")


async def test_dead_tasks_are_acted_on_as_one(client: AsyncClient) -> None:
    tag = uuid4().hex
    handles = [await client.submit("demo.fail", tags=[tag], max_attempts=1) for _ in range(2)]
    for handle in handles:
        assert (await handle.wait(timeout=30)).state == "dead"

    counted = await client.tasks.start_operation("redrive", {"tag": tag}, dry_run=True)
    assert (counted.counted, counted.done) == (2, 0)
    assert (await client.tasks.redrive(handles[0], payload={"message": "Again."})).payload == {"message": "Again."}
    assert "Again." in ((await handles[0].wait(timeout=30)).error or "")
    started = await client.tasks.start_operation("delete", {"tag": tag, "error_type": "DemoError", "state": ["dead"]})

    async def over() -> bool:
        return (await client.tasks.operation(started)).finished_at is not None

    await wait_until(over, what="the end of the operation")
    assert (await client.tasks.operation(started)).done == 2
    assert [task async for task in client.tasks.list(tag=tag)] == []
    with pytest.raises(InvalidRequest):
        await client.tasks.start_operation("delete", {}, priority="high")


async def test_a_schedule_is_looked_at_skipped_and_backfilled(client: AsyncClient) -> None:
    begun = datetime(2025, 6, 1, tzinfo=UTC)
    schedule = await client.schedules.create(uuid4().hex, "demo.echo", every=timedelta(hours=1), starts_at=begun)
    try:
        shown = await client.schedules.preview(schedule, count=2)
        assert shown.data[0].at == schedule.next_run_at
        skipped = await client.schedules.skip_next(schedule)
        assert skipped.next_run_at == shown.data[1].at
        first, last = begun + timedelta(minutes=30), begun + timedelta(minutes=150)
        fired = await client.schedules.backfill(schedule, first, last)
        assert [each.nominal_at for each in fired] == [begun + timedelta(hours=1), begun + timedelta(hours=2)]
        assert await client.schedules.backfill(schedule, first, last) == []
        paused = await client.schedules.pause(schedule, until=datetime(2099, 1, 1, tzinfo=UTC), reason="Winter.")
        assert (paused.next_run_at, paused.pause_reason) == (None, "Winter.")
        with pytest.raises(Conflict) as caught:
            await client.schedules.skip_next(schedule)
        assert caught.value.code == "nothing_to_skip"
    finally:
        await client.schedules.delete(schedule)
    rule = await client.schedules.preview_rule(
        cron="30 2 * * *", timezone="Europe/Berlin", after=datetime(2027, 3, 27, 12, tzinfo=UTC), count=1
    )
    assert (rule.data[0].local, rule.data[0].change is None) == ("2027-03-28T03:00:00+02:00", False)


async def test_handlers_and_executors_are_listed(client: AsyncClient) -> None:
    handlers = {each.name: each for each in await client.handlers.list()}
    [executor] = await client.executors.list()

    assert handlers["demo.distance"].arguments["required"] == ["x", "y"]
    assert handlers["demo.distance"].executors == [executor.id]
    assert "demo.distance" in executor.handlers


async def test_rules_are_kept_replaced_and_deleted(client: AsyncClient) -> None:
    name = uuid4().hex
    rule = await client.notification_rules.create(name=name, on=["dead"], email="ops@example.org")
    try:
        with pytest.raises(Conflict):
            await client.notification_rules.create(name=name, on=["dead"], email="ops@example.org")
        with pytest.raises(InvalidRequest):
            await client.notification_rules.create(name=uuid4().hex, on=["dead"])
        slack = await client.notification_rules.replace(rule, name=name, on=["complete"], slack="https://x.example/a")
        assert (slack.id, slack.kind, slack.email, slack.webhook) == (rule.id, "slack", None, None)
        assert slack in await client.notification_rules.list()
        assert await client.notification_rules.get(rule) == slack
    finally:
        await client.notification_rules.delete(rule)
    with pytest.raises(NotFound):
        await client.notification_rules.get(rule)


async def test_the_blocking_client_does_the_same(stack: Stack) -> None:
    def story(client: Client) -> tuple[object, ...]:
        with client:
            handle = client.submit("demo.distance", {"x": 3, "y": 4})
            newest = next(iter(client.tasks.list(limit=1, handler="demo.distance")))
            return handle.result(timeout=30), newest.id == handle.id, client.health.ready().ok

    assert story(_fake().client()) == (5.0, True, True)
    assert await asyncio.to_thread(story, Client(stack.api_url, stack.api_key)) == (5.0, True, True)


def test_time_passes_in_the_fake_when_it_is_told_to() -> None:
    fake = _fake()
    with fake.client() as client:
        daily = client.schedules.create("daily", "demo.echo", cron="0 9 * * *")
        short = client.submit("demo.echo", removal_delay=60)
        later = client.submit("demo.echo", delay=timedelta(hours=5), removal_delay=timedelta(days=7))

        fake.advance(timedelta(days=3))

        assert client.schedules.get(daily).fired == 3
        assert later.get().state == "complete"
        with pytest.raises(NotFound):
            short.get()


def test_the_fake_says_when_nobody_will_ever_run_a_task() -> None:
    with FakeTidewheel().client() as client, pytest.raises(NoHandler, match=r"reports\.daily"):
        client.submit("reports.daily").wait()
