"""What is done to hand-made evidence: each of these breaks one promise, or brings what a fault explains."""

from collections.abc import Callable
from dataclasses import replace

from tests.chaos.evidence import Evidence, Injected, Step
from tests.chaos.healthy import DISPATCHER, EXECUTOR, REAPER, SCHEDULER, born, claimed, ended, pushed
from tests.chaos.ledger import Run

Break = Callable[[Evidence], None]


def _trail(task: str, *steps: Step) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.trail = {**evidence.trail, task: steps}

    return act


def _row(task: str, **changes: object) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.rows = {**evidence.rows, task: replace(evidence.rows[task], **changes)}  # type: ignore[arg-type]  # by name

    return act


def _kind(op: str, kind: str) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.ops[op].kinds = [kind]

    return act


def _runs(*more: Run) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.runs = [*evidence.runs, *more]

    return act


def _log(*lines: str, process: str = "gateway") -> Break:
    def act(evidence: Evidence) -> None:
        evidence.logs = {process: lines}

    return act


def _at(second: int, event: str) -> str:
    """Return an error that was logged so many seconds after the epoch."""
    return f'{{"level": "error", "event": "{event}", "timestamp": "1970-01-01T00:{second // 60:02}:{second % 60:02}Z"}}'


def _fault(kind: str, target: str, began: float, healed: float) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.faults = [Injected(kind=kind, target=target, began=began, healed=healed, recovered=0.1)]

    return act


def _both(*acts: Break) -> Break:
    def act(evidence: Evidence) -> None:
        for each in acts:
            each(evidence)

    return act


def _forget_row(evidence: Evidence) -> None:
    evidence.rows = {"two": evidence.rows["two"]}


def _forget_trail(evidence: Evidence) -> None:
    evidence.trail = {"two": evidence.trail["two"]}


def _second_task(evidence: Evidence) -> None:
    evidence.born = {**evidence.born, "three": "op-1"}


def _other_ids(evidence: Evidence) -> None:
    evidence.ops["op-1"].other_ids.append(["three"])


def _half_made(evidence: Evidence) -> None:
    evidence.ops["op-1"].ids = []
    evidence.ops["op-1"].kinds = ["plain", "plain"]


def _refused_stands(evidence: Evidence) -> None:
    evidence.born = {**evidence.born, "three": "op-3"}


def _attempts(*log: tuple[int, str]) -> Break:
    def act(evidence: Evidence) -> None:
        evidence.attempts = {**evidence.attempts, "two": log}

    return act


def _cancel_confirmed(evidence: Evidence) -> None:
    evidence.ops["op-1"].cancelled.add("one")


def _never_quiet(evidence: Evidence) -> None:
    evidence.quiet = None


def _too_long(evidence: Evidence) -> None:
    evidence.quiet = evidence.quiet_bound + 1


def _due_later(evidence: Evidence) -> None:
    evidence.ops["op-1"].due = [4.5]


def _late_without_faults(evidence: Evidence) -> None:
    evidence.faults = []
    evidence.trail = {**evidence.trail, "one": (born(1.0), pushed(2.0), claimed(9.0, 1), ended(9.5, 1))}


def _much_later(evidence: Evidence) -> None:
    evidence.gathered = 1000.0


def _seen(evidence: Evidence) -> None:
    evidence.answers = ["alpha was answered 200"]


def show_plaintext(evidence: Evidence) -> None:
    evidence.places = {"logs": True}


def _unlooked(evidence: Evidence) -> None:
    evidence.places = {}


def _left_over(evidence: Evidence) -> None:
    evidence.leftovers = [("pending entries", 1, 0)]


def _unmeasured(evidence: Evidence) -> None:
    evidence.leftovers = []


def _died_by_itself(evidence: Evidence) -> None:
    evidence.deaths = ["dispatcher ended with exit code 1; it starts again in 0.2 s."]


def _more_wanted(evidence: Evidence) -> None:
    evidence.least = 3


def _idle(evidence: Evidence) -> None:
    evidence.runs = []


def _not_injected(evidence: Evidence) -> None:
    evidence.faults = [replace(evidence.faults[0], error="no children")]


def _once(evidence: Evidence) -> None:
    evidence.runs = evidence.runs[:2]


def _peaceful(evidence: Evidence) -> None:
    """Let the second task be complete at its first attempt, as the first one."""
    _once(evidence)
    evidence.trail = {**evidence.trail, "two": (born(1.0), pushed(2.0), claimed(3.0, 1), ended(41.0, 1))}
    evidence.attempts = {**evidence.attempts, "two": [(1, "complete")]}


