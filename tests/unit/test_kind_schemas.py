"""The kinds' own schemas, as the gateway will read them."""

from typing import Any

import pytest
from celery import Celery
from jsonschema_rs import validator_for

from tidewheel_executor.kinds import email, http, notify, notify_email, script
from tidewheel_executor.signature import read_signature

APP = Celery("kinds", set_as_current=False)
SIGNED_WITH = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KINDS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    # the kind, a payload that fits, and what spoils it
    "http.request": (
        http.request,
        {"url": "https://x.example/", "headers": {"X-A": "b"}},
        {"headers": {"X-A": "b\r\n"}},
    ),
    "email.send": (email.send, {"to": ["a@b.c"], "subject": "s"}, {"subject": "s\nBcc: d@e.f"}),
    "script.run": (script.run, {"argv": ["ls"], "env": {"A": "b"}}, {"argv": []}),
    "notify.slack": (notify.slack, {"url": "https://x.example/", "about": {}}, {"url": "file:///"}),
    "notify.webhook": (notify.webhook, {"url": "http://x/", "secrets": [SIGNED_WITH], "about": {}}, {"secrets": []}),
    "notify.email": (notify_email.email, {"to": "a@b.c", "about": {}}, {"to": "a b@c.d"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_gateway_can_read_the_schema_of_a_kind(name: str) -> None:
    kind, payload, change = KINDS[name]
    signature = read_signature(APP.tasks[name])
    assert kind.name == signature.name == name

    validator = validator_for(signature.arguments, offline=True)

    assert validator.is_valid(payload)
    assert not validator.is_valid({**payload, **change})
    assert not validator.is_valid({**payload, "unknown": 1})
    assert not validator.is_valid({})
    assert signature.description
