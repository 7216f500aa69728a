"""Small pure pieces: keys, cursors, fingerprints, JSON."""

from uuid import UUID

import pytest
from starlette.datastructures import Headers

from tidewheel_common.core.validation import nul_faults
from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_gateway.body import may_hold_nul, parse
from tidewheel_gateway.cursor import Cursors
from tidewheel_gateway.idempotency import Fingerprints, read_key
from tidewheel_gateway.problems import Problem

OLD = Keyring({"old": bytes(32)})
ROTATED = Keyring({"new": bytes([1] * 32), "old": bytes(32)})
OTHER = Keyring({"old": bytes([2] * 32)})
LAST = UUID("0198f3a2-7c1e-7d3a-9f00-5b6c7d8e9f10")


def test_a_new_key_is_read_back_and_never_printed() -> None:
    key = ApiKey.make()

    assert ApiKey.parse(key.text) == key
    assert key.secret not in repr(key)
    assert len(key.secret) >= 43


@pytest.mark.parametrize("text", ["", "tw_", "tw__secretsecretsecret", "tw_id_short", "xx_id_" + "s" * 32, "tw_id"])
def test_what_is_no_key_is_not_read(text: str) -> None:
    assert ApiKey.parse(text) is None


def test_a_secret_may_hold_underscores() -> None:
    key = ApiKey.parse("tw_id_" + "a_b-c" * 5)

    assert key is not None
    assert (key.id, key.secret) == ("id", "a_b-c" * 5)


def test_a_cursor_is_read_back_also_after_the_keys_were_rotated() -> None:
    cursor = Cursors(OLD).write(LAST, b"scope")

    assert Cursors(OLD).read(cursor, b"scope") == LAST
    assert Cursors(ROTATED).read(cursor, b"scope") == LAST


@pytest.mark.parametrize(
    ("keyring", "scope", "change"),
    [
        (OTHER, b"scope", lambda text: text),
        (OLD, b"other", lambda text: text),
        (OLD, b"scope", lambda text: "B" + text[1:]),
        (OLD, b"scope", lambda text: text[:-1]),
        (OLD, b"scope", lambda text: text[:22]),
        (OLD, b"scope", lambda _: ""),
        (OLD, b"scope", lambda _: "é"),
    ],
)
def test_a_cursor_that_does_not_fit_is_refused(keyring: Keyring, scope: bytes, change: object) -> None:
    cursor = Cursors(OLD).write(LAST, b"scope")
    assert callable(change)

    with pytest.raises(Problem) as refused:
        Cursors(keyring).read(change(cursor), scope)

    assert refused.value.code == "invalid_cursor"


def test_a_fingerprint_is_of_one_request_and_survives_a_rotation() -> None:
    made = Fingerprints(OLD).of("POST", "/v1/tasks", b"{}")

    assert Fingerprints(OLD).match(made, "POST", "/v1/tasks", b"{}")
    assert Fingerprints(ROTATED).match(made, "POST", "/v1/tasks", b"{}")
    assert not Fingerprints(OTHER).match(made, "POST", "/v1/tasks", b"{}")
    assert not Fingerprints(OLD).match(made, "POST", "/v1/tasks", b"{ }")
    assert not Fingerprints(OLD).match(made, "POST", "/v1/tasks:batch", b"{}")
    assert not Fingerprints(OLD).match(b"", "POST", "/v1/tasks", b"{}")


@pytest.mark.parametrize(
    ("sent", "key"), [("a", "a"), ('"a"', "a"), ('a"', 'a"'), ("x" * 255, "x" * 255), ('"', '"'), ("a b", "a b")]
)
def test_an_idempotency_key_is_read_bare_or_in_quotes(sent: str, key: str) -> None:
    assert read_key(Headers({"Idempotency-Key": sent})) == key


def test_a_backslash_before_u0000_is_no_nul() -> None:
    body = rb'{"text": "\\u0000"}'

    assert may_hold_nul(body)
    assert nul_faults(parse(body), "") == []


def test_a_nul_is_found_wherever_it_stands() -> None:
    document = {"a": [{"b/c": "x"}, {"b/c": "\0"}]}

    assert [fault.pointer for fault in nul_faults(document, "/tasks/3")] == ["/tasks/3/a/1/b~1c"]
    assert [fault.pointer for fault in nul_faults({"a": {"\0": 1}}, "")] == ["/a"]
