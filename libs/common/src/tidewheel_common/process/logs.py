"""Logs: one JSON object a line on standard output, for our own records and for those of Celery and uvicorn alike.

Only plain values get through: text, numbers, booleans, and lists and mappings of them, with secrets masked and payloads
left out. Any other object is written as the name of its type, because its text might hold what nobody meant to log.
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO
from uuid import UUID

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"

LONGEST_TEXT = 16_384
"""Characters; longer texts are cut."""

SECRETS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "idempotency-key"),
        *("api-key", "api-keys", "x-api-key", "bootstrap-api-key", "keys", "secret", "token", "password"),
        *("database-url", "redis-url", "dsn"),
    }
)
"""Names whose values are masked, in lower case and with hyphens."""

LEFT_OUT = frozenset({"payload", "result", "args", "kwargs", "body"})
"""Names of tenants' data, which is never logged."""

_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)

_TAKEN_OVER = ("uvicorn", "uvicorn.access", "uvicorn.error", "celery", "celery.task", "celery.redirected", "kombu")


def configure_logs(service: str, level: str = "INFO", *, stream: TextIO | None = None) -> None:
    """Send every log record of this process to standard output, as JSON.

    Run uvicorn with `log_config=None`, and connect Celery's `setup_logging` signal to this, or they undo it.

    Args:
        service: Stands in every line.
        level: The least severe level that is written.
        stream: Written to instead of standard output.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _ServiceName(service),
        add_trace,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            scrub,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _TAKEN_OVER:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class _ServiceName:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add `trace_id` and `span_id` when the record was made inside a span."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def scrub(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask secrets, leave tenants' data out and write unknown objects as the names of their types."""
    return _plain_mapping(event)


def _plain_mapping(mapping: Mapping[Any, object]) -> dict[str, object]:
    plain: dict[str, object] = {}
    for key, value in mapping.items():
        name = str(key)
        word = name.lower().replace("_", "-")
        if word in SECRETS:
            plain[name] = MASK
        elif word not in LEFT_OUT:
            plain[name] = _plain(value)
    return plain


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _clean_text(value)
        case UUID() | datetime():
            return str(value)
        case Mapping():
            return _plain_mapping(value)
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return f"<{type(value).__name__}>"


def _clean_text(text: str) -> str:
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
