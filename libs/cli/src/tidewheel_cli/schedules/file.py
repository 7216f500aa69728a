"""Reads a `schedules.yaml`; what is wrong with it is said with its line and its key."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tidewheel_cli.schedules.entry import Entry, Outline, Route
from tidewheel_common.core.errors import TidewheelError

Place = tuple[str | int, ...]
"""The keys that lead to something in the file, from its top."""

_TIMESTAMP = "tag:yaml.org,2002:timestamp"

_PLAINER = {
    "missing": "This key is required.",
    "extra_forbidden": "There is no such key.",
    "dict_type": "It must be a mapping.",
    "model_type": "It must be a mapping.",
    "string_type": "It must be text; put it in quotes.",
}


class BadFile(TidewheelError):
    """A `schedules.yaml` that cannot be used; the text has a line for each fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFile:
    """A `schedules.yaml` as it is meant: its defaults and routes stand in its entries.

    Attributes:
        path: where it was read.
        managed_by: whose schedules these are.
        entries: by name.
        lines: the line of every key, counted from 1.
    """

    path: str
    managed_by: str
    entries: Mapping[str, Entry]
    lines: Mapping[Place, int]

    def fault(self, place: Place, detail: str) -> str:
        """Return a line that says what is wrong at a place, or at the nearest one around it that is written down."""
        known = place
        if place[:3] not in self.lines and ("defaults", *place[2:3]) in self.lines:
            known = ("defaults", *place[2:])
        while known not in self.lines and known:
            known = known[:-1]
        return f"{self.path}, line {self.lines.get(known, 1)}, {'.'.join(map(str, place)) or 'top'}: {detail}"


def read_file(path: Path) -> ScheduleFile:
    """Read a file.

    Raises:
        BadFile: it is not there, not YAML, or not as it must be.
    """
    try:
        return parse_file(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadFile(f"{path} cannot be read: {reason}.") from None


def parse_file(path: str, text: str) -> ScheduleFile:
    """Return what a text says; `path` is how messages name it.

    Raises:
        BadFile: it is not YAML, or not as it must be.
    """
    document, lines = _load(path, text)
    bare = ScheduleFile(path=path, managed_by="", entries={}, lines=lines)
    try:
        outline = Outline.model_validate(document)
    except ValidationError as error:
        raise _bad(bare, error, ()) from None
    faults = [
        bare.fault(("defaults", key), "There is no such key, or it cannot have a default.")
        for key in outline.defaults
        if key not in Entry.model_fields or key == "handler"
    ]
    entries: dict[str, Entry] = {}
    for name, given in outline.schedules.items():
        try:
            entries[name] = Entry.model_validate(_merged(outline, given))
        except ValidationError as error:
            faults.append(str(_bad(bare, error, ("schedules", name))))
    if faults:
        raise BadFile("\n".join(faults))
    return ScheduleFile(path=path, managed_by=outline.managed_by, entries=entries, lines=lines)


def _merged(outline: Outline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with what it leaves open: a route says it before the defaults do."""
    return {**outline.defaults, **_routed(outline.routes, given.get("handler")), **given}


def _routed(routes: Sequence[Route], handler: object) -> dict[str, Any]:
    for route in routes:
        if isinstance(handler, str) and fnmatchcase(handler, route.handler):
            return route.model_dump(exclude={"handler"}, exclude_none=True)
    return {}


def _bad(file: ScheduleFile, error: ValidationError, around: Place) -> BadFile:
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return BadFile(
        "\n".join(
            file.fault((*around, *each["loc"]), _PLAINER.get(each["type"]) or f"{each['msg'].rstrip('.')}.")
            for each in details
        )
    )


class _Loader(yaml.SafeLoader):
    """Leaves times as they are written, and takes no key twice: the first one would be lost in silence."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} comes twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _load(path: str, text: str) -> tuple[Any, dict[Place, int]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines = {} if node is None else dict(_lines(node, ()))
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise BadFile(f"{path}, line {line}: this is not YAML as it must be: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise BadFile(f"{path}: this is not YAML: {error}.") from None
    finally:
        loader.dispose()


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key.start_mark.line + 1
            yield from _lines(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _lines(value, (*place, index))
