"""`notify.*` against real servers."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.execution import World, opened_world
from tests.kinds import Reply, WebServer, give, mail_server, web_server

from tidewheel_executor.kinds import notify, notify_email
from tidewheel_executor.kinds.settings import KindSettings

KINDS = (notify.slack, notify.webhook, notify_email.email)
"""Shared tasks: importing them makes every app serve them."""

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([seed]) * 32).decode() for seed in (1, 2, 3))
ABOUT = {
    "event": "dead",
    "task_id": "01a1fb98-f991-779e-abc5-55f10eee3461",
    "handler": "reports.daily",
    "queue": "default",
    "tags": [],
    "attempt": 5,
    "reason": "attempts_exhausted",
    "error_type": "DemoError",
    "schedule_id": None,
    "at": "2026-06-01T12:00:00+00:00",
}


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[World]:
    with opened_world(database_url, redis_url) as world:
        give(world, http_allow="127.0.0.1")
        yield world


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as web:
        yield web


def verified(web: WebServer, place: int, secret: str) -> Any:
    """Verify a request as a receiver would that has one secret; the clock is real."""
    seen = web.seen[place]
    return Webhook(secret).verify(seen.body, seen.headers)


def test_notifications_are_served_unless_they_are_left_out() -> None:
    assert "tidewheel_executor.kinds.notify" in KindSettings().kind_modules
    assert "tidewheel_executor.kinds.notify_email" not in KindSettings().kind_modules
    assert "tidewheel_executor.kinds.notify_email" in KindSettings(smtp_host="localhost").kind_modules
    assert KindSettings(kinds="none").kind_modules == ()


def test_a_webhook_is_signed_with_each_secret(world: World, web: WebServer) -> None:
    task = world.queue("notify.webhook", {"url": web.url("/hook"), "secrets": [NEW, OLD], "about": ABOUT})

    world.run(task)

    assert world.result(task) == {"status": 200}
    message = {"type": "task.dead", "timestamp": ABOUT["at"], "data": ABOUT}
    assert verified(web, 0, NEW) == verified(web, 0, OLD) == message
    with pytest.raises(WebhookVerificationError):
        verified(web, 0, OTHER)
    assert web.seen[0].headers["webhook-id"] == str(task.id)


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own(world: World, web: WebServer) -> None:
    web.reply = lambda _: Reply(status=500 if len(web.seen) == 1 else 204)
    task = world.queue("notify.webhook", {"url": web.url(), "secrets": [OLD], "about": ABOUT})
    world.run(task)
    assert world.row(task)["state"] == "waiting"
    world.fetch("UPDATE tasks SET state = 'queued', wait_until = NULL, queued_at = now() WHERE id = $1", task.id)
    world.execute(task.hint._replace(attempt=1))

    assert world.row(task)["state"] == "complete"
    assert [seen.headers["webhook-id"] for seen in web.seen] == [str(task.id)] * 2
    assert verified(web, 1, OLD)["type"] == "task.dead"


def test_an_endpoint_that_is_gone_is_told_no_more(world: World, web: WebServer) -> None:
    web.reply = lambda _: Reply(status=410)

    row = world.finish("notify.webhook", {"url": web.url(), "secrets": [OLD], "about": ABOUT})

    assert (row["state"], row["reason"], row["error_type"]) == ("dead", "permanent", "Gone")


def test_a_webhook_cannot_lead_inside(world: World, web: WebServer) -> None:
    give(world)

    row = world.finish("notify.webhook", {"url": web.url(), "secrets": [OLD], "about": ABOUT})

    assert (row["state"], row["reason"]) == ("dead", "permanent")
    assert web.seen == []


def test_slack_and_mail_say_it_in_words(world: World, web: WebServer) -> None:
    late = {"event": "late", "schedule": "nightly", "handler": "reports.daily", "nominal_at": "x", "reason": "It was."}
    with mail_server() as server:
        give(world, http_allow="127.0.0.1", smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        slack = world.queue("notify.slack", {"url": web.url(), "about": ABOUT})
        mail = world.queue("notify.email", {"to": "ops@example.com", "about": late})
        world.run(slack, mail)

    sentence = "The task reports.daily (01a1fb98-f991-779e-abc5-55f10eee3461) is dead at attempt 5"
    assert json.loads(web.seen[0].body)["text"] == f"{sentence}: attempts_exhausted: DemoError."
    [(recipients, message)] = server.mails
    assert recipients == ["ops@example.com"]
    assert message["Subject"] == "Tidewheel: nightly late"
    assert "The schedule nightly fired late for x. It was." in str(message)
    assert message["Message-ID"] == f"<{mail.id}@localhost>"
