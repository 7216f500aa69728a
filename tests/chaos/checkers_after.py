"""C9-C16: what must hold around the tasks: retention, walls, secrets, clean-up, logs, and who may lose an attempt."""

import json
import re
from collections import defaultdict

from tests.chaos.evidence import Evidence
from tests.chaos.excuses import dated, explained, lost_for_a_reason
from tests.chaos.ledger import Run

from tidewheel_common.core.lifecycle import FINAL

REMOVAL_SLACK = 30.0
"""Seconds that the reaper may be late, after the last fault."""

_ORDERLY = {"stopped", "storm"}

_RESCUES = {("running", "tidewheel-scheduler"), ("queued", "tidewheel-dispatcher")}

_OWN_END = re.compile(r"(gateway|scheduler|dispatcher|executor-\d+|reaper) ended with exit code [1-9]\d*")


def kept_long_enough(evidence: Evidence) -> list[str]:
    """C9: nothing is removed before its time or before it is final, and what is due is removed."""
    found = []
    for task, steps in evidence.trail.items():
        last = steps[-1]
        if last.target is None and last.source not in FINAL:
            found.append(f"{task} was removed while {last.source}")
        elif last.target is None and (last.remove_at is None or last.clock < last.remove_at):
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
    """C13: no process logged an error that no fault of that moment explains, or ended in one."""
    found: defaultdict[str, int] = defaultdict(int)
    for process, lines in evidence.logs.items():
        for at, line in dated(lines):
            if (sentence := _complaint(line)) is not None and not explained(evidence, process, sentence, at):
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
    """C15: a task runs again only after an attempt was lost, whose executor was hit while it held that attempt."""
    found = []
    runs_of = evidence.runs_of()
    for task, again in duplicates(evidence).items():
        lost = {attempt for attempt, state in evidence.attempts.get(task, ()) if state == "lost"}
        if again > len(lost):
            found.append(f"{task} ran {again} times too often, and {len(lost)} of its attempts were lost")
        found += [
            f"{task}: {run.executor} lost attempt {run.attempt}, and nothing had hit it"
            for run in runs_of[task]
            if run.attempt in lost and not lost_for_a_reason(evidence, run.executor, *_held(evidence, run))
        ]
    return found


def _held(evidence: Evidence, run: Run) -> tuple[float, float]:
    """Return from when to when an attempt was in its executor's hands, though a zombie may start it afterwards."""
    instants = [run.began] + [
        step.at
        for step in evidence.trail.get(run.task, ())
        if step.attempt == run.attempt and "running" in {step.source, step.target}
    ]
    return min(instants), max(instants)


def graceful_stops(evidence: Evidence) -> list[str]:
    """C16: when processes only end in good order, no task runs twice, and none waits until somebody rescues it."""
    if any(fault.kind not in _ORDERLY for fault in evidence.faults):
        return []
    found = [f"{task} ran {again} times too often" for task, again in duplicates(evidence).items()]
    for task, log in evidence.attempts.items():
        if any(state == "lost" for _, state in log):
            found.append(f"{task} lost an attempt")
    for task, steps in evidence.trail.items():
        found += [f"{task} had to be rescued: {step.source} to {step.target} by {step.by}" for step in steps
                  if (step.source, step.by) in _RESCUES and step.target not in FINAL]  # fmt: skip
    return [f"every process ended in good order, and {sentence}" for sentence in found]
