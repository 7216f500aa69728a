"""The keyring: parsed strictly, refused in words, never printed."""

import base64

import pytest

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.crypto.keyring import Keyring

NEW, OLD = bytes(range(32)), bytes([0xFF] * 32)


def url_safe(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


def test_the_first_key_is_the_primary_one_and_all_are_found() -> None:
    keyring = Keyring.parse(f"2026:{url_safe(NEW)}, 2025:{url_safe(OLD)}")
    assert keyring.primary == "2026"
    assert (keyring.root("2026"), keyring.root("2025")) == (NEW, OLD)


@pytest.mark.parametrize("encoded", [url_safe(OLD), url_safe(OLD).rstrip("="), base64.b64encode(OLD).decode()])
def test_base64_may_be_url_safe_or_not_and_padded_or_not(encoded: str) -> None:
    assert Keyring.parse(f"a:{encoded}\n").root("a") == OLD


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is no key to seal payloads with."),
        (" , ", "There is no key to seal payloads with."),
        (url_safe(NEW), "Entry 1 of the keys does not begin with an id and a colon."),
        (f"a:{url_safe(NEW)},{url_safe(OLD)}", "Entry 2 of the keys does not begin with an id and a colon."),
        (f"a b:{url_safe(NEW)}", "Entry 1 of the keys does not begin with an id and a colon."),
        (f"{'x' * 33}:{url_safe(NEW)}", "Entry 1 of the keys does not begin with an id and a colon."),
        (f"a:{url_safe(NEW)},a:{url_safe(OLD)}", "The key id a is there twice"),
        (f"a:{url_safe(NEW[:31])}", "The key a has 31 bytes instead of 32."),
        ("a:", "The key a has 0 bytes instead of 32."),
        ("a:*not base64*", "The key a is not base64."),
    ],
)
def test_malformed_keys_are_refused_in_words_that_hold_no_key(text: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Keyring.parse(text)
    words = str(caught.value)
    assert words.startswith(says)
    assert url_safe(NEW)[:8] not in words
    assert url_safe(OLD)[:8] not in words
    assert "not base64*" not in words


def test_an_unknown_key_is_none() -> None:
    keyring = Keyring({"2026": NEW, "2025": OLD})
    assert keyring.root("2024") is None
    assert keyring.ids == ("2026", "2025")


def test_keys_are_never_printed() -> None:
    keyring = Keyring({"2026": NEW, "2025": OLD})
    assert repr(keyring) == str(keyring) == "Keyring(2026:***, 2025:***)"
