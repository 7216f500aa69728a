"""The gateway when it is asked for far more than it can do: it says so, stays small, and keeps what it has accepted."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.gateway import KEY, serving
from tests.integration.test_gateway_process import Running, gateway
from tests.support import text, wait_until

from tidewheel_gateway.admission import Admission
from tidewheel_gateway.app import Sources
from tidewheel_gateway.problems import Problem

CONNECTIONS = 400
SECONDS = 4.0
ROOM = 64 * 1024
"""KiB that the process may grow by."""

BODY = json.dumps({"tasks": [{"handler": "demo.echo", "payload": {"text": "x" * 2000}}] * 20}).encode()
HEAD = (
    f"POST /v1/tasks:batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY.text}\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
).encode()


def _resident(pid: int) -> int:
    """Return the KiB of memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


async def _client(running: Running, until: float, seen: Counter[str]) -> None:
    reader, writer = await running.open()
    while time.monotonic() < until:
        writer.write(HEAD + BODY)
        status, headers, body = await _answer(reader)
        seen[status] += 1
        if status == "201":
            seen["accepted"] += sum("id" in result for result in json.loads(body)["results"])
        elif "retry-after" not in headers:
            seen["without Retry-After"] += 1
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(next(line.split(":")[1] for line in head.splitlines() if line.startswith("content-length")))
    return head.split()[1], head, await reader.readexactly(length)


async def test_under_ten_times_the_load_it_refuses_in_time_and_loses_nothing(
    database_url: str, redis_url: str, engine: Any
) -> None:
    environment = {
        "TIDEWHEEL_DATABASE_URL": database_url,
        "TIDEWHEEL_REDIS_URL": redis_url,
        "TIDEWHEEL_KEYS": "k1:" + "A" * 43,
        "TIDEWHEEL_BOOTSTRAP_API_KEY": KEY.text,
        "TIDEWHEEL_CALLS_IN_FLIGHT": str(CONNECTIONS // 10),
        "TIDEWHEEL_LOG_LEVEL": "WARNING",
    }
    async with gateway(**environment) as running:
        await wait_until(running.ready, timeout=30, what="the gateway's start")
        seen: Counter[str] = Counter()
        await _client(running, time.monotonic() + 0.2, seen)
        before = _resident(running.process.pid)
        until = time.monotonic() + SECONDS
        await asyncio.gather(*(_client(running, until, seen) for _ in range(CONNECTIONS)))
        grown = _resident(running.process.pid) - before
        ready = await running.ready()
        async with engine.connect() as connection:
            stored = (await connection.execute(text("SELECT count(*) FROM tasks"))).scalar_one()

    assert seen["503"] > 0
    assert set(seen) <= {"201", "503", "accepted"}
    assert stored == seen["accepted"] > 0
    assert grown < ROOM
    assert ready


async def test_probes_and_reads_are_answered_while_every_place_for_a_submission_is_taken(
    database_url: str, redis_url: str
) -> None:
    async with serving(database_url, redis_url, calls_in_flight=1) as made:
        async with made.engine.connect() as blocker, blocker.begin() as transaction:
            await blocker.execute(text("LOCK TABLE tasks IN EXCLUSIVE MODE"))
            held = asyncio.create_task(made.http.post("/v1/tasks", json={"handler": "demo.echo"}))
            await wait_until(
                lambda: made.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the submission that waits"
            )
            refused = await made.http.post("/v1/tasks", json={"handler": "demo.echo"})
            others = [(await made.http.get(path)).status_code for path in ("/healthz", "/metrics", "/v1/tasks")]
            await transaction.rollback()
        accepted = await held

    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert others == [200, 200, 200]
    assert accepted.status_code == 201


async def test_a_tenant_that_submits_too_fast_is_told_when_to_come_again_and_others_notice_nothing(
    database_url: str, redis_url: str
) -> None:
    now = [1000.0]
    sources = Sources(monotonic=lambda: now[0], jitter=lambda: 0.0)
    async with serving(database_url, redis_url, sources=sources, tenant_rate=2.0) as made:
        single, batch = {"handler": "demo.echo"}, {"tasks": [{"handler": "demo.echo"}] * 30}
        accepted = [(await made.http.post("/v1/tasks:batch", json=batch)).status_code]
        refused = [await made.http.post(path, content=b"not read") for path in ("/v1/tasks", "/v1/tasks:batch")]
        others = await made.neighbour()
        theirs = await others.post("/v1/tasks", json=single)
        reads = await made.http.get("/v1/tasks")
        now[0] += float(refused[0].headers["retry-after"])
        accepted.append((await made.http.post("/v1/tasks", json=single)).status_code)
        stored = await made.count()

    assert accepted == [201, 201]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(429, "too_many_tasks")] * 2
    assert [each.headers["retry-after"] for each in refused] == ["5", "5"]
    assert (theirs.status_code, reads.status_code) == (201, 200)
    assert stored == 30 + 1 + 1


SCOPE = {"type": "http", "path": "/v1/tasks", "method": "POST"}


async def _drain(_: Any, receive: Any, __: Any) -> None:
    while (await receive()).get("more_body"):
        continue


async def _send(_: Any) -> None:
    raise AssertionError("nothing is sent")


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    admission = Admission(_drain, most=1, body_time=0.01)
    for _ in range(2):  # the first has left its place
        with pytest.raises(Problem) as raised:
            await admission(SCOPE, never, _send)
        assert (raised.value.status, raised.value.code) == (408, "body_too_slow")


async def test_bodies_are_bounded_together_and_give_their_room_back() -> None:
    async def endless() -> Any:
        return {"type": "http.request", "body": b"x" * 40, "more_body": True}

    async def short() -> Any:
        return {"type": "http.request", "body": b"x" * 100, "more_body": False}

    admission = Admission(_drain, most=2, body_room=100)
    with pytest.raises(Problem) as raised:
        await admission(SCOPE, endless, _send)
    await admission(SCOPE, short, _send)

    assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "1")
