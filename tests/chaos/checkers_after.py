"""C9-C15: what must hold around the tasks: retention, walls, secrets, clean-up, logs, and that work was done."""

import json
import re
from collections import defaultdict

from tests.chaos.evidence import Evidence

from tidewheel_common.core.lifecycle import FINAL

REMOVAL_SLACK = 30.0
"""Seconds that the reaper may be late, after the last fault."""

EXPECTED = (
    # What Celery itself calls an error when a fault did what it was meant to do.
    r"Process 'ForkPoolWorker-\d+' pid:\d+ exited with 'signal \d+",
    r"consumer: Cannot connect to tidewheel_executor\.transport",
    r"Connection to broker lost",
    # A child was killed: what it had is reported, and runs again.
    r"^error: message lost",
)
"""Log lines of the level ERROR that a fault explains. Whatever else is an error is unexpected."""

_OWN_END = re.compile(r"(gateway|scheduler|dispatcher|executor-\d+|reaper) ended with exit code [1-9]\d*")

_EXPECTED = re.compile("|".join(EXPECTED))


def kept_long_enough(evidence: Evidence) -> list[str]:
    """C9: nothing is removed before its time or before it is final, and what is due is removed."""
    found = []
    for task, steps in evidence.trail.items():
        last = steps[-1]
        if last.target is None and last.source not in FINAL:
            found.append(f"{task} was removed while {last.source}")
        elif last.target is None and (last.remove_at is None or last.at < last.remove_at):
            found.append(f"{task} was removed before its time")
        elif last.target in FINAL and (last.remove_at or 0.0) + REMOVAL_SLACK < evidence.gathered:
            found.append(f"{task} should have been removed long ago")
    return found


def tenants_apart(evidence: Evidence) -> list[str]:
    """C10: no tenant sees another's tasks, and each run belongs to the tenant that the database names."""
    return list(evidence.answers) + [
        f"{run.task} of {evidence.tenants[run.task]} ran with the payload of {run.who}"
        for run in evidence.runs
        if run.task in evidence.tenants and evidence.tenants[run.task] != run.who
    ]


def nothing_in_plain(evidence: Evidence) -> list[str]:
    """C11: the canary of the payloads, results and errors is nowhere in plain, and was looked for somewhere."""
    if not evidence.places:
        return ["nobody looked for plaintext"]
    return [f"the canary stands in plain in {place}" for place, seen in evidence.places.items() if seen]


def cleaned_up(evidence: Evidence) -> list[str]:
    """C12: connections, pending entries, streams and memory are back at their base."""
    if not evidence.leftovers:
        return ["nobody measured what is left over"]
    return [
        f"{name}: {now:g}, and no more than {allowed:g} may be left"
        for name, now, allowed in evidence.leftovers
        if now > allowed
    ]


def quiet_logs(evidence: Evidence) -> list[str]:
    """C13: no process logged an error that no fault explains, or ended in one."""
    found: defaultdict[str, int] = defaultdict(int)
    for process, lines in evidence.logs.items():
        for line in lines:
            if (sentence := _complaint(line)) is not None and not _EXPECTED.search(sentence):
                found[f"{process}: {sentence}"] += 1
    for death in evidence.deaths:
        if (own := _OWN_END.match(death)) is not None:
            found[f"nobody harmed it, and {own[0]}"] += 1
    return [f"{sentence} ({count} times)" for sentence, count in found.items()]


def _complaint(line: str) -> str | None:
    """Return what a line complains about; None for one that does not."""
    try:
        record = json.loads(line)
    except ValueError:
        return line.strip()[:300] if "Traceback" in line or "Error" in line else None
    if not isinstance(record, dict):
        return None
    trace = str(record.get("exception", ""))
    if record.get("level") in {"error", "critical"} or trace:
        last = trace.strip().rpartition("\n")[2]
        return f"{record.get('level')}: {str(record.get('event', ''))[:200]} {last[:200]}".strip()
    return None


def work_was_done(evidence: Evidence) -> list[str]:
    """C14: the campaign accepted enough, ran it, and injected each fault that it had planned."""
    accepted = len(evidence.kinds())
    found = [] if accepted >= evidence.least else [f"only {accepted} of {evidence.least} tasks were accepted"]
    ran = {run.task for run in evidence.runs}
    if evidence.least and len(ran) < evidence.least / 2:
        found.append(f"only {len(ran)} tasks ever ran")
    happened = {(fault.kind, fault.target) for fault in evidence.faults if not fault.error}
    return found + [f"{kind} {target} was planned and did not happen" for kind, target in evidence.planned
                    if (kind, target) not in happened]  # fmt: skip


def duplicates(evidence: Evidence) -> dict[str, int]:
    """Return how often each task ran again without a failure that asked for it."""
    found = {}
    for task, runs in evidence.runs_of().items():
        failed = sum(1 for _, state in evidence.attempts.get(task, ()) if state == "failed")
        complete = 1 if any(state == "complete" for _, state in evidence.attempts.get(task, ())) else 0
        again = len(runs) - max(1, failed + complete)
        if task in evidence.rows and again > 0:
            found[task] = again
    return found


def explained_duplicates(evidence: Evidence) -> list[str]:
    """C15: a task runs again only after an attempt was lost, and none is lost when nothing or nobody was harmed."""
    found = []
    for task, again in duplicates(evidence).items():
        lost = sum(1 for _, state in evidence.attempts.get(task, ()) if state == "lost")
        if again > lost:
            found.append(f"{task} ran {again} times too often, and {lost} of its attempts were lost")
        elif not evidence.faults:
            found.append(f"{task} ran {again} times too often, and there was no fault")
    if all(fault.kind == "stopped" for fault in evidence.faults):
        found += [f"{task} lost an attempt, though every process ended in good order"
                  for task, log in evidence.attempts.items() if any(state == "lost" for _, state in log)]  # fmt: skip
    return found
