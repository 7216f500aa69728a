"""Logs: JSON for everybody's records, without secrets."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog
from opentelemetry import context, trace

from tidewheel_common.process.logs import LONGEST_TEXT, configure_logs
from tidewheel_common.process.tracing import span_from

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    stream = io.StringIO()
    configure_logs("reaper", "INFO", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_record_says_who_when_and_what(lines: Lines) -> None:
    structlog.get_logger("tidewheel.test").info("removed", count=3)
    [line] = lines()
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert moment.tzinfo == UTC
    assert line == {"event": "removed", "level": "info", "service": "reaper", "logger": "tidewheel.test", "count": 3}


def test_records_of_other_libraries_come_out_the_same_way(lines: Lines) -> None:
    logging.getLogger("celery.worker").warning("lost %s of %d", "one", 2, extra={"data": {"secret-ish": "tenant"}})
    [line] = lines()
    assert (line["event"], line["level"], line["service"]) == ("lost one of 2", "warning", "reaper")
    assert "tenant" not in json.dumps(line)


def test_loggers_that_came_with_handlers_of_their_own_are_taken_over(lines: Lines) -> None:
    logger = logging.getLogger("uvicorn.access")
    logger.handlers.append(logging.NullHandler())
    logger.propagate = False
    stream = io.StringIO()
    configure_logs("gateway", stream=stream)
    logger.info("GET /healthz")
    assert json.loads(stream.getvalue())["event"] == "GET /healthz"
    assert not lines()


def test_less_severe_records_stay_out(lines: Lines) -> None:
    structlog.get_logger().debug("noise")
    logging.getLogger("x").debug("noise")
    assert lines() == []


def test_secrets_are_masked_wherever_they_hide(lines: Lines) -> None:
    structlog.get_logger().info(
        "called postgresql://me:hunter2@db/x",
        Authorization="Bearer hunter2",
        idempotency_key="hunter2",
        headers={"Cookie": "hunter2", "Accept": "json"},
        note=["tried Bearer hunter2.abc-_= and redis://:hunter2@r/0"],
    )
    [line] = lines()
    assert "hunter2" not in json.dumps(line)
    assert line["event"] == "called postgresql://***@db/x"
    assert line["headers"] == {"Cookie": "***", "Accept": "json"}
    assert line["note"] == ["tried Bearer *** and redis://***@r/0"]


def test_payloads_and_unknown_objects_are_left_out(lines: Lines) -> None:
    class Payload:
        def __repr__(self) -> str:
            return "hunter2"

    structlog.get_logger().info("ran", payload={"user": "hunter2"}, what=Payload(), raw=b"hunter2", id=UUID(int=1))
    [line] = lines()
    assert "payload" not in line
    assert (line["what"], line["raw"]) == ("<Payload>", "<bytes>")
    assert line["id"] == "00000000-0000-0000-0000-000000000001"


def test_an_exception_is_text_with_its_secrets_masked_and_without_local_variables(lines: Lines) -> None:
    def connect(hidden: str) -> None:
        raise OSError(f"no route to redis://:{hidden}@r/0")

    try:
        connect("hunter" + str(2))  # the traceback quotes this line
    except OSError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed too")
    for line in lines():
        assert "Traceback" in line["exception"]
        assert "redis://***@r/0" in line["exception"]
        assert "hunter2" not in json.dumps(line)


def test_long_texts_are_cut(lines: Lines) -> None:
    structlog.get_logger().info("x" * (LONGEST_TEXT + 1))
    [line] = lines()
    assert line["event"].endswith(f"… ({LONGEST_TEXT + 1} characters)")


def test_records_inside_a_trace_carry_its_ids(lines: Lines) -> None:
    with span_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "run"):
        logging.getLogger("x").warning("inside")
    logging.getLogger("x").warning("outside")
    inside, outside = lines()
    assert (inside["trace_id"], inside["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert "trace_id" not in outside
    assert not trace.get_current_span(context.get_current()).get_span_context().is_valid
