"""Opaque cursors: where a list goes on, bound to the tenant and the filters that it was made for."""

import base64
import binascii
import hmac
from typing import Final
from uuid import UUID

from tidewheel_common.core.fault import Fault
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_gateway.problems import Problem

_PURPOSE = b"tidewheel list cursor"
_ID_BYTES: Final = 16
_TAG_BYTES: Final = 12


class Cursors:
    """Writes and reads cursors. A cursor that was changed, or made for another list, is refused."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def write(self, last: UUID, scope: bytes) -> str:
        """Return the cursor that goes on below an id.

        Args:
            last: the last id of the page.
            scope: what the list is of: the tenant and every filter.
        """
        key_id = self._keyring.primary
        raw = last.bytes + (self._tag(key_id, last, scope) or b"") + key_id.encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def read(self, cursor: str, scope: bytes) -> UUID:
        """Return the id below which a list goes on.

        Raises:
            Problem: the cursor was not made for this list.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            last = UUID(bytes=raw[:_ID_BYTES])
            tag = raw[_ID_BYTES : _ID_BYTES + _TAG_BYTES]
            key_id = raw[_ID_BYTES + _TAG_BYTES :].decode("ascii")
            expected = self._tag(key_id, last, scope)
            genuine = expected is not None and hmac.compare_digest(tag, expected)
        except (ValueError, binascii.Error):
            genuine = False
        if not genuine:
            raise _refused()
        return last

    def _tag(self, key_id: str, last: UUID, scope: bytes) -> bytes | None:
        root = self._keyring.root(key_id)
        if root is None:
            return None
        key = hmac.digest(root, _PURPOSE, "sha256")
        return hmac.digest(key, last.bytes + scope, "sha256")[:_TAG_BYTES]


def _refused() -> Problem:
    detail = "Take `next_cursor` from the page before, as it is and with the same filters, or start without one."
    return Problem("invalid_cursor", detail, faults=[Fault(code="invalid_cursor", parameter="cursor", detail=detail)])
