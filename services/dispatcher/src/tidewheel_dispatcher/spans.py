"""Spans of the dispatch: one for each task that carries a trace, from its marking to the end of the push."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tidewheel_common.process.tracing import current_traceparent, span_from
from tidewheel_common.streams.stream import Addressed
from tidewheel_dispatcher.queries import Dispatched


@contextmanager
def dispatch_spans(dispatched: Sequence[Dispatched]) -> Iterator[list[Addressed]]:
    """Yield what is to be pushed while the spans last; each hint carries its own span on to the executor."""
    with ExitStack() as spans:
        yield [_traced(task, spans) for task in dispatched]


def _traced(task: Dispatched, spans: ExitStack) -> Addressed:
    hint = task.hint
    if hint.traceparent is not None:
        queue = task.queued.line.queue
        attributes = {"tidewheel.task_id": str(hint.task_id), "tidewheel.queue": queue}
        spans.enter_context(span_from(hint.traceparent, "tidewheel.dispatch", **attributes))
        hint = hint._replace(traceparent=current_traceparent() or hint.traceparent)
    return Addressed(task.queued.line, hint)
