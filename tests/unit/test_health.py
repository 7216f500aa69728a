"""Alive and ready, and the probes that say so."""

import json
import socket
from http.client import HTTPConnection

import pytest

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.process.health import Health
from tidewheel_common.process.metrics import Metrics
from tidewheel_common.process.probes import serve_probes


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("every", "limit"), [(0.5, 30.0), (60.0, 600.0)])
def test_a_loop_is_stuck_after_ten_pauses_and_at_least_thirty_seconds(every: float, limit: float) -> None:
    clock = Clock()
    health = Health(clock=clock)
    health.watch("promote", every=every)
    health.succeeded("promote")
    clock.now += limit
    assert health.alive()
    clock.now += 1
    assert not health.alive()
    assert health.stuck() == [f"The loop promote has not moved for {limit + 1:.0f} s (limit {limit:.0f} s)."]


def test_a_loop_that_never_finished_a_tick_gets_stuck_too() -> None:
    clock = Clock()
    health = Health(clock=clock)
    health.watch("promote", every=1)
    clock.now += 31
    assert not health.alive()


def test_a_loop_that_keeps_losing_its_connection_is_alive_but_not_ready() -> None:
    clock = Clock()
    health = Health(clock=clock)
    health.watch("promote", every=1)
    for _ in range(100):
        clock.now += 5
        health.stumbled("promote", "PostgreSQL is away.")
        assert health.alive()
    assert health.obstacles() == ["PostgreSQL is away."]
    health.succeeded("promote")
    assert health.ready()


def test_a_held_gate_keeps_it_from_being_ready_until_it_is_released() -> None:
    health = Health()
    health.hold("start", "The process is starting.")
    assert not health.ready()
    assert health.alive()
    health.release("start")
    assert health.ready()


def test_reports_of_a_loop_that_has_ended_change_nothing() -> None:
    health = Health()
    health.watch("promote", every=1)
    health.forget("promote")
    health.stumbled("promote", "too late")
    assert health.ready()


def test_the_probes_answer_with_reasons() -> None:
    clock = Clock()
    health = Health(clock=clock)
    with serve_probes("127.0.0.1", 0, health=health, metrics=Metrics("test")) as port:
        health.watch("promote", every=1)
        health.stumbled("promote", "Redis is away.")
        assert get(port, "/healthz") == (200, b'{"ok": true, "reasons": []}')
        status, body = get(port, "/readyz?verbose")
        assert status == 503
        assert json.loads(body) == {"ok": False, "reasons": ["Redis is away."]}
        clock.now += 100
        status, body = get(port, "/healthz")
        assert status == 503
        assert "has not moved for 100 s" in json.loads(body)["reasons"][0]
        status, body = get(port, "/metrics")
        assert status == 200
        assert b'tidewheel_build_info{service="test"' in body
        assert get(port, "/secrets")[0] == 404


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(Misconfigured, match=f"127.0.0.1:{port} .*Set TIDEWHEEL_HEALTH_PORT"),
            serve_probes("127.0.0.1", port, health=Health(), metrics=Metrics("test")),
        ):
            pass


def test_the_port_is_free_again_afterwards() -> None:
    with serve_probes("127.0.0.1", 0, health=Health(), metrics=Metrics("test")) as port:
        pass
    with serve_probes("127.0.0.1", port, health=Health(), metrics=Metrics("test")) as again:
        assert again == port
