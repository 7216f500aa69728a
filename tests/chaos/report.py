"""Writes the figures of a campaign as Markdown, between two marks of a page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.chaos import checkers, checkers_after
from tests.chaos.evidence import Evidence
from tests.chaos.recovery import Result, bar_results, measured, rescue_times

EVERYTHING = "everything"
"""The name of the figures of a campaign with all kinds of faults."""

WHAT_HAPPENS = {
    "killed": "the supervisor starts it again; the others go on",
    "killed executor": "what it held is run again by another one once its heartbeat is stale",
    "killed valkey": "it reads its file; what that had not got yet is noticed, and written again",
    "stopped": "it ends what it holds or gives it back, and starts again; nothing runs twice",
    "frozen": "the others go on; it goes on where it was when it wakes",
    "frozen executor": "its tasks are run by others; when it wakes as a zombie it records nothing",
    "frozen valkey": "given up after a timeout; tasks wait in PostgreSQL",
    "all-killed": "everything starts again and finds all it had accepted",
    "child-killed": "its executor reports what the child held as lost, and starts another child",
    "clock-ahead": "nothing: only the database's clock decides",
    "clock-behind": "nothing: only the database's clock decides",
    "crashed": "calls get 503; everybody connects again by themselves",
    "disconnected": "everybody connects again by themselves",
    "crowded": "503 with `Retry-After`, nothing half done",
    "filled": "what needs room is refused with 503 or tried again; nothing accepted is lost",
    "jumped-ahead": "what is due becomes due earlier; no executor counts as lost for it",
    "jumped-back": "what is due becomes due later; no executor counts as lost for it",
    "emptied": "noticed; every hint is written again from the rows",
    "ungrouped": "noticed; groups are made again at the beginning of their streams",
    "starved": "hints wait in PostgreSQL until there is memory again",
    "lost-its-files": "as emptied",
    "lost-half-its-files": "what is missing is noticed; those hints are written again",
    "failed-over": "what the replica had not got yet is noticed, and written again",
    "failed-over-empty": "as emptied",
    "cut": "tried again until the link is back; submits get 503",
    "reset": "connected again; what has no certain answer is asked for again",
    "muted": "given up after a timeout, then as cut",
    "silenced": "given up after a timeout, then as cut",
    "unanswered": "the outcome is looked up: the same key gives the same task, and an attempt is recorded once",
    "slowed": "slower",
    "storm": "ten faults that overlap: all of this at once",
}
"""What is to happen at each kind of fault; where a place differs from the others, at that place."""


def marks(name: str) -> tuple[str, str]:
    """Return the lines of a page between which figures of a name stand."""
    return f"<!-- chaos: {name} -->", "<!-- end -->"


def refresh(
    page: Path, evidence: Evidence, verdicts: Mapping[str, Sequence[str]], command: str, *, name: str = EVERYTHING
) -> None:
    """Replace what stands between the marks of a page.

    Raises:
        ValueError: the page does not have both marks.
    """
    text = page.read_text(encoding="utf-8")
    first, last = marks(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{page} has no place for figures: put the lines {first} and {last} into it.")
    figures = "\n".join(markdown(evidence, verdicts, command))
    page.write_text(f"{before}{begin}\n\n{figures}\n\n{end}{after}", encoding="utf-8")


def markdown(evidence: Evidence, verdicts: Mapping[str, Sequence[str]], command: str) -> Iterator[str]:
    """Return the lines."""
    day = datetime.fromtimestamp(evidence.gathered, UTC).date()
    yield f"Measured on {day} by `{command}`."
    yield ""
    yield from _table(("what", "figure"), _figures(evidence, verdicts))
    yield ""
    header = (
        "fault",
        "at",
        "what happens",
        "times",
        "new work again, p50 / longest",
        "as fast as usual, p50 / longest",
    )
    yield from _table(header, _faults(evidence))
    yield ""
    yield from _table(("bar", "at most", "times", "p50 / longest", "met"), map(_bar, bar_results(evidence)))


def _figures(evidence: Evidence, verdicts: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    accepted = len(evidence.kinds())
    again = checkers_after.duplicates(evidence)
    ended = Counter(row.reason for row in evidence.rows.values() if row.state == "dead")
    lost = sum(1 for log in evidence.attempts.values() for _, state in log if state == "lost")
    wrong = sum(len(found) for name, found in verdicts.items() if name.split()[0] in {"C3", "C5"})
    unsure = sum(1 for op in evidence.ops.values() if op.unknown)
    faults = [fault for fault in evidence.faults if not fault.error]
    storms = [fault for fault in faults if fault.kind == "storm"]
    stormy = sum(1 for fault in faults if fault.recovered is None)
    yield "faults, of which in storms", f"{len(faults) - len(storms):,}, of which {stormy:,} in {len(storms):,} storms"
    yield "submits, of which some answer was lost or uncertain", f"{len(evidence.ops):,}, of which {unsure:,}"
    yield "tasks accepted", f"{accepted:,}"
    yield "**lost**", f"**{len(checkers.no_loss(evidence)):,}**"
    yield "wrong final state, recorded by two attempts, phantom", f"{wrong:,}"
    yield "handler runs", f"{len(evidence.runs):,}"
    yield "attempts lost with their executor", f"{lost:,}"
    yield "**tasks that ran twice**", f"**{len(again):,}** ({100 * len(again) / max(1, accepted):.2f} %)"
    yield "`at_most_once` tasks that ended `dead`, `lost`", f"{ended['lost']:,}"
    yield "all work ended after the last healing", "never" if evidence.quiet is None else f"{evidence.quiet:.1f} s"
    late = checkers.lateness(evidence)
    if late:
        yield "due to first claim, p50 and p99", f"{median(late):.2f} s and {late[len(late) * 99 // 100]:.2f} s"
    for name, waits in zip(("", ", in storms"), rescue_times(evidence), strict=True):
        yield f"loss of an attempt to the next claim{name}, p50 / longest", _pair(waits)
    yield "checkers that complained", ", ".join(name for name, found in verdicts.items() if found) or "none"


def _faults(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    for line in measured(evidence):
        yield (
            *(f"`{line.kind}`", line.place, _what_happens(line.kind, line.place), f"{line.times:,}"),
            *(_pair(line.recovered), _pair(line.settled)),
        )


def _what_happens(kind: str, place: str) -> str:
    return WHAT_HAPPENS.get(f"{kind} {place}", WHAT_HAPPENS[kind])


def _bar(result: Result) -> tuple[str, ...]:
    met = {True: "yes", False: "**no**", None: "not measured"}[result.met]
    return (result.bar.what, f"{result.bar.seconds:g} s", f"{len(result.seconds):,}", _pair(result.seconds), met)


def _pair(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.1f} s / {max(seconds):.1f} s" if seconds else "-"


def _table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"
