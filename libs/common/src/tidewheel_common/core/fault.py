"""What is wrong with one field of what somebody sent."""

from dataclasses import dataclass
from typing import Final

MOST_FAULTS: Final = 50
"""How many faults one refusal lists; the rest would only repeat them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request.

    Attributes:
        code: what kind of fault, for programs.
        detail: a sentence.
        pointer: the field of the body, as a JSON pointer (RFC 6901); the empty text is the whole body.
        parameter: the query parameter, when it is one.
    """

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_json(self) -> dict[str, str]:
        """Return the fault as it stands in a problem."""
        place = {"parameter": self.parameter} if self.parameter is not None else {"pointer": self.pointer or ""}
        return {**place, "code": self.code, "detail": self.detail}
