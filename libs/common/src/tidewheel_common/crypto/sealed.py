"""Seal bytes for one field of one task, schedule or rule of one tenant, and open them again.

Envelope: version (1 byte) | binding (1) | length of the key id (1) | key id | nonce (12) | ciphertext and tag (16).

AES-256-GCM, with the whole identity as additional data: a sealed value that was changed by one bit, or moved to another
tenant, task or field, does not open. Keys: HKDF-SHA256 makes a tenant key from the root key (RFC 5869, cached), and
HKDF-Expand alone (section 2.3, one HMAC; section 3.3 allows it because the tenant key is already uniform) makes a key
for each field and stretch of time: the first four bytes of a UUIDv7 (RFC 9562, section 5.7) name 65.5 seconds. So a key
seals the values of about a minute, and random 96-bit nonces stay far from the 2^32 values per key that NIST SP 800-38D
(section 8.3) allows, while tasks that come together need one derivation. Version 1 had a key for each subject; what it
sealed still opens.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tidewheel_common.core.errors import TidewheelError
from tidewheel_common.crypto.keyring import KEY_BYTES, Keyring

VERSION = 2
NONCE_BYTES = 12
TAG_BYTES = 16
HEAD_BYTES = 3
FRAMES_CACHED = 4096
CIPHERS_CACHED = 8
"""For each frame."""

_KEYED_BY = {1: 16, 2: 4}
"""How many bytes of a subject's id its key is made from, by version."""

_LENGTH = b"\x00\x10"
"""That of an id, as `_joined` writes it."""


class Unsealable(TidewheelError):
    """A sealed value cannot be opened; the message says why, without any of its content."""


class Binding(IntEnum):
    """What a sealed value is bound to; a byte of the envelope."""

    TASK = 0
    SCHEDULE = 1
    RULE = 2


_BINDINGS = {binding.value: binding for binding in Binding}


class Subject(NamedTuple):
    """The one task, schedule or rule that a sealed value belongs to."""

    binding: Binding
    id: UUID

    @classmethod
    def task(cls, task_id: UUID) -> Self:
        """Bind to a task."""
        return cls(Binding.TASK, task_id)

    @classmethod
    def schedule(cls, schedule_id: UUID) -> Self:
        """Bind to a schedule, whose tasks carry the sealed payload unchanged."""
        return cls(Binding.SCHEDULE, schedule_id)

    @classmethod
    def rule(cls, rule_id: UUID) -> Self:
        """Bind to a notification rule."""
        return cls(Binding.RULE, rule_id)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all values of one field and tenant have in common whose envelopes begin alike."""

    binding: Binding
    key_id: str
    keyed_by: int
    key: Callable[[bytes], AESGCM]
    """Returns the cipher for the first bytes of an id."""
    identity: bytes
    tail: bytes

    def cipher(self, subject_id: UUID) -> tuple[AESGCM, bytes]:
        """Return the cipher of a subject's field, and the identity that goes in as additional data."""
        name = subject_id.bytes
        return self.key(name[: self.keyed_by]), self.identity + name + self.tail


