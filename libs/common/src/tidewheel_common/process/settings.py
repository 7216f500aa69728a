"""Settings: the only place where the environment is read, once, at the start of a process.

Each service has a subclass in its own `settings.py`. Secrets are `SecretStr`, so that they are never printed. Any
setting may also stand in a file of `TIDEWHEEL_SECRETS_DIR`, named as its variable in small letters; the variable wins.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, DirectoryPath, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

PREFIX = "TIDEWHEEL_"

EXIT_SETTINGS = 2
"""The exit code of a process whose settings are wrong: restarting it does not help."""


def _require_scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(tuple(f"{scheme}://" for scheme in schemes)):
            starts = " or ".join(f"{scheme}://" for scheme in schemes)
            raise PydanticCustomError("scheme", "it must start with {starts}", {"starts": starts})
        return url

    return AfterValidator(check)


def split_list(value: object) -> object:
    """Return a text `one,two` as a tuple, and all else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
"""A setting that is written as `one,two,three`."""

Port = Annotated[int, Field(ge=0, le=65535)]
"""A port; 0 takes any free one."""


class Settings(BaseSettings):
    """What every process needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: Annotated[SecretStr, _require_scheme("postgresql")] = Field(
        description="The address of PostgreSQL.",
        examples=["postgresql://tidewheel:password@localhost:5432/tidewheel"],
    )
    redis_url: Annotated[SecretStr, _require_scheme("redis", "rediss", "unix")] = Field(
        description="The address of Redis or Valkey.", examples=["redis://localhost:6379/0"]
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log line that is written.", examples=["INFO"]
    )
    health_host: str = Field(
        "127.0.0.1", description="The address that answers /healthz, /readyz and /metrics.", examples=["127.0.0.1"]
    )
    health_port: Port = Field(0, description="The port of the same; 0 takes any free one.", examples=["9101"])
    stop_grace: float = Field(
        20.0,
        gt=0,
        description="Seconds that work in hand may take once the process is asked to stop.",
        examples=["20"],
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Where spans go, over OTLP/HTTP. Unset: nowhere.",
        examples=["http://localhost:4318"],
    )
    failpoints: DirectoryPath | None = Field(
        None,
        description="For tests of Tidewheel itself: the directory that arms failpoints. Unset: they do nothing.",
        examples=["./failpoints"],
    )


class _Places(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    secrets_dir: DirectoryPath | None = Field(
        None,
        description="A directory with a file for each setting that is not to stand in the environment.",
        examples=["/run/secrets"],
    )


class SealingSettings(Settings):
    """What a process needs to know that seals or opens payloads."""

    keys: SecretStr = Field(
        description="The keys that seal payloads, as id:base64url of 32 bytes, comma-separated, the newest first.",
        examples=["2026:$(openssl rand -base64 32)"],
    )


S = TypeVar("S", bound=BaseSettings)


def load_settings(kind: type[S]) -> S:
    """Read the settings from the environment, and from the files of `TIDEWHEEL_SECRETS_DIR`.

    Raises:
        SystemExit: With code 2, after a sentence for each wrong variable on standard error.
    """
    places = _read(_Places, None)
    return _read(kind, places.secrets_dir)


def _read(kind: type[S], secrets: Path | None) -> S:
    try:
        return kind(_secrets_dir=secrets)
    except ValidationError as error:
        sentences = list(_sentences(kind, error))
    except SettingsError as error:
        sentences = [f"The settings cannot be read: {error}."]
    sys.stderr.write("\n".join(sentences) + "\n")
    raise SystemExit(EXIT_SETTINGS)


def variable(kind: type[BaseSettings], field: str) -> str:
    """Return the name of the environment variable that sets the field."""
    alias = kind.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def _sentences(kind: type[BaseSettings], error: ValidationError) -> Iterator[str]:
    names = {variable(kind, field): info for field, info in kind.model_fields.items()}
    for detail in error.errors(include_url=False, include_input=False):
        place = str(detail["loc"][0]) if detail["loc"] else ""
        name = place if place in names else f"{PREFIX}{place}".upper()
        yield _sentence(name, names.get(name), detail)


def _sentence(name: str, info: FieldInfo | None, detail: ErrorDetails) -> str:
    missing = detail["type"] == "missing"
    parts = [f"{name} is not set." if missing else f"{name} is wrong: {_lower(detail['msg'])}."]
    if info is not None and info.description:
        parts.append(info.description)
    if info is not None and info.examples:
        parts.append(f"Set it, for example: export {name}={info.examples[0]}")
    return " ".join(parts)


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ").rstrip(".")
    return message[:1].lower() + message[1:]
