"""Keys for a stack that nobody has given any."""

import secrets
import string

_ALPHABET = string.ascii_lowercase + string.digits


def new_api_key() -> str:
    """Return an API key: `tw_`, a public id of 16 characters, and a secret of 256 bits."""
    return f"tw_{''.join(secrets.choice(_ALPHABET) for _ in range(16))}_{secrets.token_urlsafe(32)}"


def new_key_ring() -> str:
    """Return a key ring with one key of 256 bits."""
    return f"dev1:{secrets.token_urlsafe(32)}"
