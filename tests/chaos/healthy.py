"""Hand-made evidence of a small campaign in which nothing went wrong, though an executor was lost."""

from tests.chaos.evidence import Evidence, Injected, Row, Step
from tests.chaos.history import Op
from tests.chaos.ledger import Run

GATEWAY, SCHEDULER, DISPATCHER = "tidewheel-gateway", "tidewheel-scheduler", "tidewheel-dispatcher"
EXECUTOR, REAPER = "tidewheel-executor-child", "tidewheel-reaper"


def born(at: float, *, state: str = "ready") -> Step:
    return Step(None, state, 0, GATEWAY, at, at)


def pushed(at: float, attempt: int = 0, run_at: float = 0.0) -> Step:
    return Step("ready", "queued", attempt, DISPATCHER, at, run_at)


def claimed(at: float, attempt: int, run_at: float = 0.0) -> Step:
    return Step("queued", "running", attempt, EXECUTOR, at, run_at)


def ended(at: float, attempt: int, state: str = "complete") -> Step:
    return Step("running", state, attempt, EXECUTOR, at, 0.0, at + 100.0)


def healthy() -> Evidence:
    """Two tasks: `one` ran at once; the first attempt of `two` was lost, and the second one overlapped with it."""
    return Evidence(
        ops={
            "op-1": Op(op="op-1", tenant="alpha", kinds=["plain"], due=[1.0], ids=["one"]),
            "op-2": Op(op="op-2", tenant="beta", kinds=["plain"], due=[1.0], ids=["two"], unknown=2),
            "op-3": Op(op="op-3", tenant="beta", kinds=["bad"], due=[0.0], refused=True),
        },
        runs=[
            Run("one", 1, "alpha", 11, 4.0, 5.0, "executor-2"),
            Run("two", 1, "beta", 12, 4.0, 40.0, "executor-1"),
            Run("two", 2, "beta", 13, 25.0, 26.0, "executor-2"),
        ],
        trail={
            "one": [born(1.0), pushed(2.0), claimed(3.0, 1), ended(5.5, 1)],
            "two": [
                *(born(1.0), pushed(2.0), claimed(3.0, 1)),
                Step("running", "waiting", 1, SCHEDULER, 20.0, 21.0),
                Step("waiting", "ready", 1, SCHEDULER, 21.5, 21.0),
                *(pushed(22.0, 1, 21.0), claimed(23.0, 2, 21.0), ended(27.0, 2)),
            ],
        },
        born={"one": "op-1", "two": "op-2"},
        tenants={"one": "alpha", "two": "beta"},
        rows={
            "one": Row(tenant="alpha", state="complete", attempt=1),
            "two": Row(tenant="beta", state="complete", attempt=2, lost=1),
        },
        attempts={"one": [(1, "complete")], "two": [(1, "lost"), (2, "complete")]},
        faults=[Injected(kind="frozen", target="executor-1", began=4.0, healed=24.0, recovered=0.1)],
        places={"logs": False},
        leftovers=[("pending entries", 0, 0)],
        logs={"gateway": ['{"level": "info", "event": "process started"}', '{"level": "warning", "event": "lost"}']},
        deaths=["executor-1 was killed by SIGKILL; it starts again in 0.2 s."],
        planned=[("frozen", "executor-1")],
        least=2,
        gathered=60.0,
    )
