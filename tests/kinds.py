"""Servers for the kinds to talk to: HTTP and SMTP, real ones, each in a thread of its own."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.execution import World

from tidewheel_cli.embedded.ports import free_ports
from tidewheel_executor.kinds.settings import KindSettings, attach_kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that has come in; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server answers."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    endless: bool = False


@dataclass(slots=True, kw_only=True)
class WebServer:
    """An HTTP server that answers as it is told, and remembers what came."""

    reply: Callable[[Seen], Reply] = lambda _: Reply(body=b"ok")
    seen: list[Seen] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """What TLS clients called it."""
    port: int = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextmanager
def web_server(*, tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Serve HTTP on a free port."""
    web = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(method=self.command, path=self.path, headers=headers, body=self.rfile.read(length))
            web.seen.append(seen)
            reply = web.reply(seen)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if not reply.endless:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            try:
                self.wfile.write(reply.body)
                while reply.endless:
                    self.wfile.write(b"x" * 65_536)
            except OSError:  # the client has had enough
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 -- the base class names them

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: web.names.append(name)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass  # without slots: aiosmtpd asks for all of its members, which Python 3.11.2 cannot answer then
class MailServer:
    """An SMTP server that answers `DATA` and each recipient as it is told, and keeps what came."""

    port: int = 0
    answer: str = "250 OK"
    recipients: dict[str, str] = field(default_factory=dict)
    """The answer to a recipient, where it is not to be taken."""
    mails: list[tuple[list[str], Message]] = field(default_factory=list)
    """Recipients and message of each."""
    received: Callable[[], object] = lambda: None
    """Called when a mail has come, before it is answered."""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 -- aiosmtpd's
        refusal = self.recipients.get(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's
        self.mails.append((list(envelope.rcpt_tos), message_from_bytes(envelope.content, policy=default)))
        self.received()
        return self.answer


@contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    """Serve SMTP on a free port."""
    mail = MailServer()
    [mail.port] = free_ports(1)
    controller = Controller(mail, hostname="127.0.0.1", port=mail.port, **options)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()


def give(world: World, **settings: Any) -> None:
    """Let a world's kinds have these settings."""
    attach_kinds(world.app, KindSettings(**settings))


def make_certificate(directory: Path, name: str) -> Path:
    """Make a certificate for a name that vouches for itself, in one file with its key."""
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key(), serial_number=1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * 50))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "both.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


def served_with(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs that has this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
