"""Signatures, chains, groups and chords as Tidewheel tasks: one batch of tasks that depend on each other.

A task that follows others names them in `depends_on`, and stands `{"$parent": 0}` for the result of the first of them,
or `{"$parent": "*"}` for the list of all, where Celery would put it: in its first parameter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from celery.canvas import (  # type: ignore[attr-defined]  # the stubs leave out where chord is defined
    _chain,
    _chord,
    group,
    maybe_signature,
)

from tidewheel_client.celery.arguments import make_payload
from tidewheel_client.celery.options import fields_of
from tidewheel_client.celery.refusals import Unmapped
from tidewheel_client.celery.wire import tag_of, wire_of

MOST: Final = 1000
"""Tasks that are submitted at once, and so the most that may depend on each other."""

_OWN: Final = "celery."


@dataclass(frozen=True, slots=True)
class One:
    """One task, by its place in the batch."""

    place: int
    parent: "One | Many | None" = None


@dataclass(frozen=True, slots=True)
class Many:
    """The members of a group."""

    members: tuple["One | Many", ...]
    parent: "One | Many | None" = None


Outcome = One | Many


@dataclass(frozen=True, slots=True)
class Extra:
    """What a call adds to a signature: arguments go before its own, options replace its own."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


NOTHING: Final = Extra()


