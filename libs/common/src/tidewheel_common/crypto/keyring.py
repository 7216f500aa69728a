"""The root keys: one seals what is new, the older ones still open what they sealed."""

import base64
import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from tidewheel_common.core.errors import Misconfigured

KEY_BYTES = 32

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")

_HOW = (
    "Write TIDEWHEEL_KEYS as id:key, where key is 32 random bytes in base64 (openssl rand -base64 32); "
    "several with commas, the newest first."
)


class Keyring:
    """Root keys by their ids, the primary one first. Never prints a key.

    Args:
        keys: Id to 32 secret bytes; the first seals.

    Raises:
        Misconfigured: There is none, or an id or a key is not well formed.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise Misconfigured(f"There is no key to seal payloads with. {_HOW}")
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise Misconfigured("A key's id must be 1 to 32 letters, digits, dots, dashes or underscores.")
            if len(key) != KEY_BYTES:
                raise Misconfigured(f"The key {key_id} has {len(key)} bytes instead of {KEY_BYTES}. {_HOW}")
        self._keys = MappingProxyType(dict(keys))
        self.primary = next(iter(self._keys))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id:key[,older:key…]`, keys in base64 (URL-safe or not, padded or not).

        Raises:
            Misconfigured: The text is not that.
        """
        keys: dict[str, bytes] = {}
        for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            key_id, colon, encoded = entry.partition(":")
            if not colon or not _KEY_ID.fullmatch(key_id):  # an id that is none may be a key; do not repeat it
                raise Misconfigured(f"Entry {place} of the keys does not begin with an id and a colon. {_HOW}")
            if key_id in keys:
                raise Misconfigured(f"The key id {key_id} is there twice; give each key its own id.")
            keys[key_id] = _decode(key_id, encoded)
        return cls(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the primary one first."""
        return tuple(self._keys)

    def root(self, key_id: str) -> bytes | None:
        """Return the root key with this id, or None when the keyring does not hold it."""
        return self._keys.get(key_id)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(f'{key_id}:***' for key_id in self._keys)})"


def _decode(key_id: str, encoded: str) -> bytes:
    text = encoded.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise Misconfigured(f"The key {key_id} is not base64. {_HOW}") from None
