"""What the fake says of itself, and the notification rules that it keeps: it tells nobody."""

import inspect
from typing import Any, Final
from uuid import UUID, uuid4

from tidewheel_client.testing.asked import Answer, Asked, kept
from tidewheel_client.testing.refusal import Refusal, invalid
from tidewheel_common.core.notification import Target
from tidewheel_common.core.validation import validate

_EXECUTOR: Final = UUID(int=1)

_OF_TARGET: Final = ("email", "slack", "webhook", "secrets")


def healthz(_: Asked) -> Answer:
    """Be alive."""
    return 200, {}, {"ok": True, "reasons": []}


def readyz(_: Asked) -> Answer:
    """Be ready."""
    return 200, {}, {"ok": True, "reasons": []}


def list_handlers(asked: Asked) -> Answer:
    """List the test's handlers; of their arguments the names are known, and not the types."""
    rows = [
        {
            "name": name,
            "queue": None,
            "description": inspect.getdoc(_function(handler)) or "",
            "arguments": _arguments(_function(handler)),
            "variants": [],
            "executors": [_EXECUTOR],
            "first_seen_at": asked.begin,
            "last_seen_at": asked.now,
        }
        for name, handler in sorted(asked.tasks.handlers.items())
    ]
    return 200, {}, {"data": rows}


def list_executors(asked: Asked) -> Answer:
    """List the one executor that the fake is."""
    executor = {
        "id": _EXECUTOR,
        "hostname": "fake",
        "pid": 0,
        "queues": ["*"],
        "handlers": sorted(asked.tasks.handlers),
        "running": 0,
        "started_at": asked.begin,
        "heartbeat_at": asked.now,
    }
    return 200, {}, {"data": [executor]}


def create_notification_rule(asked: Asked) -> Answer:
    """Keep a rule."""
    rule = {"id": uuid4(), "created_at": asked.now, **_rule(asked)}
    _check_name(asked, rule)
    asked.shelf.rules[rule["id"]] = rule
    return 201, {"Location": f"/v1/notification-rules/{rule['id']}"}, rule


def list_notification_rules(asked: Asked) -> Answer:
    """List the rules by name."""
    return 200, {}, {"data": sorted(asked.shelf.rules.values(), key=lambda rule: str(rule["name"]))}


def get_notification_rule(asked: Asked) -> Answer:
    """Read a rule."""
    return 200, {}, kept(asked.shelf.rules, asked.path["id"])


def replace_notification_rule(asked: Asked) -> Answer:
    """Write a rule anew."""
    rule = {**kept(asked.shelf.rules, asked.path["id"]), **_rule(asked)}
    _check_name(asked, rule)
    asked.shelf.rules[rule["id"]] = rule
    return 200, {}, rule


def delete_notification_rule(asked: Asked) -> Answer:
    """Delete a rule."""
    del asked.shelf.rules[kept(asked.shelf.rules, asked.path["id"])["id"]]
    return 204, {}, None


def _rule(asked: Asked) -> dict[str, Any]:
    target = validate(Target, {name: asked.body[name] for name in _OF_TARGET if name in asked.body}, nul=True)
    if isinstance(target, list):
        raise invalid(target)
    return {
        "name": asked.body["name"],
        "on": asked.body["on"],
        **{name: asked.body.get(name) for name in ("handler", "queue", "tag", "late_after")},
        "kind": target.kind,
        "email": target.email,
        "webhook": target.webhook,
        "disabled_at": None,
        "disabled_reason": None,
        "updated_at": asked.now,
    }


def _check_name(asked: Asked, rule: dict[str, Any]) -> None:
    if any(other["name"] == rule["name"] and other["id"] != rule["id"] for other in asked.shelf.rules.values()):
        raise Refusal(409, "name_taken", "Another rule has this name.")


def _function(handler: Any) -> Any:
    return getattr(handler, "run", handler)  # a Celery task, or a function


def _arguments(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    named = [each for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}]
    return {
        "type": "object",
        "properties": {each.name: {} for each in named},
        "required": [each.name for each in named if each.default is each.empty],
        "additionalProperties": any(each.kind is each.VAR_KEYWORD for each in parameters),
    }
