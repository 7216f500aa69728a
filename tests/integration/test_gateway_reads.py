"""Reading: single tasks, lists, the attempt log, why a task waits; and never another tenant's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from tests.gateway import Gateway, serving
from tests.support import wait_until

from tidewheel_common.crypto.sealed import Subject
from tidewheel_common.streams.keys import WAKE_FINAL
from tidewheel_gateway.finals import Finals
from tidewheel_gateway.routes import tasks as routes


@pytest.fixture
async def gateway(database_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with serving(database_url, redis_url) as running:
        yield running


async def _tenant(gateway: Gateway) -> UUID:
    tenant: UUID = (await gateway.rows("SELECT id FROM tenants WHERE name = 'default'"))[0]["id"]
    return tenant


async def _sealed(gateway: Gateway, task_id: str, field: str, data: bytes) -> bytes:
    subject = Subject.task(UUID(task_id))
    return gateway.parts.sealer.seal(data, tenant=await _tenant(gateway), subject=subject, field=field)


async def _list(gateway: Gateway, **filters: Any) -> list[str]:
    answer = await gateway.http.get("/v1/tasks", params=filters)
    assert answer.status_code == 200, answer.text
    return [task["id"] for task in answer.json()["data"]]


async def test_a_finished_task_is_read_with_its_result(gateway: Gateway) -> None:
    task = await gateway.submit()
    deep = b'{"r":' * 500 + b"1.10" + b"}" * 500
    await gateway.place(task["id"], "complete", result=await _sealed(gateway, task["id"], "result", deep))

    answer = await gateway.http.get(f"/v1/tasks/{task['id']}")

    assert answer.json()["state"] == "complete"
    assert b'"result":' + deep in answer.content


async def test_a_failed_task_is_read_with_its_error(gateway: Gateway) -> None:
    task = await gateway.submit()
    error = await _sealed(gateway, task["id"], "error", b'ValueError: "no"\n')
    await gateway.place(task["id"], "dead", error=error, error_type="ValueError", reason="permanent")

    read = (await gateway.http.get(f"/v1/tasks/{task['id']}")).json()

    assert (read["error"], read["error_type"], read["reason"]) == ('ValueError: "no"\n', "ValueError", "permanent")
    assert read["remove_at"] is not None


async def test_what_does_not_open_spoils_nothing_else(gateway: Gateway) -> None:
    task = await gateway.submit()
    result = await _sealed(gateway, task["id"], "result", b"5")
    await gateway.place(task["id"], "complete", payload=b"\x01broken", result=result)

    read = (await gateway.http.get(f"/v1/tasks/{task['id']}")).json()

    assert (read["payload"], read["result"]) == (None, 5)
    assert list(read["unreadable"]) == ["payload"]


async def test_the_newest_come_first_page_by_page_while_others_arrive(gateway: Gateway) -> None:
    made = [(await gateway.submit())["id"] for _ in range(25)]
    pages: list[list[str]] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 10, **({} if cursor is None else {"cursor": cursor})}
        page = (await gateway.http.get("/v1/tasks", params=params)).json()
        pages.append([task["id"] for task in page["data"]])
        cursor = page["next_cursor"]
        await gateway.submit()

    assert [task for page in pages for task in page] == made[::-1]
    assert cursor is None
    assert [len(page) for page in pages] == [10, 10, 5]


async def test_a_list_carries_no_payload(gateway: Gateway) -> None:
    await gateway.submit(payload={"a": 1})

    [task] = (await gateway.http.get("/v1/tasks")).json()["data"]

    assert not {"payload", "result", "error"} & task.keys()
    assert task["tags"] == []


async def test_each_filter_finds_its_tasks(gateway: Gateway) -> None:
    mail = (await gateway.submit("mail.send", queue="mail", tags=["eu", "x"]))["id"]
    late = await gateway.submit("report.make", delay=60, tags=["eu"], backoff={"initial": 1})
    dead = (await gateway.submit("report.make"))["id"]
    await gateway.place(dead, "dead")
    schedule = gateway.parts.new_id()
    await gateway.execute("UPDATE tasks SET schedule_id = :s WHERE id = :id", s=schedule, id=UUID(dead))

    assert await _list(gateway, handler="report.make") == [dead, late["id"]]
    assert await _list(gateway, queue="mail") == [mail]
    assert await _list(gateway, tag="eu") == [late["id"], mail]
    assert await _list(gateway, state="waiting") == [late["id"]]
    assert await _list(gateway, state=["waiting", "dead"]) == [dead, late["id"]]
    assert await _list(gateway, schedule=str(schedule)) == [dead]
    assert await _list(gateway, created_after=late["created_at"]) == [dead, late["id"]]
    assert await _list(gateway, created_before=late["created_at"]) == [mail]
    assert await _list(gateway, tag="eu", queue="mail", handler="report.make") == []
    assert await _list(gateway, handler="'; DROP TABLE tasks; --") == []


async def test_a_cursor_fits_only_its_own_list(gateway: Gateway) -> None:
    for _ in range(3):
        await gateway.submit()
    cursor = (await gateway.http.get("/v1/tasks?limit=1")).json()["next_cursor"]

    async with await gateway.neighbour() as neighbour:
        answers = [
            await gateway.http.get(f"/v1/tasks?limit=2&cursor={cursor}"),
            await gateway.http.get(f"/v1/tasks?queue=other&cursor={cursor}"),
            await neighbour.get(f"/v1/tasks?cursor={cursor}"),
            await gateway.http.get(f"/v1/schedules?cursor={cursor}"),
            await gateway.http.get(f"/v1/tasks?cursor={'B' + cursor[1:]}"),
        ]

    assert [answer.status_code for answer in answers] == [200, 400, 400, 400, 400]


async def test_an_answer_is_held_until_the_task_is_final(gateway: Gateway, redis_url: str) -> None:
    task = await gateway.submit()
    held = asyncio.create_task(gateway.http.get(f"/v1/tasks/{task['id']}?wait=20"))
    await wait_until(lambda: bool(gateway.parts.finals._waiting), what="the waiting call")
    await gateway.place(task["id"], "complete")

    async with Redis.from_url(redis_url) as redis:
        # The executor announces many at once; the poll alone would need up to a second.
        await wait_until(lambda: redis.publish(WAKE_FINAL, f"nonsense,{UUID(task['id']).hex}"), what="a listener")
    async with asyncio.timeout(5):
        assert (await held).json()["state"] == "complete"
    assert not gateway.parts.finals._waiting


async def test_without_any_wake_up_the_poll_finds_that_it_is_final(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_LOOK_AGAIN", 0.05)
    task = await gateway.submit()
    held = asyncio.create_task(gateway.http.get(f"/v1/tasks/{task['id']}?wait=20"))
    await wait_until(lambda: bool(gateway.parts.finals._waiting), what="the waiting call")

    await gateway.place(task["id"], "expired")

    assert (await held).json()["state"] == "expired"


async def test_a_held_answer_goes_out_as_it_is_when_the_time_is_over_or_the_process_stops(gateway: Gateway) -> None:
    task = await gateway.submit()

    over = await gateway.http.get(f"/v1/tasks/{task['id']}?wait=0.05")
    held = asyncio.create_task(gateway.http.get(f"/v1/tasks/{task['id']}?wait=60"))
    await wait_until(lambda: bool(gateway.parts.finals._waiting), what="the waiting call")
    gateway.parts.finals.close()

    assert over.json()["state"] == "ready"
    assert (await held).json()["state"] == "ready"


async def test_waiting_for_an_unknown_task_ends_at_once(gateway: Gateway) -> None:
    answer = await gateway.http.get(f"/v1/tasks/{gateway.parts.new_id()}?wait=60")

    assert answer.status_code == 404


async def test_many_may_wait_for_one_task() -> None:
    finals = Finals()
    task = UUID(int=7)
    with finals.expect(task) as one, finals.expect(task) as other:
        finals.hear(f"{task},{UUID(int=8)}")
        assert (one.is_set(), other.is_set()) == (True, True)
        one.clear()
        finals.hear("")
        assert one.is_set()


async def test_the_attempt_log_is_read_in_order(gateway: Gateway) -> None:
    task = await gateway.submit()
    for attempt in (2, 1):
        await gateway.execute(
            "INSERT INTO attempts (task_id, attempt, tenant_id, state, started_at, finished_at, error, error_type)"
            " VALUES (:id, :attempt, :tenant, 'failed', now(), now(), :error, 'ValueError')",
            id=UUID(task["id"]),
            attempt=attempt,
            tenant=await _tenant(gateway),
            error=await _sealed(gateway, task["id"], "error", b"no luck") if attempt == 1 else b"broken",
        )

    log = (await gateway.http.get(f"/v1/tasks/{task['id']}/attempts")).json()["data"]

    assert [entry["attempt"] for entry in log] == [1, 2]
    assert (log[0]["error"], log[0]["error_type"], log[0]["state"]) == ("no luck", "ValueError", "failed")
    assert log[1]["error"].startswith("The sealed error")


async def test_why_a_task_waits_is_explained(gateway: Gateway) -> None:
    later = await gateway.submit("demo.echo", delay=3600)
    ready = await gateway.submit("nobody.serves")

    waiting = (await gateway.http.get(f"/v1/tasks/{later['id']}/explain")).json()
    unserved = (await gateway.http.get(f"/v1/tasks/{ready['id']}/explain")).json()

    assert waiting["summary"].startswith("It is scheduled for ")
    assert waiting["gates"][0]["until"] == later["run_at"]
    assert unserved["summary"] == "No executor is alive. Start one."


async def test_an_executor_counts_when_it_lives_and_serves_the_handler_on_the_queue(gateway: Gateway) -> None:
    task = await gateway.submit("demo.echo", queue="mail")

    async def summary() -> str:
        text: str = (await gateway.http.get(f"/v1/tasks/{task['id']}/explain")).json()["summary"]
        return text

    async def executor(**columns: Any) -> None:
        given = {"queues": ["*"], "handlers": ["demo.echo"], "age": 0, **columns}
        await gateway.execute("DELETE FROM executors")
        await gateway.execute(
            "INSERT INTO executors (id, hostname, pid, queues, handlers, heartbeat_at)"
            " VALUES (gen_random_uuid(), 'h', 1, :queues, :handlers, now() - make_interval(secs => :age))",
            **given,
        )

    await executor(age=60)
    assert await summary() == "No executor is alive. Start one."
    await executor(handlers=["other"])
    assert "serves the handler demo.echo. Start one" in await summary()
    await executor(queues=["other"])
    assert "reads the queue mail. Start one" in await summary()
    await executor(queues=["mail"])
    assert await summary() == "It is due; the dispatcher is about to push it."


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("tasks", "GET", ""),
        ("tasks", "GET", "/attempts"),
        ("tasks", "GET", "/explain"),
        ("tasks", "POST", ":cancel"),
        ("tasks", "POST", ":redrive"),
        ("tasks", "PATCH", ""),
        ("tasks", "DELETE", ""),
        ("schedules", "GET", ""),
        ("schedules", "POST", ":pause"),
        ("schedules", "POST", ":resume"),
        ("schedules", "PATCH", ""),
        ("schedules", "DELETE", ""),
    ],
)
async def test_another_tenants_things_are_not_there(gateway: Gateway, kind: str, method: str, path: str) -> None:
    task = await gateway.submit()
    spec = {"name": "s", "handler": "demo.echo", "every": 60}
    schedule = (await gateway.http.post("/v1/schedules", json=spec)).json()
    mine = task if kind == "tasks" else schedule

    async with await gateway.neighbour() as neighbour:
        unknown = f"/v1/{kind}/{gateway.parts.new_id()}{path}"
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        answers = [await neighbour.request(method, url, **body) for url in (f"/v1/{kind}/{mine['id']}{path}", unknown)]

    first, second = ({**answer.json(), "request_id": ""} for answer in answers)
    assert first["status"] == 404
    assert first == second
    assert (await gateway.http.get(f"/v1/{kind}/{mine['id']}")).json() == mine


async def test_lists_hold_only_the_tenants_own(gateway: Gateway) -> None:
    await gateway.submit()
    await gateway.http.post("/v1/schedules", json={"name": "s", "handler": "demo.echo", "every": 60})

    async with await gateway.neighbour() as neighbour:
        assert (await neighbour.get("/v1/tasks")).json() == {"data": [], "next_cursor": None}
        assert (await neighbour.get("/v1/schedules")).json() == {"data": [], "next_cursor": None}