class Sealer:
    """Seals with the primary key of a keyring, opens with any of its keys.

    Args:
        keyring: The root keys.
        random: Returns so many unpredictable bytes; a nonce comes from it for every seal.
    """

    def __init__(self, keyring: Keyring, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._keyring = keyring
        self._random = random
        key_id = keyring.primary.encode()
        self._heads = tuple(bytes((VERSION, binding, len(key_id))) + key_id for binding in Binding)
        self._frame = lru_cache(maxsize=FRAMES_CACHED)(self._make_frame)

    def seal(self, data: bytes, *, tenant: UUID, subject: Subject, field: str) -> bytes:
        """Encrypt data for one field of the subject.

        Args:
            data: At most 2^31 - 1 bytes.
            tenant: Whose it is.
            subject: What it belongs to.
            field: `payload`, `result`, `error`, `notify` or `target`.
        """
        binding, subject_id = subject
        head = self._heads[binding]
        nonce = self._random(NONCE_BYTES)
        cipher, identity = self._frame(head, tenant.bytes, field).cipher(subject_id)
        return b"".join((head, nonce, cipher.encrypt(nonce, data, identity)))

    def open(
        self,
        sealed: bytes,
        *,
        tenant: UUID,
        task_id: UUID | None,
        schedule_id: UUID | None,
        field: str,
        rule_id: UUID | None = None,
    ) -> bytes:
        """Decrypt what `seal` made for this tenant, field, and task, schedule or rule, whichever it was bound to.

        Raises:
            Unsealable: It is cut short, of a version or under a key that is not known here, was changed, or belongs
                to another tenant, task, schedule or field.
        """
        nonce_at = _nonce_at(sealed, field)
        text_at = nonce_at + NONCE_BYTES
        frame = self._frame(sealed[:nonce_at], tenant.bytes, field)
        subject_id = (task_id, schedule_id, rule_id)[frame.binding]
        if subject_id is None:
            raise Unsealable(
                f"The sealed {field} is bound to a {frame.binding.name.lower()}, and none was given to open it."
            )
        cipher, identity = frame.cipher(subject_id)
        try:
            return cipher.decrypt(sealed[nonce_at:text_at], sealed[text_at:], identity)
        except InvalidTag:
            raise Unsealable(
                f"The sealed {field} does not open under the key {frame.key_id!r}: it was changed, it belongs to "
                "another tenant, task, schedule or field, or another key has this id."
            ) from None

    def __repr__(self) -> str:
        return f"Sealer({self._keyring!r})"

    def _make_frame(self, head: bytes, tenant: bytes, field: str) -> _Frame:
        version, binding, key_id = _read_head(head, field)
        if (root := self._keyring.root(key_id)) is None:
            raise Unsealable(
                f"The key {key_id!r} that sealed this value is not in TIDEWHEEL_KEYS, which has "
                f"{', '.join(self._keyring.ids)}; add it there, after the first."
            )
        info = _joined(b"tidewheel tenant key", tenant)
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)
        bound, tail = bytes((binding,)), _joined(field.encode())
        # Keyed with the tenant's key; copied for each cipher, which is four times faster than to key it again.
        expand, label = HMAC(key, SHA256()), _joined(b"tidewheel subject key", bound)

        def cipher(name: bytes) -> AESGCM:
            # HKDF-Expand for one block (RFC 5869, section 2.3): T(1) = HMAC(key, info | 0x01).
            block = expand.copy()
            block.update(label + _joined(name) + tail + b"\x01")
            return AESGCM(block.finalize())

        return _Frame(
            binding=binding,
            key_id=key_id,
            keyed_by=_KEYED_BY[version],
            key=lru_cache(maxsize=CIPHERS_CACHED)(cipher),
            identity=_joined(bytes((version,)), key_id.encode(), tenant, bound) + _LENGTH,
            tail=tail,
        )


def _nonce_at(sealed: bytes, field: str) -> int:
    """Return where the head of an envelope ends, once it has as many bytes as any envelope has."""
    nonce_at = HEAD_BYTES + sealed[HEAD_BYTES - 1] if len(sealed) >= HEAD_BYTES else HEAD_BYTES
    if len(sealed) < nonce_at + NONCE_BYTES + TAG_BYTES:
        raise Unsealable(f"The sealed {field} is cut short: it has {len(sealed)} bytes.")
    return nonce_at


def _read_head(head: bytes, field: str) -> tuple[int, Binding, str]:
    version, binding = head[0], head[1]
    if version not in _KEYED_BY:
        raise Unsealable(f"The sealed {field} has version {version}; this release opens versions up to {VERSION}.")
    if (bound := _BINDINGS.get(binding)) is None:
        raise Unsealable(f"The sealed {field} has the unknown binding {binding}.")
    return version, bound, head[HEAD_BYTES:].decode("ascii", errors="replace")


def _joined(*parts: bytes) -> bytes:
    """Join parts, each after its length, so that no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
