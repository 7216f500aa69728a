"""What the command line makes of what is typed, without a service."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from tidewheel_cli.__main__ import app
from tidewheel_cli.failing import Exit, exit_code
from tidewheel_cli.show import printable
from tidewheel_cli.tasks.payload import parse_payload, read_payload
from tidewheel_cli.times import parse_duration, parse_instant
from tidewheel_client import ClientError, NotConfigured, Unreachable
from tidewheel_client.errors import api_error
from tidewheel_common.core.errors import Misconfigured

NOWHERE = {"TIDEWHEEL_URL": "", "TIDEWHEEL_API_KEY": "", "TIDEWHEEL_DATABASE_URL": "", "TIDEWHEEL_REDIS_URL": ""}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("250ms", 0.25), ("1h30m", 5400), ("2d", 172800), (30.0, 30)],
)
def test_durations_are_read_as_people_write_them(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5x", "h", "1h 30m", "-5", "1e3", "5m3", "nan"])
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no duration; write seconds, or such as 90s"):
        parse_duration(text)


def test_a_time_needs_an_offset() -> None:
    assert parse_instant("2026-12-01T09:00:00+01:00") == parse_instant("2026-12-01T08:00:00Z")
    with pytest.raises(typer.BadParameter, match="has no offset"):
        parse_instant("2026-12-01T09:00:00")
    with pytest.raises(typer.BadParameter, match="is no time"):
        parse_instant("tomorrow")


def test_a_payload_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"name": "Jürgen"}', encoding="utf-8")
    assert read_payload(f"@{file}") == {"name": "Jürgen"}


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "it is no JSON object"), ('{"a"\n 1}', "it, line 2, column 2: Expecting ':'"), ("", "it, line 1")],
)
def test_a_payload_that_is_none_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(typer.BadParameter, match=said):
        parse_payload(text, "it")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (api_error(400, {}), Exit.USAGE),
        (api_error(401, {}), Exit.NOT_ALLOWED),
        (api_error(403, {}), Exit.NOT_ALLOWED),
        (api_error(404, {}), Exit.NOT_FOUND),
        (api_error(409, {}), Exit.CONFLICT),
        (api_error(412, {}), Exit.CONFLICT),
        (api_error(422, {}), Exit.USAGE),
        (api_error(429, {}), Exit.UNAVAILABLE),
        (api_error(503, {}), Exit.UNAVAILABLE),
        (Unreachable("x"), Exit.UNAVAILABLE),
        (NotConfigured("x"), Exit.USAGE),
    ],
)
def test_each_error_of_the_client_has_its_exit_code(error: ClientError, code: Exit) -> None:
    assert exit_code(error) is code


def test_our_own_errors_are_about_how_the_command_was_given() -> None:
    assert exit_code(Misconfigured("x")) is Exit.USAGE


def test_a_terminal_obeys_nothing_that_a_handler_has_written() -> None:
    assert printable("a\x1b]0;b\x07\n\tü\x9b31m") == "a\\x1b]0;b\\x07\n\tü\\x9b31m"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list"], Exit.USAGE, "No gateway is named and no stack runs here."),
        (["list", "--url", "http://127.0.0.1:8080"], Exit.USAGE, "There is no API key"),
        (["keys", "list"], Exit.USAGE, "No database is named"),
        (["keys", "list", "--database-url", "nonsense"], Exit.USAGE, "write postgresql://"),
        (["submit", "h", "--delay", "5", "--at", "2026-12-01T09:00:00Z"], Exit.USAGE, "not both"),
        (["cancel", str(UUID(int=1))], Exit.USAGE, "Nothing was done. Give --yes"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_no_traceback(
    arguments: list[str], code: Exit, said: str, tmp_path: Path
) -> None:
    answer = CliRunner().invoke(app, [*arguments, "--state-dir", str(tmp_path)], env=NOWHERE)

    assert (answer.exit_code, "Traceback" in answer.output) == (code, False), answer.output
    assert said in " ".join(answer.stderr.replace("│", " ").split())


def test_every_command_that_calls_a_gateway_takes_the_options_that_all_share() -> None:
    group: Any = typer.main.get_command(app)
    commands = dict(_leaves(group, ""))
    local = {"dev", "demo", "migrate", "check-migrations"}

    assert {"submit", "get", "list", "logs", "dlq list", "keys create", "schedules plan", "doctor"} <= commands.keys()
    for name, options in commands.items():
        if name not in local:
            assert {"--url", "--api-key", "--state-dir", "--json"} <= options, name


def test_the_page_about_the_command_knows_every_command_and_exit_code(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    group: Any = typer.main.get_command(app)

    assert [name for name, _ in _leaves(group, "") if f"`tidewheel {name}" not in page] == []
    assert [code for code in Exit if f"\n| {code.value} | " not in page] == []


def _leaves(command: Any, path: str) -> list[tuple[str, set[str]]]:
    if hasattr(command, "commands"):
        return [leaf for name, each in command.commands.items() for leaf in _leaves(each, f"{path} {name}".strip())]
    return [(path, {option for each in command.params for option in each.opts})]
