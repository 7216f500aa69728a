"""The small HTTP server that answers `/healthz`, `/readyz` and `/metrics` of a process.

It runs in a thread of its own, so that it tells the truth while the event loop hangs.
"""

import json
import os
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.process.health import Health
from tidewheel_common.process.metrics import CONTENT_TYPE, Metrics


@contextmanager
def serve_probes(host: str, port: int, *, health: Health, metrics: Metrics) -> Iterator[int]:
    """Answer probes while the block runs.

    Args:
        host: The address to listen on.
        port: The port; 0 takes any free one.
        health: Answers `/healthz` and `/readyz`.
        metrics: Answers `/metrics`.

    Yields:
        The port that it listens on.

    Raises:
        Misconfigured: The address is taken, or is not an address of this machine.
    """
    try:
        server = _Server(host, port, health, metrics)
    except (OSError, OverflowError) as error:
        raise Misconfigured(
            f"Cannot listen on {host}:{port} for probes: {error}. "
            "Set TIDEWHEEL_HEALTH_PORT to a free port (0 takes any) and TIDEWHEEL_HEALTH_HOST to an address of this "
            "machine."
        ) from error
    _close_in_children(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="probes", daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _close_in_children(server: "_Server") -> None:
    """Keep forked children from holding the port after their parent has died."""
    weak = weakref.ref(server.socket)

    def close() -> None:
        if (listening := weak()) is not None:
            listening.close()

    os.register_at_fork(after_in_child=close)


class _Server(ThreadingTCPServer):
    # Not http.server.HTTPServer: that one looks its host name up in the DNS, which can take seconds.
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, health: Health, metrics: Metrics) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.health = health
        self.metrics = metrics
        super().__init__((host, port), _Probe)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])


class _Probe(BaseHTTPRequestHandler):
    server: _Server
    server_version = "tidewheel"
    sys_version = ""
    timeout = 5.0  # seconds; a silent client does not keep its thread

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._verdict(self.server.health.stuck())
            case "/readyz":
                self._verdict(self.server.health.obstacles())
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.metrics.exposition())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"Try /healthz, /readyz or /metrics.\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server names it
        """Say nothing: a probe every few seconds is not news."""

    def _verdict(self, reasons: list[str]) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        body = json.dumps({"ok": not reasons, "reasons": reasons}).encode()
        self._answer(status, "application/json", body)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
