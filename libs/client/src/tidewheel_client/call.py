"""One call of the API as data: what is sent, and how its answer is read. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from tidewheel_client.errors import UnexpectedAnswer
from tidewheel_client.values import decode, wire

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One operation of the API with its arguments.

    Attributes:
        read: makes the result from a reply that succeeded.
        body: is sent as JSON; None sends none.
        keyed: whether the service keeps an `Idempotency-Key` for it.
        key: the caller's own key; without one, each call has a new one.
        repeatable: whether doing it twice comes to the same as doing it once.
        hold: seconds that the service may hold the answer on purpose.
        accepts: statuses besides 2xx whose answers are read as well.
    """

    method: str
    path: str
    read: Callable[[Reply], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False
    key: str | None = None
    repeatable: bool = True
    hold: float = 0.0
    accepts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and the cursor of the next one."""

    data: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that comes in pages; `first` reads the first one."""

    first: Call[Page[T]]

    def following(self, cursor: str) -> Call[Page[T]]:
        """Return the call that reads the page at a cursor."""
        return replace(self.first, params={**self.first.params, "cursor": cursor})


def listing(path: str, model: type[M], filters: Mapping[str, Any] | None = None) -> Listing[M]:
    """Return a list of a path in pages; filters that are None are left out."""
    given = {name: value for name, value in wire(filters or {}).items() if value is not None}

    def read(reply: Reply) -> Page[M]:
        return Page(many(model)(reply), _document(reply).get("next_cursor"))

    return Listing(Call(method="GET", path=path, params=given, read=read))


def one(model: type[M]) -> Callable[[Reply], M]:
    """Read an answer that is one object."""

    def read(reply: Reply) -> M:
        try:
            return model.model_validate_json(reply.content)
        except ValidationError as error:
            raise _unexpected(reply, model, error) from None

    return read


def many(model: type[M], name: str = "data") -> Callable[[Reply], list[M]]:
    """Read an answer that has a list under a name."""

    def read(reply: Reply) -> list[M]:
        try:
            return _rows(model).validate_python(_document(reply).get(name), strict=False)
        except ValidationError as error:
            raise _unexpected(reply, model, error) from None

    return read


def nothing(_: Reply) -> None:
    """Read an answer without a body."""


@lru_cache
def _rows(model: type[M]) -> TypeAdapter[list[M]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]  # a type is a value here


def _document(reply: Reply) -> dict[str, Any]:
    try:
        document = decode(reply.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"The answer ({reply.status}) is no JSON object. Is the address that of a gateway?")
    return document


def _unexpected(reply: Reply, model: type[BaseModel], error: ValidationError) -> UnexpectedAnswer:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return UnexpectedAnswer(
        f"The answer ({reply.status}) is not the {model.__name__} that this client knows: {place}: {first['msg']}. "
        "Is the address that of a Tidewheel gateway of this version?"
    )
