"""API keys: `tw_<id>_<secret>`. Only the SHA-256 of the secret is stored; it has 256 random bits, so that is enough."""

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

_KEY = re.compile(r"tw_(?P<id>[A-Za-z0-9]{1,64})_(?P<secret>[A-Za-z0-9_-]{16,128})")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApiKey:
    """A key in its two parts; never printed."""

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> "ApiKey | None":
        """Read a key; None when it is not of the form `tw_<id>_<secret>`."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(id=found["id"], secret=found["secret"])

    @classmethod
    def make(cls) -> "ApiKey":
        """Make a new key."""
        return cls(id=secrets.token_hex(8), secret=secrets.token_urlsafe(32))

    @property
    def text(self) -> str:
        """The whole key, to be shown once."""
        return f"tw_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """What is stored of the secret."""
        return sha256(self.secret.encode()).digest()