class Draft:
    """The tasks of a canvas while they are put together."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.tasks: list[dict[str, Any]] = []
        self.key = uuid4().hex

    @property
    def linked(self) -> bool:
        """Whether any of them follows another."""
        return any("depends_on" in task for task in self.tasks)

    def add(self, node: Any, source: Outcome | None = None, extra: Extra = NOTHING) -> Outcome:
        """Add a signature of any kind, to be run after `source`.

        Raises:
            Unmapped: it has no counterpart.
        """
        match node:
            case _chain():
                return self._chain(node, source, extra)
            case _chord():
                return self._chord(node, source, extra)
            case group():
                return self._group(node, source, extra)
            case _:
                return self._task(node, source, extra)

    def _chain(self, node: Any, source: Outcome | None, extra: Extra) -> Outcome:
        options = {**node.options, **extra.options}
        links = options.pop("link", None)
        extra = Extra((*extra.args, *node.args), extra.kwargs, options)
        outcome = source
        for each in self._signatures(node.tasks):
            outcome = self.add(each, outcome, extra)
            extra = NOTHING
        if outcome is None or outcome is source:
            raise Unmapped("a chain without tasks", "Give it at least one.")
        self._links(links, outcome)
        return outcome

    def _group(self, node: Any, source: Outcome | None, extra: Extra) -> Outcome:
        extra = Extra((*extra.args, *node.args), extra.kwargs, {**node.options, **extra.options, "task_id": None})
        if extra.options.get("link"):
            raise Unmapped("`link` on a group", "Use a chord: chord(group, body).")
        return Many(tuple(self.add(each, source, extra) for each in self._signatures(node.tasks)), source)

    def _chord(self, node: Any, source: Outcome | None, extra: Extra) -> Outcome:
        options = {**node.options, **extra.options}
        links = options.pop("link", None)
        inner = node.kwargs
        kwargs = {**(inner.get("kwargs") or {}), **extra.kwargs}
        body = maybe_signature(kwargs.pop("body", None) or inner["body"], app=self._app)
        header = group(list(self._signatures(node.tasks)), app=self._app)
        waited = self._group(header, source, Extra((*extra.args, *node.args), kwargs, options))
        late = {name: value for name, value in options.items() if name not in {"countdown", "eta"}}
        outcome = self.add(body, waited, Extra(options=late))
        self._links(links, outcome)
        return outcome

    def _task(self, node: Any, source: Outcome | None, extra: Extra) -> Outcome:
        name = node.task
        if name.startswith(_OWN):
            raise Unmapped(f"`{name}`", "Use a group of plain tasks instead of map, starmap or chunks.")
        task = self._app.tasks.get(name)
        args, kwargs, options = _merged(node, extra)
        links = options.pop("link", None)
        if source is not None and not node.immutable:
            args = (_reference(source), *args)
        places = () if source is None else _places(source)
        chosen = options.get("task_id")
        self.tasks.append(
            {
                "handler": name,
                "payload": make_payload(task, name, args, kwargs),
                **fields_of(self._app, task, name, options, follows=source is not None),
                **({"depends_on": [{"index": place} for place in places]} if places else {}),
                **({} if chosen is None else {"tags": [tag_of(chosen)]}),
            }
        )
        if chosen is not None and len(self.tasks) == 1:
            self.key = f"celery-{chosen}"
        outcome = One(len(self.tasks) - 1, source)
        self._links(links, outcome)
        return outcome

    def _links(self, links: Any, outcome: Outcome) -> None:
        for each in self._signatures(links if isinstance(links, list | tuple) else [links] if links else ()):
            self.add(each, outcome)

    def _signatures(self, nodes: Iterable[Any]) -> Iterable[Any]:
        return (maybe_signature(node, app=self._app) for node in nodes)


def send(app: Celery, node: Any, extra: Extra = NOTHING) -> Any:
    """Submit a signature of any kind, all of its tasks or none, and return its result.

    Raises:
        Unmapped: something in it has no counterpart.
        ClientError: the gateway did not accept it.
    """
    draft = Draft(app)
    outcome = draft.add(node, extra=extra)
    if draft.linked and len(draft.tasks) > MOST:
        raise Unmapped(
            f"{len(draft.tasks):,} tasks that depend on each other",
            f"They are accepted as one, and that takes {MOST:,}.",
        )
    ids: list[str] = []
    for start in range(0, len(draft.tasks), MOST):
        key = draft.key if start == 0 else f"{draft.key}-{start}"
        ids += wire_of(app).submit(draft.tasks[start : start + MOST], key=key)
    return _result(app, outcome, ids)


def make_canvas_durable() -> None:
    """Let chains, groups and chords of durable apps be sent as one; those of all other apps stay as they are.

    Celery has no place for this but the classes themselves: they publish each of their tasks on their own.
    """
    for kind in (_chain, group, _chord):
        kind.apply_async = _durable(kind.apply_async)  # type: ignore[method-assign]  # see above


def _durable(original: Any) -> Any:
    @wraps(original)
    def apply_async(self: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        app = _app_of(self, kwargs or {})
        if app.conf.task_always_eager or not getattr(app.Task, "as_in_celery", False):
            return original(self, args, kwargs, **options)
        options = {name: value for name, value in options.items() if name not in {"add_to_parent", "task_id"}}
        return send(app, self, Extra(tuple(args or ()), dict(kwargs or {}), options))

    return apply_async


def _app_of(node: Any, kwargs: Mapping[str, Any]) -> Any:
    # `chord(header)(body)` brings its body only now.
    return node._get_app(kwargs.get("body") or node.body) if isinstance(node, _chord) else node.app  # noqa: SLF001 -- as Celery


def _merged(node: Any, extra: Extra) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    options = {**node.options, **{name: value for name, value in extra.options.items() if value is not None}}
    if node.immutable:
        return tuple(node.args), dict(node.kwargs), options
    return (*extra.args, *node.args), {**node.kwargs, **extra.kwargs}, options


def _reference(source: Outcome) -> Any:
    if isinstance(source, One):
        return {"$parent": 0}
    return {"$parent": "*"} if _places(source) else []


def _places(outcome: Outcome) -> Sequence[int]:
    if isinstance(outcome, One):
        return [outcome.place]
    return [place for member in outcome.members for place in _places(member)]


def _result(app: Any, outcome: Outcome | None, ids: Sequence[str]) -> Any:
    match outcome:
        case One(place, parent):
            return app.AsyncResult(ids[place], parent=_result(app, parent, ids))
        case Many(members, parent):
            results = [_result(app, member, ids) for member in members]
            return app.GroupResult(uuid4().hex, results, parent=_result(app, parent, ids))
        case None:
            return None
