"""The scenarios, in the order in which they run. Each is one file with one function `measure`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench.report import Report
from tests.bench.rig import Rig
from tests.bench.scenarios import (
    batch,
    burst,
    churn,
    executors,
    held,
    idle,
    lag,
    memory,
    neighbours,
    single,
    statements,
    sustained,
    variants,
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured, and its title in the report."""

    title: str
    measure: Callable[[Rig], Awaitable[Report]]


SCENARIOS = {
    "idle": Scenario("One task at a time on an idle system", idle.measure),
    "single": Scenario("Single submissions over 32 connections", single.measure),
    "batch": Scenario("Batches of 1,000, end to end", batch.measure),
    "burst": Scenario("10,000 tasks offered within a second", burst.measure),
    "sustained": Scenario("300 single submissions a second", sustained.measure),
    "variants": Scenario("Kinds of handlers and payloads", variants.measure),
    "statements": Scenario("What each statement costs PostgreSQL", statements.measure),
    "executors": Scenario("More children, and a second executor", executors.measure),
    "neighbours": Scenario("Fast tasks beside slow ones", neighbours.measure),
    "lag": Scenario("How late due tasks start", lag.measure),
    "held": Scenario("A transaction that stays open", held.measure),
    "churn": Scenario("A million tasks in and out", churn.measure),
    "memory": Scenario("Memory", memory.measure),
}
