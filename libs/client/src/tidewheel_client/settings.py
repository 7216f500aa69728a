"""What the client reads from the environment, once, when it is made without them."""

import ssl

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tidewheel_client.errors import NotConfigured


class Address(BaseSettings):
    """Where the gateway is, a key to it, and whom its certificate is trusted from."""

    model_config = SettingsConfigDict(env_prefix="TIDEWHEEL_", env_ignore_empty=True, extra="ignore", frozen=True)

    url: str | None = None
    api_key: SecretStr | None = None
    ca: str | None = None


def find_address(url: str | None, api_key: str | None) -> tuple[str, str]:
    """Return where to call and with which key; what is not given comes from the environment.

    Raises:
        NotConfigured: something is in neither place.
    """
    known = Address()
    found_url = url or known.url
    if not found_url:
        raise NotConfigured("Tidewheel's address is not known: give url=…, or set TIDEWHEEL_URL.")
    found_key = api_key or (known.api_key and known.api_key.get_secret_value())
    if not found_key:
        raise NotConfigured("There is no API key: give api_key=…, or set TIDEWHEEL_API_KEY.")
    return found_url, found_key


def find_authority() -> ssl.SSLContext | bool:
    """Return from whom certificates are trusted: the file that `TIDEWHEEL_CA` names, or the system's authorities.

    Raises:
        NotConfigured: there are no authorities in that file.
    """
    named = Address().ca
    if not named:
        return True
    try:
        return ssl.create_default_context(cafile=named)
    except OSError as error:
        raise NotConfigured(f"TIDEWHEEL_CA names {named}, from which no authority can be read: {error}.") from error
