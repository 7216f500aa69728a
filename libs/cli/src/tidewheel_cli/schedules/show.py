"""Plans and results as people read them, and as JSON for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from tidewheel_cli.schedules.apply import Result
from tidewheel_cli.schedules.plan import Difference, Kind, Plan, Step

_MARKS: Mapping[Kind, tuple[str, str]] = {
    Kind.CREATE: ("+", "green"),
    Kind.CHANGE: ("~", "yellow"),
    Kind.PAUSE: ("‖", "magenta"),
    Kind.RESUME: ("▸", "cyan"),
    Kind.DELETE: ("-", "red"),
}


def print_plan(console: Console, plan: Plan, words: Mapping[str, str]) -> None:
    """Print the steps of a plan with what each one changes; `words` says when a schedule fires."""
    for step in plan.steps:
        console.print(_headline(step), soft_wrap=True)
        width = max((len(each.field) for each in step.differences), default=0)
        for difference in step.differences:
            console.print(_line(step.kind, difference, width), soft_wrap=True)
        if said := words.get(step.name) if step.kind in {Kind.CREATE, Kind.CHANGE} else step.reason:
            console.print(Text(f"    {said}", style="dim"), soft_wrap=True)
    for name, sentence in plan.conflicts.items():
        console.print(Text(f"! {name}", style="bold red"), soft_wrap=True)
        console.print(Text(f"    {sentence}"), soft_wrap=True)
    console.print(Text(_summary(plan)), soft_wrap=True)


def print_result(console: Console, result: Result) -> None:
    """Print what became of a step."""
    mark, style = ("✘", "red") if result.refused else ("✔", "green")
    console.print(Text(f"{mark} {result.step.kind} {result.step.name}", style=style), soft_wrap=True)
    if result.refused:
        console.print(Text(f"    {result.refused}"), soft_wrap=True)


def as_json(plan: Plan, words: Mapping[str, str], results: Sequence[Result] | None = None) -> dict[str, Any]:
    """Return a plan, and what became of its steps when it was carried out, as a JSON object."""
    outcomes = [None] * len(plan.steps) if results is None else list(results)
    return {
        "managed_by": plan.managed_by,
        "steps": [
            {
                "action": step.kind.value,
                "name": step.name,
                "schedule_id": step.schedule_id,
                "differences": [asdict(each) for each in step.differences],
                "description": words.get(step.name),
                "reason": step.reason,
                **({} if result is None else {"done": result.refused is None, "refused": result.refused}),
            }
            for step, result in zip(plan.steps, outcomes, strict=True)
        ],
        "conflicts": [{"name": name, "detail": sentence} for name, sentence in plan.conflicts.items()],
        "unchanged": plan.unchanged,
    }


def _headline(step: Step) -> Text:
    mark, style = _MARKS[step.kind]
    return Text(f"{mark} {step.kind} {step.name}", style=f"bold {style}")


def _line(kind: Kind, difference: Difference, width: int) -> Text:
    line = Text(f"    {difference.field:<{width}}  ")
    if kind is not Kind.CREATE:
        line.append(_shown(difference.before), style="red").append(" → ")
    return line.append(_shown(difference.after), style="green")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case Mapping():
            parts = (f"{key}: {_shown(each)}" for key, each in value.items() if each is not None)
            return f"{{{', '.join(parts)}}}"
        case list() | tuple():
            return f"[{', '.join(_shown(each) for each in value)}]"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _summary(plan: Plan) -> str:
    counts = Counter(step.kind for step in plan.steps)
    parts = [f"{counts[kind]} to {kind}" for kind in Kind if counts[kind]]
    if plan.conflicts:
        parts.append(f"{len(plan.conflicts)} in conflict")
    return f"{', '.join(parts) or 'Nothing to do'}; {plan.unchanged} as the file says."
