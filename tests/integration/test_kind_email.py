"""`email.send` against a real SMTP server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.execution import World, opened_world
from tests.kinds import MailServer, give, mail_server, make_certificate, served_with

from tidewheel_executor.kinds import email
from tidewheel_executor.kinds.settings import KindSettings

KIND = email.send
"""A shared task: importing it makes every app serve it."""

MAIL = {"to": ["ann@example.com"], "subject": "Grüße", "text": "Hello, wörld."}
SENDER = "Tidewheel <tasks@example.org>"


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        yield world


def use(world: World, server: MailServer, **settings: Any) -> None:
    plain = {"smtp_host": "127.0.0.1", "smtp_security": "none", "smtp_sender": SENDER}
    give(world, smtp_port=server.port, **{**plain, **settings})


def test_an_executor_without_a_mail_server_sends_no_mail() -> None:
    assert "tidewheel_executor.kinds.email" not in KindSettings().kind_modules
    assert "tidewheel_executor.kinds.email" in KindSettings(smtp_host="localhost").kind_modules


def test_a_mail_is_sent(world: World) -> None:
    payload = {
        **MAIL,
        "html": "<b>Hello</b>",
        "cc": ["bob@example.com"],
        "bcc": ["eve@example.com"],
        "reply_to": "re@example.com",
    }
    with mail_server() as server:
        use(world, server)
        task = world.queue("email.send", payload)
        world.run(task)

    [(recipients, message)] = server.mails
    assert recipients == ["ann@example.com", "bob@example.com", "eve@example.com"]
    assert (message["From"], message["To"], message["Cc"]) == (SENDER, "ann@example.com", "bob@example.com")
    assert (message["Subject"], message["Reply-To"]) == ("Grüße", "re@example.com")
    assert "eve" not in str(message)
    text, html = list(message.walk())[1:]
    found = [part.get_payload(decode=True) for part in (text, html)]
    assert found == ["Hello, wörld.\r\n".encode(), b"<b>Hello</b>\r\n"]
    assert world.result(task) == {"message_id": f"<{task.id}@example.org>", "refused": {}}


def test_every_attempt_has_the_same_message_id(world: World) -> None:
    with mail_server() as server:
        use(world, server)
        server.answer = "451 try later"
        task = world.queue("email.send", MAIL)
        world.run(task)
        assert (world.row(task)["state"], world.row(task)["failures"]) == ("waiting", 1)
        server.answer = "250 OK"
        world.fetch("UPDATE tasks SET state = 'queued', wait_until = NULL, queued_at = now() WHERE id = $1", task.id)
        world.execute(task.hint._replace(attempt=1))

    assert world.row(task)["state"] == "complete"
    assert {message["Message-ID"] for _, message in server.mails} == {f"<{task.id}@example.org>"}
    assert len(server.mails) == 2


def test_what_the_server_refuses_for_good_is_not_tried_again(world: World) -> None:
    with mail_server() as server:
        use(world, server)
        server.recipients = {"ann@example.com": "550 no such user", "bob@example.com": "550 no such user"}
        everybody = world.queue("email.send", MAIL)
        some = world.queue("email.send", {**MAIL, "to": ["ann@example.com", "cat@example.com"]})
        world.run(everybody, some)
        server.recipients = {"ann@example.com": "450 busy"}
        busy = world.queue("email.send", MAIL)
        world.run(busy)

    assert (world.row(everybody)["state"], world.row(everybody)["reason"]) == ("dead", "permanent")
    assert "no such user" in world.error(everybody)
    assert world.result(some)["refused"] == {"ann@example.com": "550 no such user"}
    assert world.row(busy)["state"] == "waiting"


def test_a_header_cannot_be_smuggled_in(world: World) -> None:
    changes: list[dict[str, Any]] = [
        {"subject": "a\r\nBcc: eve@example.com"},
        {"to": ["ann@example.com\r\nBcc: eve@example.com"]},
        {"to": ["ann@example.com, eve@example.com"]},
        {"to": []},
        {"reply_to": "ann@example.com\nX: y"},
        {"cc": ["Ann <ann@example.com>"]},
    ]
    with mail_server() as server:
        use(world, server)
        tasks = [world.queue("email.send", {**MAIL, **change}) for change in changes]
        world.run(*tasks)

    assert [world.row(task)["reason"] for task in tasks] == ["permanent"] * len(tasks)
    assert server.mails == []


def test_a_server_without_the_encryption_that_is_asked_for_gets_nothing(world: World) -> None:
    with mail_server() as server:
        use(world, server, smtp_security="starttls")
        task = world.queue("email.send", MAIL)
        world.run(task)

    assert world.row(task)["state"] == "waiting"
    assert server.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_encrypted_to_a_server_that_is_trusted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    context = served_with(certificate)
    options = {"tls_context": context, "require_starttls": True} if security == "starttls" else {"ssl_context": context}
    with mail_server(**options) as server:
        use(world, server, smtp_host="localhost", smtp_security=security)
        stranger = world.queue("email.send", MAIL)
        world.run(stranger)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        friend = world.queue("email.send", MAIL)
        world.run(friend)

    assert "certificate" in world.error(stranger).lower()
    assert world.row(friend)["state"] == "complete"
    assert len(server.mails) == 1
