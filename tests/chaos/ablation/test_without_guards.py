"""Safeguards taken away, one by one: the model or the schema notices each.

A checker that cannot fail proves nothing, so these are tests of the checkers. Each scenario is played twice: with the
safeguard it ends well, without it somebody speaks up.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest
from asyncpg import IntegrityConstraintViolationError
from tests.architecture.sources import Owned, statements
from tests.architecture.test_statements import guards, moves, writes
from tests.chaos.ablation import scenarios
from tests.chaos.ablation.without import play, run_model, without
from tests.conftest import _execute
from tests.property.lifecycle_crashes import CrashingLifecycle

from tidewheel_dispatcher import queries as dispatcher
from tidewheel_executor import queries as executor
from tidewheel_gateway import queries as gateway
from tidewheel_scheduler import queries as scheduler

NOTICED = (AssertionError, IntegrityConstraintViolationError)


@dataclass(frozen=True, slots=True)
class Guard:
    """Some text of a statement, and the moment that it is for."""

    queries: ModuleType
    statement: str
    text: tuple[str, ...]
    scenario: Callable[[CrashingLifecycle], None]


GUARDS = {
    "fence": Guard(
        executor,
        "tasks_complete",
        (" AND t.attempt = h.attempt",),
        scenarios.a_zombie_completes_a_newer_attempt
    ),
    "fence of failures": Guard(
        executor,
        "tasks_finish",
        (" AND t.attempt = e.attempt", " AND t.attempt = h.attempt"),
        scenarios.a_zombie_fails_a_newer_attempt
    ),
    "state in completion": Guard(
        executor, "tasks_complete", ("t.state = 'running' AND ",), scenarios.a_completion_is_told_twice
    ),
    "state in finish": Guard(
        executor, "tasks_finish", ("t.state = 'running' AND ",), scenarios.an_ending_is_told_twice
    ),
    "state in claim": Guard(
        executor,
        "tasks_claim",
        ("t.state = 'queued' AND ",),
        scenarios.a_hint_comes_after_its_task_was_taken_back,
    ),
    "state in cancel": Guard(
        gateway,
        "tasks_cancel",
        (" AND state IN ('blocked', 'waiting', 'ready', 'queued', 'running')",),
        scenarios.a_complete_task_is_cancelled,
    ),
    "state in redrive": Guard(
        gateway,
        "tasks_redrive",
        (" AND state IN ('dead', 'cancelled', 'expired')",),
        scenarios.a_running_task_is_redriven,
    ),
    "state in discard": Guard(
        gateway,
        "tasks_discard",
        (" AND state IN ('complete', 'dead', 'cancelled', 'expired')",),
        scenarios.a_running_task_is_discarded,
    ),
    "state and attempt in rescue": Guard(
        scheduler,
        "tasks_rescue",
        (" AND tasks.state = 'running' AND tasks.attempt = held.attempt",),
        scenarios.a_rescue_comes_after_the_ending,
    ),
    "state and attempt in release": Guard(
        dispatcher,
        "tasks_release",
        ("tasks.state = 'queued' AND tasks.attempt = hint.attempt AND ", " AND tasks.state = 'queued'"),
        scenarios.a_hint_is_refused_that_was_claimed,
    ),
    "what an idempotency key holds back": Guard(
        gateway,
        "tasks_accept",
        ("\n    WHERE NOT EXISTS (SELECT 1 FROM refused WHERE refused.place = given.place)",),
        scenarios.a_submission_is_repeated,
    ),
}  # fmt: skip


@pytest.mark.parametrize("guard", GUARDS.values(), ids=list(GUARDS))
def test_a_scenario_ends_well_with_its_guard_and_is_noticed_without(
    database_url: str, monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> None:
    play(database_url, guard.scenario)

    without(monkeypatch, guard.queries, guard.statement, *guard.text)
    with pytest.raises(NOTICED):
        play(database_url, guard.scenario)


@pytest.mark.parametrize("name", ["state in finish", "state in redrive"])
def test_the_model_finds_such_a_moment_by_itself(database_url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    guard = GUARDS[name]
    without(monkeypatch, guard.queries, guard.statement, *guard.text)
    with pytest.raises(NOTICED):
        run_model(database_url)


def test_the_attempt_in_the_claim_is_not_what_keeps_two_from_running(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is redundant for safety: the state lets one claim through, and the fence grows at that claim.

    What it is for: a hint of before a loss does not say that its task travels alone by now. Without the attempt such a
    hint would claim it together with neighbours, and a handler that kills its process would take them along.
    """
    late = scenarios.a_hint_of_an_old_attempt_comes_late
    without(monkeypatch, executor, "tasks_claim", " AND t.attempt = h.attempt")
    for scenario in (late, scenarios.two_claim_one_hint, scenarios.a_hint_comes_after_its_task_was_taken_back):
        play(database_url, scenario)

    # With neither, nothing is left to stop it.
    without(monkeypatch, executor, "tasks_claim", "t.state = 'queued'", instead="true")
    with pytest.raises(NOTICED):
        play(database_url, scenarios.a_hint_of_an_ended_attempt_comes_again)


def test_without_the_overdue_sweep_tasks_whose_hints_were_lost_never_end(database_url: str) -> None:
    play(database_url, scenarios.hints_never_reach_redis)

    with pytest.raises(AssertionError, match="never end"):
        play(database_url, scenarios.hints_never_reach_redis, _take_back=lambda _: None)


def test_without_the_poison_limit_a_task_kills_executors_for_ever(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(database_url, scenarios.a_task_kills_whoever_runs_it)

    monkeypatch.setattr("tidewheel_common.core.decide.POISON_LIMIT", 1_000_000)
    with pytest.raises(AssertionError, match="for ever"):
        play(database_url, scenarios.a_task_kills_whoever_runs_it)


def test_without_the_idempotency_index_a_repeated_submission_is_two_tasks(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = "\n    ON CONFLICT (tenant_id, key) DO NOTHING"
    without(monkeypatch, gateway, "tasks_accept", conflict)
    # The index alone: PostgreSQL refuses the second, though not with a word that the caller understands.
    with pytest.raises(IntegrityConstraintViolationError):
        play(database_url, scenarios.a_submission_is_repeated)

    asyncio.run(_execute(database_url, "ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey"))
    with pytest.raises(AssertionError):
        play(database_url, scenarios.a_submission_is_repeated)


MOVING = [owned for owned in statements() if any(map(moves, writes(owned.statement.sql)))]


@pytest.mark.parametrize("owned", MOVING, ids=str)
def test_a_write_that_lost_its_state_is_noticed_without_running_it(owned: Owned) -> None:
    """Some guards are redundant at run time: a sweep's own column says the same, and the row is locked.

    So it is the architecture test that holds them all: what names no state does not pass it.
    """
    for write in writes(owned.statement.sql):
        naked = write.replace("state =", "").replace("state IN", "")
        assert guards(write)
        assert not guards(naked)