def _no_faults(evidence: Evidence) -> None:
    evidence.faults = []


def _in_peace(evidence: Evidence) -> None:
    evidence.rows = {**evidence.rows, "two": replace(evidence.rows["two"], attempt=1, lost=0)}


def _cut_again_and_again(evidence: Evidence) -> None:
    evidence.faults = [
        Injected(kind="cut", target=target, began=began, healed=began + 5.0, recovered=0.5)
        for target, began in (("executor-1-postgres", 3.0), ("postgres", 8.0), ("executor-1-postgres", 13.5))
    ]


def _moved_clock(evidence: Evidence) -> None:
    _due_later(evidence)
    first, *rest = evidence.trail["one"]
    evidence.trail = {**evidence.trail, "one": [first, *(replace(step, drift=60.0) for step in rest)]}


def _clock_set_back(evidence: Evidence) -> None:
    first, second, claim, *rest = evidence.trail["one"]
    ahead = [replace(step, drift=60.0, run_at=61.0) for step in (first, second)]
    evidence.trail = {**evidence.trail, "one": [*ahead, replace(claim, run_at=61.0), *rest]}


REMOVED = Step("complete", None, 1, REAPER, 200.0, 0.0, 105.5)
LIVED = (born(1.0), pushed(2.0), claimed(3.0, 1), ended(5.5, 1))

