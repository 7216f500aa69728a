"""Spans. They leave over OTLP/HTTP only when an endpoint is configured; otherwise they cost next to nothing.

A task carries its trace as a W3C `traceparent` through PostgreSQL and Redis; `span_from` picks it up again at the other
end. Without an endpoint a stored trace is still passed on, and its ids still stand in the logs.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_W3C = TraceContextTextMapPropagator()

_SILENT = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)


class Tracing:
    """The spans of this process: flush or close them before it ends."""

    def __init__(self, provider: "SdkTracerProvider | None") -> None:
        self._provider = provider

    def flush(self, seconds: float = 5.0) -> None:
        """Send what is waiting; for a forked child, which ends without closing anything."""
        if self._provider is not None:
            self._provider.force_flush(int(seconds * 1000))

    def close(self) -> None:
        """Send what is waiting, and no more after it."""
        if self._provider is not None:
            self._provider.shutdown()


def start_tracing(service: str, *, endpoint: str | None, exporter: "SpanExporter | None" = None) -> Tracing:
    """Start to export spans, when there is somewhere to send them.

    Call it once in each process, after the fork where there is one. A child of a process that already exports goes on
    with its parent's provider: the SDK gives it a queue and a thread of its own (`register_at_fork`).

    Args:
        service: The `service.name` of the spans.
        endpoint: The base address of a collector, such as `http://localhost:4318`.
        exporter: Used instead of the OTLP one.
    """
    if endpoint is None and exporter is None:
        return Tracing(None)
    # The SDK and the exporter load protobuf and an HTTP client: 0.3 s that a process without spans must not pay.
    sdk = import_module("tidewheel_common.process.otlp")
    provider: SdkTracerProvider = sdk.install_provider(service, endpoint=endpoint, exporter=exporter)
    return Tracing(provider)


def is_exporting() -> bool:
    """Tell whether spans leave this process: what they would say need not be put together otherwise."""
    return _exporting() is not None


def current_traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, to be stored with a task; None outside of any trace."""
    now = trace.get_current_span().get_span_context()
    if not now.is_valid:
        return None
    return f"00-{now.trace_id:032x}-{now.span_id:016x}-{int(now.trace_flags):02x}"


def span_from(traceparent: str | None, name: str, **attributes: AttributeValue) -> AbstractContextManager[Span]:
    """Run the block in a span that continues a stored trace.

    An error in the block marks the span with the error's type alone: the text of an error is the tenant's data.

    Args:
        traceparent: The stored trace; None, or one that is not valid, continues the current one or starts a new one.
        name: The span's name.
        attributes: The span's attributes.
    """
    if (provider := _exporting()) is not None:
        return _exported(provider, traceparent, name, attributes)
    return nullcontext(trace.get_current_span()) if traceparent is None else _carried(traceparent)


@contextmanager
def _exported(
    provider: TracerProvider, traceparent: str | None, name: str, attributes: Mapping[str, AttributeValue]
) -> Iterator[Span]:
    with _tracer(provider).start_as_current_span(
        name,
        context=None if traceparent is None else _W3C.extract({"traceparent": traceparent}),
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", type(error).__name__)
            raise


@contextmanager
def _carried(traceparent: str) -> Iterator[Span]:
    token = context.attach(_W3C.extract({"traceparent": traceparent}))
    try:
        yield trace.get_current_span()
    finally:
        context.detach(token)


def _exporting() -> TracerProvider | None:
    provider = trace.get_tracer_provider()
    return None if type(provider) in _SILENT else provider


@lru_cache(maxsize=4)
def _tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("tidewheel")
