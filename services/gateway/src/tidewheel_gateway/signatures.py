"""Holds payloads against what their handlers say of their arguments.

The schemas come from the executors, by way of PostgreSQL, and are read every few seconds: no request waits for them.
A handler that nobody has published takes anything. While two variants of a handler are served, as in a rolling deploy,
a payload is good that fits either.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import structlog
from jsonschema_rs import ValidationError, ValidationErrorKind, Validator, validator_for

from tidewheel_common.core.fault import MOST_FAULTS, Fault
from tidewheel_common.core.reference import is_reference
from tidewheel_common.core.validation import escape
from tidewheel_common.store.engine import Engine
from tidewheel_gateway.handler_queries import handlers_current

EVERY: Final = 3.0
"""Seconds between two looks at what is published."""

_VALUE: Final = "This value"
"""Stands in a sentence where the value would, which may be a secret."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Signatures:
    """What is known of the arguments of handlers.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._validators: dict[bytes, Validator | None] = {}
        self._handlers: Mapping[str, tuple[Validator, ...]] = {}

    async def tick(self) -> None:
        """Read what has changed."""
        async with self._engine.connect() as connection:
            variants = await handlers_current(connection, self._validators)
        validators = {
            each.digest: self._validators[each.digest] if each.arguments is None else _compile(each.arguments)
            for each in variants
        }
        named: defaultdict[str, list[Validator | None]] = defaultdict(list)
        for each in variants:
            named[each.name].append(validators[each.digest])
        self._validators = validators
        # A schema that cannot be read says nothing, so nothing can be refused.
        self._handlers = {name: tuple(filter(None, several)) for name, several in named.items() if None not in several}

    def faults(self, handler: str, payload: dict[str, Any], *, pointer: str = "", follows: bool = False) -> list[Fault]:
        """Return what is wrong with a payload; nothing when it fits a variant of its handler, or none is known.

        Args:
            handler: the name.
            payload: as it was parsed.
            pointer: where in the body the submission stands.
            follows: whether it has parents. What stands for their results may become anything.
        """
        validators = self._handlers.get(handler)
        if validators is None:
            return []
        later = {name for name, value in payload.items() if is_reference(value)} if follows else frozenset()
        if any(_fits(validator, payload, later) for validator in validators):
            return []
        errors = islice(_errors(validators[0], payload, later), MOST_FAULTS)
        return [fault for error in errors for fault in _faults(error, f"{pointer}/payload")]


def _compile(schema: str) -> Validator | None:
    try:
        return validator_for(schema, mask=_VALUE, offline=True)
    except ValueError:
        log.warning("a handler's schema cannot be read, so its payloads are not checked")
        return None


def _fits(validator: Validator, payload: dict[str, Any], later: Collection[str]) -> bool:
    try:
        return validator.is_valid(payload) or (bool(later) and next(_errors(validator, payload, later), None) is None)
    except ValueError:  # a number that is too large to be looked at
        return True


def _errors(validator: Validator, payload: dict[str, Any], later: Collection[str]) -> Iterator[ValidationError]:
    """Find what is wrong, but for the arguments that come later."""
    errors = validator.iter_errors(payload)
    return (error for error in errors if not (error.instance_path and error.instance_path[0] in later))


def _faults(error: ValidationError, pointer: str) -> Iterator[Fault]:
    place = pointer + "".join(f"/{escape(str(part))}" for part in error.instance_path)
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            detail = "The handler needs this argument."
            yield Fault(code="missing", pointer=f"{place}/{escape(str(name))}", detail=detail)
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            for name in names:
                detail = "The handler takes no such argument."
                yield Fault(code="extra_forbidden", pointer=f"{place}/{escape(name)}", detail=detail)
        case ValidationErrorKind.AnyOf(context=branches):
            reasons = dict.fromkeys(_reason(branch[0], len(error.instance_path)) for branch in branches if branch)
            yield Fault(code=error.kind.name, pointer=place, detail=f"{'; or: '.join(reasons)}.")
        case kind:
            yield Fault(code=kind.name, pointer=place, detail=f"{error.message.rstrip('.')}.")


def _reason(error: ValidationError, depth: int) -> str:
    """Say what is wrong with a value for one of several schemas, and where in it."""
    inner = "/".join(escape(str(part)) for part in error.instance_path[depth:])
    return error.message.rstrip(".") + (f" at {inner}" if inner else "")
