"""From the arguments of a call to a payload, the JSON object of keyword arguments that a handler is run with."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Task
from kombu.utils.json import dumps

from tidewheel_client.celery.refusals import Unmapped

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def make_payload(
    task: "Task[Any, Any] | None", name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the payload of a call. Dates, UUIDs and decimals are written as Celery's own JSON has them.

    Args:
        task: the task, where it is known here.
        name: its name.
        args: positional arguments; they are given the names that the task's signature has for them.
        kwargs: keyword arguments.

    Raises:
        TypeError: the arguments do not fit the task, or are not JSON.
        Unmapped: a positional argument has no name.
    """
    check = getattr(task, "__header__", None) if getattr(task, "typing", False) else None
    if check is not None:  # as Celery does; it is an empty function of the task's signature
        check(*args, **kwargs)
    dump = getattr(task, "_dump_pydantic_arguments", None)
    if dump is not None:
        args, kwargs = dump(args, kwargs)
    named = _name(task, name, args, kwargs) if args else dict(kwargs)
    payload: dict[str, Any] = json.loads(dumps(named))
    return payload


def _name(task: "Task[Any, Any] | None", name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if task is None:
        raise Unmapped(
            f"positional arguments for {name}", "The task is not known here, so nobody can name them; pass keywords."
        )
    bound = inspect.signature(task.run).bind(*args, **kwargs)
    named: dict[str, Any] = {}
    for key, value in bound.arguments.items():
        kind = bound.signature.parameters[key].kind
        if kind in _BY_NAME:
            named[key] = value
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif value:
            star = "*" if kind is inspect.Parameter.VAR_POSITIONAL else "positional-only "
            raise Unmapped(
                f"the argument {star}{key} of {name}",
                "Its values have no names; give the task a parameter that takes a list, or one by name.",
            )
    return named
