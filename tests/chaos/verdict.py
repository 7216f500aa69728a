"""Holds every checker against the evidence, and says in figures what happened."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from tests.chaos import checkers, checkers_after
from tests.chaos.evidence import Evidence
from tests.chaos.recovery import bar_results, measured, rescue_times

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
    "C16 graceful stops": checkers_after.graceful_stops,
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
    yield "left over, of what may be: " + ", ".join(
        f"{name} {now:.0f}/{allowed:.0f}" for name, now, allowed in evidence.leftovers
    )
    for name, waits in zip(("", " in storms"), rescue_times(evidence), strict=True):
        if waits:
            middle, longest = median(waits), max(waits)
            yield f"from the loss of an attempt{name} to the next claim: p50 {middle:.1f} s, max {longest:.1f} s"


def _recoveries(evidence: Evidence) -> Iterator[str]:
    late = checkers.lateness(evidence)
    if late:
        yield f"first claim after it was due: p50 {median(late) * 1000:.0f} ms, p99 {late[len(late) * 99 // 100]:.2f} s"
    yield ""
    yield f"{'fault':40} {'times':>5} {'new work p50':>12} {'max':>7} {'usual p50':>12} {'max':>7}"
    for line in measured(evidence):
        yield f"{line.kind + ' ' + line.place:40} {line.times:5} {_pair(line.recovered)} {_pair(line.settled)}"
    yield ""
    for result in bar_results(evidence):
        yield result.sentence()


def _pair(seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{'-':>12} {'-':>7}"
    return f"{median(seconds):10.2f} s {max(seconds):5.2f} s"
