"""What the backend and its handlers read from the environment."""

from datetime import timedelta

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """`TIDEWHEEL_URL`, `TIDEWHEEL_API_KEY` and `TIDEWHEEL_KEYS` are read by the client itself."""

    database_url: SecretStr = Field(
        description="PostgreSQL, which Tidewheel has too: so a reminder and its task are one commit.",
        validation_alias=AliasChoices("REMINDERS_DATABASE_URL", "TIDEWHEEL_DATABASE_URL"),
    )
    keep: timedelta = Field(
        timedelta(hours=24), description="How long a delivered reminder stays readable.", alias="REMINDERS_KEEP"
    )
