"""Spans of the dispatch: one for each task that carries a trace, as long as the push of its hint lasts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tidewheel_common.process.tracing import current_traceparent, span_from
from tidewheel_common.streams.stream import Addressed


@contextmanager
def dispatch_spans(hints: Sequence[Addressed]) -> Iterator[Sequence[Addressed]]:
    """Yield what is to be pushed while the spans last; each hint carries its own span on to the executor."""
    if all(hint.traceparent is None for _, hint in hints):
        yield hints
        return
    with ExitStack() as spans:
        yield [_traced(each, spans) for each in hints]


def _traced(addressed: Addressed, spans: ExitStack) -> Addressed:
    line, hint = addressed
    if hint.traceparent is None:
        return addressed
    attributes = {"tidewheel.task_id": str(hint.task_id), "tidewheel.queue": line.queue}
    spans.enter_context(span_from(hint.traceparent, "tidewheel.dispatch", **attributes))
    return Addressed(line, hint._replace(traceparent=current_traceparent() or hint.traceparent))
