"""Holds every checker against the evidence, and says in figures what happened."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from tests.chaos import checkers, checkers_after
from tests.chaos.evidence import Evidence, Step

from tidewheel_common.core.lifecycle import FINAL

CHECKERS: Mapping[str, Callable[[Evidence], list[str]]] = {
    "C1 no loss": checkers.no_loss,
    "C2 one task a key": checkers.one_task_a_key,
    "C3 no phantom": checkers.no_phantom,
    "C4 attempts start once": checkers.attempts_start_once,
    "C5 one ending": checkers.one_ending,
    "C6 legal states": checkers.legal_states,
    "C7 in time": checkers.in_time,
    "C8 no overlap": checkers.no_overlap,
    "C9 kept long enough": checkers_after.kept_long_enough,
    "C10 tenants apart": checkers_after.tenants_apart,
    "C11 nothing in plain": checkers_after.nothing_in_plain,
    "C12 cleaned up": checkers_after.cleaned_up,
    "C13 quiet logs": checkers_after.quiet_logs,
    "C14 work was done": checkers_after.work_was_done,
    "C15 duplicates explained": checkers_after.explained_duplicates,
}

_MOST_SHOWN = 8


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """Return what each checker has to complain about."""
    return {name: check(evidence) for name, check in CHECKERS.items()}


def lines(evidence: Evidence, verdicts: Mapping[str, list[str]]) -> Iterator[str]:
    """Say it for people."""
    yield ""
    yield from _figures(evidence)
    yield from _recoveries(evidence)
    yield ""
    for name, found in verdicts.items():
        yield f"{'ok  ' if not found else 'FAIL'} {name}" + (f": {len(found)}" if found else "")
        yield from (f"       {sentence}" for sentence in found[:_MOST_SHOWN])


def _figures(evidence: Evidence) -> Iterator[str]:
    kinds = evidence.kinds()
    states = Counter(row.state for row in evidence.rows.values())
    reasons = Counter(row.reason for row in evidence.rows.values() if row.reason)
    again = checkers_after.duplicates(evidence)
    lost = sum(1 for log in evidence.attempts.values() for _, state in log if state == "lost")
    yield f"submits {len(evidence.ops)}, with unknown answers {sum(1 for op in evidence.ops.values() if op.unknown)}"
    yield f"accepted tasks {len(kinds)}, lost {len(checkers.no_loss(evidence))}"
    yield f"handler runs {len(evidence.runs)}, attempts lost {lost}, run twice {len(again)}"
    yield f"states {dict(states)}, reasons {dict(reasons)}"
    yield f"faults {sum(1 for fault in evidence.faults if not fault.error)}, failed to inject or recover " + str(
        sum(1 for fault in evidence.faults if fault.error)
    )
    yield "quiet after the last healing: " + ("never" if evidence.quiet is None else f"{evidence.quiet:.1f} s")
    for name, waits in zip(("", " in storms"), rescue_times(evidence), strict=True):
        if waits:
            middle, longest = median(waits), max(waits)
            yield f"from the loss of an attempt{name} to the next claim: p50 {middle:.1f} s, max {longest:.1f} s"


def rescue_times(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Return the seconds from the loss of an attempt to the next claim of its task, or to its end.

    An attempt is lost when the first fault of its time that may have hit it begins; without one, when it was claimed.

    Returns:
        Those of attempts that were lost outside of storms, and those of attempts that were lost in one.
    """
    targets = ("executor", "everything", "postgres", "valkey")
    hits = sorted(fault.began for fault in evidence.faults if fault.target.startswith(targets))
    storms = [(fault.began, fault.healed) for fault in evidence.faults if fault.kind == "storm"]
    alone: list[float] = []
    stormy: list[float] = []
    for task, log in evidence.attempts.items():
        lost = {attempt for attempt, state in log if state == "lost"}
        for at, seconds in _rescues(evidence.trail.get(task, ()), lost, hits) if lost else ():
            (stormy if any(began <= at + seconds and at <= over for began, over in storms) else alone).append(seconds)
    return alone, stormy


def _rescues(steps: Sequence[Step], lost: set[int], hits: Sequence[float]) -> Iterator[tuple[float, float]]:
    for place, step in enumerate(steps):
        if step.target != "running" or step.attempt not in lost:
            continue
        after = [later for later in steps[place + 1 :] if later.target == "running" or later.target in FINAL]
        given_up = next((later.at for later in steps[place + 1 :] if later.source == "running"), step.at)
        if after:
            at = next((hit for hit in hits if step.at <= hit <= given_up), step.at)
            yield at, after[0].at - at


def _recoveries(evidence: Evidence) -> Iterator[str]:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for fault in evidence.faults:
        if fault.recovered is not None:
            kind = "executor" if fault.target.startswith("executor-") else fault.target
            place = "links" if fault.target.count("-") and fault.target.endswith(("postgres", "redis")) else kind
            times[f"{fault.kind} {place}"].append(fault.recovered)
    late = checkers.lateness(evidence)
    if late:
        yield f"first claim after it was due: p50 {median(late) * 1000:.0f} ms, p99 {late[len(late) * 99 // 100]:.2f} s"
    yield ""
    yield f"{'fault':34} {'times':>5} {'recovery p50':>12} {'max':>7}"
    for name, measured in sorted(times.items()):
        yield f"{name:34} {len(measured):5} {median(measured):10.2f} s {max(measured):5.2f} s"
