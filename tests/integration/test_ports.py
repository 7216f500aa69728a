"""Ports that are chosen for processes that are yet to come."""

import socket

from tidewheel_cli.embedded.ports import LOOPBACK, free_ports, is_taken


def _any_port() -> int:
    with socket.socket() as asked:
        asked.bind((LOOPBACK, 0))
        return int(asked.getsockname()[1])


def test_nobody_who_asks_for_any_port_is_given_a_chosen_one() -> None:
    highest = max(free_ports(3, choose=lambda candidates: candidates[-1]) + free_ports(5))
    assert all(_any_port() > highest for _ in range(100))


def test_a_port_in_use_is_passed_over() -> None:
    (used,) = free_ports(1)
    with socket.create_server((LOOPBACK, used)):
        found = free_ports(2, choose=lambda _: used)
        assert is_taken(used)
    assert used not in found
    assert len(set(found)) == 2
