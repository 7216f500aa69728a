"""The operations on notification rules."""

from typing import Unpack

from tidewheel_client.call import Call, many, nothing, one
from tidewheel_client.models import StoredRule
from tidewheel_client.options import NotificationRule
from tidewheel_client.values import Id, path_of, wire

_RULES = "/v1/notification-rules"


def create_notification_rule(
    *, idempotency_key: str | None = None, **rule: Unpack[NotificationRule]
) -> Call[StoredRule]:
    """Keep a rule; it covers what is submitted from now on."""
    return Call(method="POST", path=_RULES, body=wire(rule), keyed=True, key=idempotency_key, read=one(StoredRule))


def list_notification_rules() -> Call[list[StoredRule]]:
    """Read the rules, by name."""
    return Call(method="GET", path=_RULES, read=many(StoredRule))


def get_notification_rule(rule_id: Id) -> Call[StoredRule]:
    """Read a rule; secrets are never shown again."""
    return Call(method="GET", path=_path(rule_id), read=one(StoredRule))


def replace_notification_rule(rule_id: Id, **rule: Unpack[NotificationRule]) -> Call[StoredRule]:
    """Write a rule anew, which enables it again."""
    return Call(method="PUT", path=_path(rule_id), body=wire(rule), read=one(StoredRule))


def delete_notification_rule(rule_id: Id) -> Call[None]:
    """Delete a rule; notifications that it has made go on."""
    return Call(method="DELETE", path=_path(rule_id), read=nothing)


def _path(rule_id: Id) -> str:
    return f"{_RULES}/{path_of(rule_id)}"
