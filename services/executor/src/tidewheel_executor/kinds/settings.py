"""What the kinds read from the environment, and where a running kind finds it."""

from typing import Annotated, Final, Literal

from celery import Celery
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from tidewheel_common.process.settings import PREFIX, CommaList, split_list

Kind = Literal["http.request", "email.send", "script.run", "notify"]

_MODULES: Final = (
    # kind, module, whether it needs a mail server
    ("http.request", "tidewheel_executor.kinds.http", False),
    ("email.send", "tidewheel_executor.kinds.email", True),
    ("script.run", "tidewheel_executor.kinds.script", False),
    ("notify", "tidewheel_executor.kinds.notify", False),
    ("notify", "tidewheel_executor.kinds.notify_email", True),
)

_PLACE: Final = "tidewheel_kinds"


def _read_kinds(value: object) -> object:
    return () if value == "none" else split_list(value)


class KindSettings(BaseSettings, env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True):
    """The settings of the kinds. Durations are seconds."""

    kinds: Annotated[tuple[Kind, ...], NoDecode, BeforeValidator(_read_kinds)] = Field(
        ("http.request", "email.send", "notify"),
        description="The built-in handlers to serve, or `none`; mail also needs TIDEWHEEL_SMTP_HOST.",
        examples=["http.request,email.send,notify,script.run"],
    )
    http_allow: CommaList = Field(
        (),
        description="Hosts, addresses and networks that http.request may call although they are not public.",
        examples=["10.20.0.0/16,billing.internal"],
    )
    http_response_bytes: int = Field(
        262_144, ge=0, le=300_000, description="Bytes that are kept of an HTTP answer.", examples=["262144"]
    )
    script_sandbox: Literal["auto", "required", "off"] = Field(
        "auto",
        description="Whether scripts run under bubblewrap: where it works, always (else they fail), or never.",
        examples=["required"],
    )
    script_network: bool = Field(
        False, description="Whether a script under bubblewrap has a network.", examples=["true"]
    )
    script_cpu_seconds: int = Field(60, gt=0, description="CPU seconds for each process of a script.", examples=["60"])
    script_memory_mib: int = Field(
        512, gt=0, description="MiB of address space for each process of a script.", examples=["512"]
    )
    script_file_mib: int = Field(64, ge=0, description="MiB that a script may write to one file.", examples=["64"])
    script_output_bytes: int = Field(
        65_536, ge=0, le=80_000, description="Bytes that are kept of each output of a script.", examples=["65536"]
    )
    smtp_host: str | None = Field(
        None, description="The mail server; unset, this executor sends no mail.", examples=["smtp.example.com"]
    )
    smtp_port: int | None = Field(
        None, gt=0, le=65_535, description="Its port; unset: 587, 465 or 25, by the security.", examples=["587"]
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is encrypted.", examples=["tls"]
    )
    smtp_username: str | None = Field(None, description="The name to log in with.", examples=["tidewheel"])
    smtp_password: SecretStr | None = Field(None, description="The password to log in with.", examples=["…"])
    smtp_sender: str = Field(
        "tidewheel@localhost",
        description="The address that mail comes from; its domain stands in every Message-ID.",
        examples=["Tidewheel <tasks@example.com>"],
    )
    smtp_timeout: float = Field(30.0, gt=0, description="Seconds for each step of sending.", examples=["30"])

    @property
    def kind_modules(self) -> tuple[str, ...]:
        """The modules of the kinds that this executor serves."""
        mails = self.smtp_host is not None
        return tuple(module for kind, module, by_mail in _MODULES if kind in self.kinds and (mails or not by_mail))


def attach_kinds(app: Celery, settings: KindSettings) -> None:
    """Let an app's kinds find their settings."""
    app.conf[_PLACE] = settings


def settings_of(app: Celery) -> KindSettings:
    """Return the settings of an app's kinds.

    Raises:
        KeyError: nobody has attached any.
    """
    settings: KindSettings = app.conf[_PLACE]
    return settings