BROKEN: list[tuple[str, str, Break]] = [
    ("C1", "accepted and not in the database", _forget_trail),
    ("C1", "accepted and never final", _trail("one", born(1.0), pushed(2.0))),
    ("C1", "the row is gone without a removal", _forget_row),
    ("C1", "removed before it was final", _trail("one", born(1.0), Step("ready", None, 0, REAPER, 3.0, 0.0))),
    ("C2", "two tasks for one key", _second_task),
    ("C2", "another answer for the same key", _other_ids),
    ("C2", "half of a batch", _half_made),
    ("C3", "a run of a task that was never committed", _runs(Run("ghost", 1, "alpha", 1, 1.0, 2.0))),
    ("C3", "a refused submit stands in the database", _refused_stands),
    ("C4", "an attempt that starts twice", _runs(Run("one", 1, "alpha", 14, 6.0, 7.0))),
    ("C4", "a start that the execution log does not know", _runs(Run("one", 2, "alpha", 14, 6.0, 7.0))),
    ("C4", "at most once, and started twice", _kind("op-2", "once")),
    ("C5", "two final states", _trail("one", *LIVED, Step("complete", "dead", 1, EXECUTOR, 9.0, 0.0))),
    ("C5", "an old attempt that records", _trail("two", born(1.0), claimed(3.0, 2), ended(9.0, 1))),
    ("C5", "an attempt number that does not grow", _trail("two", born(1.0), claimed(3.0, 1), claimed(4.0, 1))),
    ("C5", "completed by two attempts", _attempts((1, "complete"), (2, "complete"))),
    ("C5", "one attempt with two entries", _attempts((1, "lost"), (1, "complete"))),
    ("C5", "a plain task that is dead", _row("one", state="dead", reason="attempts_exhausted")),
    ("C5", "poison without three losses", _row("two", state="dead", reason="poison", lost=2)),
    ("C5", "a task that always fails and is complete", _kind("op-1", "failing")),
    ("C5", "a flaky task that did not fail", _kind("op-1", "flaky")),
    ("C5", "confirmed as cancelled and complete", _cancel_confirmed),
    ("C6", "an edge that there is not", _trail("one", born(1.0), Step("ready", "running", 1, EXECUTOR, 3.0, 0.0))),
    ("C6", "an edge of somebody else", _trail("one", born(1.0), Step("ready", "queued", 0, SCHEDULER, 2.0, 0.0))),
    ("C6", "a step that does not follow the last", _trail("one", born(1.0), claimed(3.0, 1))),
    ("C7", "a claim before run_at", _trail("one", born(1.0), pushed(2.0), claimed(3.0, 1, run_at=3.5))),
    ("C7", "a run before it was due", _due_later),
    ("C7", "late without a fault", _late_without_faults),
    ("C7", "work that never ends", _never_quiet),
    ("C7", "work that ends too late", _too_long),
    ("C8", "an overlap without a loss", _attempts((1, "failed"), (2, "complete"))),
    ("C8", "an overlap before the loss", _runs(Run("two", 3, "beta", 15, 25.5, 27.0))),
    ("C9", "removed too early", _trail("one", *LIVED, replace(REMOVED, at=100.0))),
    ("C9", "removed while running", _trail("one", *LIVED[:3], Step("running", None, 1, REAPER, 200.0, 0.0, 1.0))),
    ("C9", "not removed when it is due", _much_later),
    ("C10", "a tenant sees another's task", _seen),
    ("C10", "a run with another tenant's payload", _runs(Run("one", 2, "beta", 14, 6.0, 7.0))),
    ("C11", "plaintext", show_plaintext),
    ("C11", "nobody looked", _unlooked),
    ("C12", "a pending entry", _left_over),
    ("C12", "nobody measured", _unmeasured),
    ("C13", "an error", _log('{"level": "error", "event": "loop failed"}')),
    ("C13", "a warning with a traceback", _log('{"level": "warning", "event": "odd", "exception": "ValueError: no"}')),
    ("C13", "a traceback that is no record", _log("Traceback (most recent call last):")),
    ("C13", "a process that nobody killed", _died_by_itself),
    ("C13", "a lost message before anything was killed", _log(_at(2, "message lost"), process="executor-1")),
    ("C13", "a lost message long after the kill", _log(_at(58, "message lost"), process="executor-1")),
    ("C13", "a lost message of one that was not hit", _log(_at(10, "message lost"), process="executor-2")),
    ("C13", "a lost message that has no time", _log('{"level": "error", "event": "message lost"}')),
    ("C13", "a lost broker while PostgreSQL was away", _both(
        _fault("crashed", "postgres", 4.0, 9.0), _log(_at(5, "Connection to broker lost"), process="executor-1"))),
    ("C14", "too few tasks", _more_wanted),
    ("C14", "nothing ran", _idle),
    ("C14", "a fault that did not happen", _not_injected),
    ("C15", "a second run without a loss", _attempts((1, "interrupted"), (2, "complete"))),
    ("C15", "a second run without a fault", _no_faults),
    ("C15", "a loss while another executor was hit", _fault("killed", "executor-2", 4.0, 5.0)),
    ("C15", "a loss that was over before the fault", _fault("killed", "executor-1", 41.0, 42.0)),
    ("C15", "a loss in a short cut from PostgreSQL", _fault("cut", "executor-1-postgres", 4.0, 8.0)),
    ("C15", "a loss while Valkey was cut off", _fault("cut", "executor-1-redis", 3.0, 24.0)),
    ("C15", "a loss because of a clock", _fault("jumped-ahead", "postgres", 3.0, 24.0)),
    ("C16", "a second run after nothing but orderly stops", _fault("stopped", "executor-1", 4.0, 24.0)),
    ("C16", "a rescue after nothing but orderly stops", _both(
        _fault("stopped", "executor-1", 4.0, 24.0), _attempts((1, "complete")), _once)),
    ("C16", "a hint that had to be looked for", _both(
        _fault("stopped", "dispatcher", 1.0, 2.0), _peaceful,
        _trail("one", born(1.0), pushed(2.0), Step("queued", "ready", 0, DISPATCHER, 17.0, 0.0), pushed(17.1),
               claimed(18.0, 1), ended(19.0, 1)))),
    ("C16", "a lost attempt that never started", _both(
        _fault("stopped", "executor-1", 4.0, 24.0), _peaceful, _attempts((1, "lost"), (2, "complete")))),
]  # fmt: skip

EXCUSED: list[tuple[str, Break]] = [
    ("a lost message when a child was killed", _both(
        _fault("child-killed", "executor-1", 4.0, 4.0), _log(_at(5, "message lost"), process="executor-1"))),
    ("the broker of an executor whose link was cut", _both(
        _fault("cut", "executor-1-redis", 4.0, 9.0), _peaceful, _in_peace,
        _log(_at(5, "Connection to broker lost"), process="executor-1"))),
    ("an error in an hour that a moved clock shows", _both(
        _fault("frozen", "executor-1", 4.0, 24.0),
        _log(_at(4, "message lost"), _at(3605, "message lost"), process="executor-1"))),
    ("a loss in a long cut from PostgreSQL", _fault("cut", "executor-1-postgres", 3.0, 19.0)),
    ("a loss in cuts that follow each other", _cut_again_and_again),
    ("orderly stops that harm nothing", _both(_fault("stopped", "executor-1", 4.0, 24.0), _peaceful, _in_peace)),
    ("a start that is early on the client's clock alone", _moved_clock),
    ("a clock that is set back between the promotion and the claim", _clock_set_back),
]  # fmt: skip
