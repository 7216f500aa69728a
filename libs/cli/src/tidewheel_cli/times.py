"""Durations and times as people write them on a command line."""

import re
from datetime import datetime
from typing import Final

import typer

_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


def parse_duration(text: str | float) -> float:
    """Return the seconds of `90`, `1.5`, `90s`, `1h30m` or `2d`; a number, such as a default, is seconds already.

    Raises:
        typer.BadParameter: it is none of these.
    """
    if isinstance(text, float):
        return text
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no duration; write seconds, or such as 90s, 1h30m, 2d.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse_instant(text: str) -> datetime:
    """Return the time of RFC 3339 text such as `2026-12-01T09:00:00+01:00`.

    Raises:
        typer.BadParameter: it is none, or has no offset.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-12-01T09:00:00+01:00.") from None
    if instant.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset, so nobody knows which moment it means; add Z or +01:00.")
    return instant
