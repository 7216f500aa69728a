"""The payload of a task as it is given on a command line: JSON, `@file`, or `-` for stdin."""

import json
import sys
from pathlib import Path
from typing import Any

import typer


def read_payload(given: str) -> dict[str, Any]:
    """Return the payload that is meant.

    Raises:
        typer.BadParameter: the file cannot be read, or what it holds is no JSON object.
    """
    match given:
        case "-":
            return parse_payload(sys.stdin.read(), "stdin")
        case _ if given.startswith("@"):
            return parse_payload(_read(Path(given[1:])), given[1:])
        case _:
            return parse_payload(given, "the payload")


def parse_payload(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        typer.BadParameter: there is none; the message says where and what is wrong.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise typer.BadParameter(f"{where}, {place}: {error.msg}. The payload is a JSON object.") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f'{where} is no JSON object; its fields are the arguments, such as {{"user_id": 42}}.')
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(f"{path} cannot be read: {reason}.") from None
