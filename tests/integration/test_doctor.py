"""What the doctor says of troubles that a healthy stack does not have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from redis import Redis
from tests.kinds import WebServer, make_certificate, served_with, web_server
from typer.testing import CliRunner

from tidewheel_cli.__main__ import app
from tidewheel_cli.doctor.finding import Verdict
from tidewheel_cli.doctor.service import unserved
from tidewheel_cli.doctor.stores import look_at_database, look_at_redis
from tidewheel_client.models import Executor, Queue

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the clock here is what is looked at


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, "localhost")


@pytest.fixture
def web(certificate: Path) -> Iterator[WebServer]:
    with web_server(tls=served_with(certificate)) as web:
        yield web


def test_a_certificate_that_does_not_hold_is_named(web: WebServer, certificate: Path) -> None:
    doctor = ["doctor", "--url", f"https://localhost:{web.port}", "--api-key", "tw_x"]

    strange = CliRunner().invoke(app, doctor)
    assert (strange.exit_code, "certificate does not hold: self-signed certificate" in strange.stdout) == (1, True)
    trusted = CliRunner().invoke(app, [*doctor, "--ca", str(certificate)])
    assert "certificate" not in trusted.stdout, trusted.stdout


@pytest.mark.parametrize(
    ("hours", "verdict", "said"),
    [(0, Verdict.GOOD, "goes as"), (1, Verdict.DOUBTFUL, "3600 s ahead of"), (-1, Verdict.DOUBTFUL, "3600 s behind")],
)
async def test_a_clock_that_is_wrong_here_is_told_of(
    database_url: str, hours: int, verdict: Verdict, said: str
) -> None:
    found = await look_at_database(database_url, lambda: _now() + timedelta(hours=hours))

    assert (found[-1].part, found[-1].verdict, said in found[-1].said) == ("clock", verdict, True)


async def test_a_redis_that_evicts_or_is_nearly_full_is_told_of(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        before = redis.config_get("maxmemory*")
        try:
            redis.config_set("maxmemory-policy", "allkeys-lru")
            evicts = await look_at_redis(redis_url)
            redis.config_set("maxmemory-policy", "noeviction")
            redis.config_set("maxmemory", redis.info("memory")["used_memory"])
            full = await look_at_redis(redis_url)
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                redis.config_set(name, before[name])

    assert (evicts.verdict, "allkeys-lru" in evicts.said) == (Verdict.BAD, True)
    assert (full.verdict, "nearly full" in full.said) == (Verdict.DOUBTFUL, True)


def test_a_queue_that_nobody_serves_is_bad_only_while_tasks_wait_there() -> None:
    executor = Executor(
        id=UUID(int=1), hostname="h", pid=1, queues=["default"], handlers=[], running=0, started_at=NOW,
        heartbeat_at=NOW,
    )  # fmt: skip
    queues = [_queue("default", 5), _queue("reports", 2), _queue("empty", 0)]

    [found] = unserved([executor], queues, [])
    assert (found.verdict, "the queue reports, where 2 tasks wait" in found.said) == (Verdict.BAD, True)
    everywhere = executor.model_copy(update={"queues": ["*"]})
    assert [*unserved([executor, everywhere], queues, [])] == []


def _queue(name: str, ready: int) -> Queue:
    return Queue(
        name=name, paused=False, paused_at=None, paused_until=None, rate=None, concurrency=None, ready=ready, waiting=0,
        queued=0, running=0, oldest_seconds=None,
    )  # fmt: skip
