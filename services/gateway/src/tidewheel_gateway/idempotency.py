"""Idempotency keys: a repeated request gets the first one's answer, and is never done twice.

The key is stored in the transaction of the tasks that it stands for, so there is never one without the other. No answer
is stored: it is built again from the request, which must be the same, and the ids.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Final
from uuid import UUID

from starlette.datastructures import Headers

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_gateway.problems import RETRY_SOON, Problem
from tidewheel_gateway.records import KeyUse, Stored

HEADER: Final = "Idempotency-Key"

REPLAYED: Final = {"Idempotency-Replayed": "true"}

LONGEST: Final = 255

_PURPOSE = b"tidewheel idempotency fingerprint"


def read_key(headers: Headers) -> str | None:
    """Return the request's idempotency key; in quotes (as the IETF draft has it) or bare, it is the same.

    Raises:
        Problem: there are several, or it is empty, too long or not printable ASCII.
    """
    values = headers.getlist(HEADER)
    if not values:
        return None
    key = values[0]
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(values) > 1 or not 1 <= len(key) <= LONGEST or not (key.isascii() and key.isprintable()):
        raise Problem("invalid_header", f"Send one {HEADER}, of 1 to {LONGEST} printable ASCII characters.")
    return key


class Fingerprints:
    """Recognises a request by a keyed hash, so that a stored one tells nothing about payloads that could be guessed.

    The id of the root key stands before the hash: after a rotation, older fingerprints are still recognised.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def of(self, method: str, path: str, body: bytes) -> bytes:
        """Return the fingerprint of a request."""
        return self._under(self._keyring.primary, method, path, body) or b""

    def match(self, fingerprint: bytes, method: str, path: str, body: bytes) -> bool:
        """Tell whether a fingerprint was made of this very request."""
        key_id = fingerprint[: -sha256().digest_size].decode("ascii", errors="replace")
        expected = self._under(key_id, method, path, body)
        return expected is not None and hmac.compare_digest(fingerprint, expected)

    def _under(self, key_id: str, method: str, path: str, body: bytes) -> bytes | None:
        root = self._keyring.root(key_id)
        if root is None:
            return None
        key = hmac.digest(root, _PURPOSE, "sha256")
        head = f"{method} {path}\n".encode()
        return key_id.encode() + hmac.digest(key, head + body, "sha256")


class InFlight:
    """The keys that this very process is working on: a cheap first look before PostgreSQL is asked."""

    def __init__(self) -> None:
        self._held: set[tuple[UUID, str]] = set()

    @contextmanager
    def hold(self, use: KeyUse) -> Iterator[None]:
        """Hold a key while the block runs.

        Raises:
            Problem: another request holds it.
        """
        place = (use.tenant_id, use.key)
        if place in self._held:
            raise busy()
        self._held.add(place)
        try:
            yield
        finally:
            self._held.discard(place)


def busy() -> Problem:
    """Refuse a request whose key is being worked on."""
    return Problem(
        "idempotency_in_flight",
        f"Another request with this {HEADER} is being processed. Repeat this one a little later.",
        headers=RETRY_SOON,
    )


def reused() -> Problem:
    """Refuse a request whose key stands for another one."""
    return Problem("idempotency_key_reused", f"This {HEADER} came with another request before. Take a new one.")


def check(stored: Stored, matches: bool) -> Stored:
    """Return what a key stands for, if it came with the same request.

    Raises:
        Problem: it came with another.
    """
    if not matches:
        raise reused()
    return stored
