"""Keys for a stack that nobody has given any."""

import secrets

from tidewheel_common.crypto.api_key import ApiKey


def new_api_key() -> str:
    """Return a new API key as text."""
    return ApiKey.make().text


def new_key_ring() -> str:
    """Return a key ring with one key of 256 bits."""
    return f"dev1:{secrets.token_urlsafe(32)}"
