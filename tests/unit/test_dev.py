"""The decisions of `tidewheel dev`."""

import re
from pathlib import Path

import pytest

from tidewheel_cli.dev.address import Stack
from tidewheel_cli.dev.command import introduction, state_directory
from tidewheel_cli.dev.credentials import new_api_key, new_key_ring
from tidewheel_cli.dev.logs import KEPT, rotate
from tidewheel_cli.dev.options import DEMO_HANDLERS, Options
from tidewheel_cli.dev.restart import FIRST, LONGEST, SETTLED, TRIES, is_hopeless, restart_delay


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [restart_delay(None, lived=0)]
    while len(pauses) < 8:
        pauses.append(restart_delay(pauses[-1], lived=0))
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST, LONGEST]


def test_a_service_that_had_settled_starts_over_with_the_first_pause() -> None:
    assert restart_delay(LONGEST, lived=SETTLED) == FIRST


@pytest.mark.parametrize(
    ("deaths", "was_ready", "hopeless"), [(TRIES - 1, False, False), (TRIES, False, True), (100, True, False)]
)
def test_only_what_was_never_ready_is_given_up(deaths: int, was_ready: bool, hopeless: bool) -> None:
    assert is_hopeless(deaths=deaths, was_ready=was_ready) is hopeless


def test_keys_have_the_format_that_the_gateway_and_the_key_ring_read() -> None:
    assert re.fullmatch(r"tw_[a-z0-9]{16}_[A-Za-z0-9_-]{43}", new_api_key())
    assert re.fullmatch(r"dev1:[A-Za-z0-9_-]{43}", new_key_ring())


def test_rotation_keeps_the_newest_logs(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    for number in range(KEPT + 3):
        rotate(log)
        log.write_text(str(number))
    assert sorted((path.name, path.read_text()) for path in tmp_path.iterdir()) == [
        ("gateway.log", "5"),
        ("gateway.log.1", "4"),
        ("gateway.log.2", "3"),
        ("gateway.log.3", "2"),
    ]


def test_the_demo_handlers_are_served_beside_those_asked_for() -> None:
    options = Options(state_dir=Path(), handlers="shop.tasks,shop.mail", environment={})
    assert options.all_handlers == f"{DEMO_HANDLERS},shop.tasks,shop.mail"
    assert Options(state_dir=Path(), environment={}).all_handlers == DEMO_HANDLERS


def test_a_stack_prints_no_secret_by_accident_and_its_curl_line_on_purpose() -> None:
    stack = Stack(
        api_url="http://127.0.0.1:8080", api_key="tw_a_b", database_url="d", redis_url="r", pid=1, services={}
    )
    assert "tw_a_b" not in repr(stack)
    text = introduction(stack, Path(".tidewheel"), seconds=3.21)
    assert "curl -H 'Authorization: Bearer tw_a_b'" in text
    assert "ready after 3.2 s" in text


def test_only_an_ephemeral_state_is_deleted_at_the_end(tmp_path: Path) -> None:
    with state_directory(tmp_path, ephemeral=False) as kept:
        assert kept == tmp_path
    with state_directory(tmp_path, ephemeral=True) as ephemeral:
        assert ephemeral.is_dir()
        assert ephemeral != tmp_path
    assert tmp_path.is_dir()
    assert not ephemeral.exists()
