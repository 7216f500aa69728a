"""How much of each thing is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Counts of tasks, seconds and runs; the defaults are those of the bars."""

    quick: bool = False
    runs: int = 3
    warm_up: int = 4_000
    idle_tasks: int = 100
    idle_pause: float = 0.3
    single_tasks: int = 6_000
    batch_tasks: int = 50_000
    burst_tasks: int = 10_000
    sustained_rate: int = 300
    sustained_seconds: int = 60
    edge_seconds: int = 10
    """The first and the last so many seconds of a load are compared."""
    statement_tasks: int = 20_000
    statement_seconds: int = 10
    children: tuple[int, ...] = (1, 2, 3)
    executor_tasks: int = 20_000
    executor_slow_tasks: int = 300
    """For each child."""
    variant_tasks: int = 10_000
    neighbour_rate: int = 100
    neighbour_seconds: float = 10.0
    waiting_rows: tuple[int, ...] = (0, 1_000_000)
    due_rate: int = 300
    due_seconds: int = 10
    due_after: float = 4.0
    """Seconds in which the due tasks must have been accepted."""
    churn_tasks: int = 1_000_000
    held_seconds: int = 180
    held_rate: int = 800
    held_drain: int = 10_000


FULL = Scale()

QUICK = Scale(
    quick=True,
    runs=1,
    warm_up=200,
    idle_tasks=5,
    idle_pause=0.1,
    single_tasks=200,
    batch_tasks=1_000,
    burst_tasks=500,
    sustained_rate=100,
    sustained_seconds=1,
    edge_seconds=1,
    statement_tasks=200,
    statement_seconds=1,
    children=(1,),
    executor_tasks=200,
    executor_slow_tasks=10,
    variant_tasks=200,
    neighbour_rate=100,
    neighbour_seconds=0.3,
    waiting_rows=(0, 2_000),
    due_rate=100,
    due_seconds=1,
    due_after=0.5,
    churn_tasks=2_000,
    held_seconds=1,
    held_rate=200,
    held_drain=300,
)
"""Shows that everything works; its figures mean nothing."""
