"""Builds of Tidewheel that lack one safeguard, for as long as a test runs: a statement without one of its guards."""

from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.property.lifecycle_crashes import CrashingLifecycle

from tidewheel_common.store.sql import Statements, parse_statements

ENOUGH = 200
"""Examples in which the model finds what is missing; it takes a few seconds at most."""


def without(patch: pytest.MonkeyPatch, queries: ModuleType, statement: str, *guards: str, instead: str = "") -> None:
    """Run a statement without some of its text, wherever that stands in it, or with another text instead."""
    name = "STATEMENTS" if hasattr(queries, "STATEMENTS") else "_STATEMENTS"
    whole: Statements = getattr(queries, name)
    sql = whole[statement].sql
    for guard in guards:
        assert guard in sql, f"{statement} has no {guard!r} any more: the ablation would prove nothing"
        sql = sql.replace(guard, instead)
    text = f"-- name: {statement} :{whole[statement].kind}\n-- Lacks a safeguard.\n{sql};"
    altered = parse_statements(text, source="ablation")[statement]
    patch.setattr(queries, name, Statements({**whole, statement: altered}))


def play(url: str, scenario: Callable[[CrashingLifecycle], None], **changes: object) -> None:
    """Play one scenario on the model, and let every task come to its end.

    Raises:
        AssertionError: One of the model's checks failed.
        IntegrityError: The schema refused.
    """
    model = type("LifecyclePlayed", (CrashingLifecycle,), {"url": url, **changes})()
    try:
        scenario(model)
    except BaseException:
        model.world.close()
        raise
    model.teardown()


def run_model(url: str) -> None:
    """Let the model try things until it finds something wrong, or has tried enough; the same things each time.

    Raises:
        Exception: What it found.
    """
    machine = type("LifecycleWithout", (CrashingLifecycle,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=ENOUGH,
            stateful_step_count=40,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # what it finds need not be made small
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
