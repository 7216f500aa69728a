"""Traefik itself, started as compose.yaml starts it, in front of a server that stands for the gateway."""

import importlib.util
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from threading import Thread
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = "deploy/compose/traefik.yaml"

_SECONDS = 30.0
_LOOK_AGAIN = 0.05
_OURS, _INSIDE = "/v1/tasks", ("/metrics", "/healthz", "/readyz", "/docs", "/")


def version_of(traefik: str) -> str:
    """Return which Traefik it is."""
    said = subprocess.run((traefik, "version"), capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    return next(line.split()[-1] for line in said.splitlines() if line.startswith("Version:"))


def findings(traefik: str) -> list[str]:
    """Return what the edge lets through that it must not, or keeps out that it must not."""
    certs = _certs()
    now = datetime.now(UTC)  # noqa: TID251 - a certificate begins when it is made
    with tempfile.TemporaryDirectory(prefix="edge-") as place:
        folder = Path(place)
        authority = certs.make_authority(folder / "ca", now)
        for server in ("edge", "gateway"):
            certs.make_server(folder / server, server, authority, now)
        certs.make_server(folder / "stranger", "gateway", certs.make_authority(folder / "other", now), now)
        with _gateway(folder / "gateway") as port, _edge(traefik, folder, port) as edge:
            found = list(_answers(edge, folder / "ca" / "ca.crt"))
        with _gateway(folder / "stranger") as port, _edge(traefik, folder, port) as edge:
            status = _status(_secure(edge, folder / "ca" / "ca.crt"), _OURS)
            found += (
                []
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR
                else [f"it believes a gateway with a certificate of others: {status}"]
            )
    return found


def _answers(edge: int, authority: Path) -> Iterator[str]:
    if (status := _status(_secure(edge, authority), _OURS)) != HTTPStatus.OK:
        yield f"{_OURS} is answered with {status}"
    for path in _INSIDE:
        if (status := _status(_secure(edge, authority), path)) != HTTPStatus.NOT_FOUND:
            yield f"{path} is answered with {status}: it belongs inside"
    if (status := _status(HTTPConnection("127.0.0.1", edge, timeout=_SECONDS), _OURS)) == HTTPStatus.OK:
        yield "it takes calls in plain HTTP"


def _secure(port: int, authority: Path) -> HTTPSConnection:
    trusted = ssl.create_default_context(cafile=str(authority))
    return HTTPSConnection("localhost", port, timeout=_SECONDS, context=trusted)


def _status(connection: HTTPConnection, path: str) -> int:
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


class _Gateway(BaseHTTPRequestHandler):
    """Answers whatever it is asked, as the gateway would not: so what Traefik keeps out is seen."""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def _gateway(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Gateway) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@contextmanager
def _edge(traefik: str, folder: Path, gateway: int) -> Iterator[int]:
    """Run Traefik with the words and the file of compose.yaml; only ports and places are of this machine."""
    service = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["traefik"]
    https, ping = _free_port(), _free_port()
    ours = folder / "traefik.yaml"
    places = {
        "address=:8443": f"address=127.0.0.1:{https}",
        ":8082": f":{ping}",
        "/etc/traefik/tidewheel.yaml": str(ours),
    }
    text = (ROOT / CONFIGURATION).read_text(encoding="utf-8")
    text = text.replace("//gateway:8080", f"//127.0.0.1:{gateway}").replace("/private/", f"{folder / 'edge'}/")
    ours.write_text(text, encoding="utf-8")
    command = (traefik, *_moved(service["command"], places))
    healthy = (traefik, *_moved(service["healthcheck"]["test"][2:], places))
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - ours
    try:
        _until(lambda: subprocess.run(healthy, capture_output=True, check=False).returncode == 0, process)  # noqa: S603 - ours
        yield https
    finally:
        process.terminate()
        process.wait(_SECONDS)


def _moved(words: list[str], places: dict[str, str]) -> Iterator[str]:
    for word in words:
        moved = word
        for written, place in places.items():
            moved = moved.replace(written, place)
        yield moved


def _until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait as long as the process lives and time is left; a look costs a moment of its life."""
    end = time.monotonic() + _SECONDS
    while not holds():
        try:
            process.wait(_LOOK_AGAIN)
        except subprocess.TimeoutExpired:
            if time.monotonic() < end:
                continue
        raise RuntimeError("Traefik does not get healthy")


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _certs() -> Any:
    spec = importlib.util.spec_from_file_location("certs", ROOT / "deploy" / "compose" / "certs.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("deploy/compose/certs.py is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
