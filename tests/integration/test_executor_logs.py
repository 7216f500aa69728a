"""What handlers log, and how far they say they are, is kept with the attempt: bounded, sealed, while it runs."""

# ruff: noqa: T201 -- what handlers print is kept, too

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.execution import SEALER, Queued, World, opened_world

from tidewheel_executor import capture
from tidewheel_executor.printed import Redirection

LOG = logging.getLogger("shop.orders")
NEVER = threading.Event()


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


def _open(task: Queued, sealed: bytes, field: str) -> Any:
    return json.loads(SEALER.open(sealed, tenant=task.tenant_id, task_id=task.id, schedule_id=None, field=field))


def _lines(world: World, task: Queued) -> list[dict[str, Any]]:
    rows = world.fetch("SELECT * FROM attempt_logs WHERE task_id = $1 ORDER BY attempt, part", task.id)
    pieces = [_open(task, row["lines"], f"log {row['attempt']} {row['part']}") for row in rows]
    return [line for piece in pieces for line in piece]


def _messages(world: World, task: Queued) -> list[str]:
    return [line["message"] for line in _lines(world, task)]


def _wait_for_rows(world: World, table: str) -> None:
    deadline = time.monotonic() + 20
    while not world.fetch(f"SELECT FROM {table}"):
        assert time.monotonic() < deadline, f"nothing came into {table}"
        NEVER.wait(0.02)


def test_a_handlers_records_are_there_when_its_task_has_ended(world: World) -> None:
    @world.handler(name="t.logs")
    def logs() -> None:
        LOG.warning("%s of %s", 1, "two", extra={"secret": "x"})
        try:
            dict[str, int]()["lost"]
        except KeyError:
            LOG.exception("failed")

    task = world.queue("t.logs")
    world.run(task, world.queue("demo.noop"))

    first, second = _lines(world, task)
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "shop.orders", "1 of two")
    assert "KeyError: 'lost'" in second["message"]
    (row,) = world.fetch("SELECT * FROM attempt_logs")
    assert b"of two" not in row["lines"]


def test_lines_and_progress_are_readable_while_a_def_handler_runs(world: World) -> None:
    @world.handler(name="t.long", bind=True)
    def long(self: Any) -> None:
        LOG.warning("begun")
        self.update_state(state="COUNTING", meta={"done": 1})
        self.update_state(state="COUNTING", meta={"done": 2})
        _wait_for_rows(world, "attempt_progress")
        assert _messages(world, task) == ["begun"]

    task = world.queue("t.long")
    world.run(task)
    assert world.row(task)["state"] == "complete"
    (row,) = world.fetch("SELECT * FROM attempt_progress")
    assert (row["state"], _open(task, row["meta"], "progress 1")) == ("COUNTING", {"done": 2})


def test_the_lines_of_coroutines_that_run_beside_each_other_do_not_mix(world: World) -> None:
    @world.handler(name="t.beside")
    async def beside(name: str) -> None:
        for number in range(5):
            LOG.warning("%s %s", name, number)
            await asyncio.sleep(0)

    tasks = [world.queue("t.beside", {"name": name}) for name in "abc"]
    world.run(*tasks)
    for task, name in zip(tasks, "abc", strict=True):
        assert _messages(world, task) == [f"{name} {number}" for number in range(5)]


def test_what_is_too_much_is_left_out_and_said_so(world: World) -> None:
    @world.handler(name="t.chatty")
    def chatty(lines: int, length: int) -> None:
        for _ in range(lines):
            LOG.warning("x" * length)

    many, large, long = (
        world.queue("t.chatty", {"lines": lines, "length": length})
        for lines, length in ((3000, 1), (100, 8000), (1, 100_000))
    )
    for task in (many, large, long):  # beside one that takes long, the others would be given back
        world.run(task)
    assert len(_lines(world, many)) == capture.MOST_LINES + 1
    assert sum(len(line) for line in _messages(world, large)) < capture.MOST_BYTES + 1000
    for task in (many, large):
        assert _messages(world, task)[-1].startswith("From here on lines are left out")
    assert _messages(world, long)[0].endswith("(100,000 characters)")


def test_a_progress_that_cannot_be_kept_is_the_handlers_error(world: World) -> None:
    @world.handler(name="t.large", bind=True)
    def large(self: Any) -> None:
        self.update_state(meta="x" * 100_000)

    task = world.queue("t.large", max_attempts=1)
    world.run(task)
    assert "it may have 65,536" in world.error(task)


def test_attempts_keep_their_lines_apart_and_a_silent_task_writes_nothing(world: World) -> None:
    @world.handler(name="t.flaky", bind=True)
    def flaky(self: Any) -> None:
        LOG.warning("try %s", self.request.attempt)
        raise ValueError

    task = world.queue("t.flaky")
    world.run(task, world.queue("demo.noop"))
    world.fetch("UPDATE tasks SET state = 'queued', wait_until = NULL, queued_at = now() WHERE id = $1", task.id)
    again = Queued(id=task.id, tenant_id=task.tenant_id, handler=task.handler, attempt=1)
    world.run(again)
    rows = world.fetch("SELECT task_id, attempt, part FROM attempt_logs ORDER BY attempt")
    assert [(row["task_id"], row["attempt"], row["part"]) for row in rows] == [(task.id, 1, 1), (task.id, 2, 1)]


def test_what_handlers_print_is_kept_line_by_line(database_url: str, redis_url: str) -> None:
    # Between a fixture and its test pytest puts streams of its own in place: the world is opened here.
    with opened_world(database_url, redis_url) as world:
        before = sys.stdout

        @world.handler(name="t.prints")
        def prints() -> None:
            print("one", 2)
            print("three\nfour", end="")
            print("to the error stream", file=sys.stderr)
            print("10 %\r100 %\r")
            sys.stdout.flush()
            print("no end of line", end="")

        @world.handler(name="t.aprints")
        async def aprints(name: str) -> None:
            for number in range(3):
                print(name, end=" ")
                await asyncio.sleep(0)
                print(number)

        task = world.queue("t.prints")
        beside = [world.queue("t.aprints", {"name": name}) for name in "ab"]
        world.run(task)
        world.run(*beside)

        assert _messages(world, task) == ["one 2", "three", "to the error stream", "100 %", "no end of line"]
        assert {(line["level"], line["logger"]) for line in _lines(world, task)} == {("WARNING", "celery.redirected")}
        for each, name in zip(beside, "ab", strict=True):
            assert _messages(world, each) == [f"{name} {number}" for number in range(3)]
        assert sys.stdout is before


def test_a_printing_logging_handler_and_an_app_that_wants_no_redirection_are_left_alone(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("handled:", record.getMessage())

    with opened_world(database_url, redis_url) as world:

        @world.handler(name="t.printed")
        def printed() -> None:
            print("said")

        task = world.queue("t.printed")
        handler = Printing()
        logging.getLogger().addHandler(handler)
        try:
            world.run(task)
        finally:
            logging.getLogger().removeHandler(handler)
        print("outside")
        assert _messages(world, task) == ["said"]
        assert capsys.readouterr().out == "handled: said\noutside\n"

        world.app.conf.worker_redirect_stdouts = False
        stream = sys.stdout
        Redirection(world.app, lambda: None).close()
        assert sys.stdout is stream
