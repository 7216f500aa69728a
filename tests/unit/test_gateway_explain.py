"""Explanations: one sentence that says what the task waits for, from facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tidewheel_common.core.lifecycle import State
from tidewheel_gateway.explain import Facts, explain
from tidewheel_gateway.records import ExecutorRecord, Serving, TaskRecord

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
EARLIER = NOW - timedelta(minutes=1)

TASK = TaskRecord(
    id=UUID(int=1), tenant_id=UUID(int=2), handler="demo.echo", queue="mail", priority=1, state=State.READY,
    payload=b"", result=None, error=None, error_type=None, reason=None, attempt=0, failures=0, lost=0, max_attempts=5,
    timeout=None, backoff=None, removal_delay=60, delivery="at_least_once", tags=[], traceparent=None,
    schedule_id=None, nominal_at=None, run_at=EARLIER, expires_at=None, created_at=EARLIER, started_at=None,
    finished_at=None, cancel_requested_at=None, executor_id=None, wait_until=None, ready_at=EARLIER, queued_at=None,
    lease_until=None, remove_at=None,
)  # fmt: skip
SERVED = Serving(now=NOW, live=2, serving_handler=2, serving=1)
EXECUTOR = ExecutorRecord(id=UUID(int=3), hostname="box", pid=42, heartbeat_at=NOW)


def facts(serving: Serving = SERVED, executor: ExecutorRecord | None = None, **columns: Any) -> Facts:
    return Facts(task=replace(TASK, **columns), serving=serving, executor=executor)


WAITING: dict[str, Any] = {"state": State.WAITING, "ready_at": None, "wait_until": SOON}
RUNNING: dict[str, Any] = {"state": State.RUNNING, "attempt": 2, "started_at": EARLIER, "lease_until": SOON}


@pytest.mark.parametrize(
    ("given", "summary"),
    [
        (facts(**WAITING), "It is scheduled for 2026-05-01T12:01:00.000Z."),
        (facts(**WAITING, attempt=2), "Attempt 2 did not succeed; it backs off until 2026-05-01T12:01:00.000Z."),
        (facts(**{**WAITING, "wait_until": EARLIER}), "It is due; the scheduler is about to promote it."),
        (facts(), "It is due; the dispatcher is about to push it."),
        (facts(Serving(now=NOW, live=0, serving_handler=0, serving=0)), "No executor is alive. Start one."),
        (
            facts(Serving(now=NOW, live=3, serving_handler=0, serving=0)),
            "None of the 3 executor(s) serves the handler demo.echo. Start one that does.",
        ),
        (
            facts(Serving(now=NOW, live=3, serving_handler=1, serving=0)),
            "No executor that serves the handler demo.echo reads the queue mail. Start one that does.",
        ),
        (facts(ready_at=SOON), "The dispatcher looks at it again at 2026-05-01T12:01:00.000Z."),
        (
            facts(state=State.QUEUED, ready_at=None, queued_at=EARLIER),
            "It has been in its queue's stream since 2026-05-01T11:59:00.000Z.",
        ),
        (facts(executor=EXECUTOR, **RUNNING), "It is running."),
        (facts(state=State.BLOCKED, ready_at=None), "It waits for the tasks that it depends on."),
        (
            facts(state=State.DEAD, reason="lost", finished_at=NOW, remove_at=SOON),
            "It ended `dead` at 2026-05-01T12:00:00.000Z. Reason: lost. It is removed at 2026-05-01T12:01:00.000Z.",
        ),
    ],
)
def test_the_summary_names_the_first_closed_gate(given: Facts, summary: str) -> None:
    assert explain(given).summary == summary


def test_a_running_task_names_its_executor_and_its_lease() -> None:
    gate = explain(facts(executor=EXECUTOR, **RUNNING)).gates[-1]

    assert (gate.gate, gate.open, gate.until) == ("lease", True, SOON)
    assert gate.detail.startswith("Attempt 2 runs on box (process 42) since ")


def test_an_executor_that_is_gone_is_said_to_be() -> None:
    assert "an executor that is gone" in explain(facts(**RUNNING)).gates[-1].detail


def test_a_requested_cancel_is_told() -> None:
    gates = explain(facts(executor=EXECUTOR, cancel_requested_at=NOW, **RUNNING)).gates

    assert gates[-1].detail == "A cancel was asked for at 2026-05-01T12:00:00.000Z."


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_an_explanation(state: State) -> None:
    explanation = explain(facts(state=state))

    assert explanation.summary
    assert explanation.gates
