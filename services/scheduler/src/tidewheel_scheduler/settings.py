"""What the scheduler needs to know."""

from pydantic import Field, SecretStr

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.process.settings import Port, Settings


class SchedulerSettings(Settings):
    """The scheduler's settings. It needs no keys, as it copies sealed payloads, unless it has an app to follow."""

    health_port: Port = Field(
        9101, description="The port of /healthz, /readyz and /metrics; 0 takes any free one.", examples=["9101"]
    )
    executor_stale: float = Field(
        15.0,
        gt=0,
        description="Seconds without a heartbeat after which an executor is lost, and its tasks are rescued.",
        examples=["15"],
    )
    rescues_per_minute: int = Field(
        30_000,
        gt=0,
        description="Tasks that a scheduler takes from lost executors in a minute at most, so that a mistake about who"
        " is lost does not start everything that runs again at once.",
        examples=["30000"],
    )
    celery_app: str | None = Field(
        None,
        description="A Celery app whose beat_schedule is kept as schedules; it needs TIDEWHEEL_KEYS.",
        examples=["proj.celery:app"],
    )
    keys: SecretStr | None = Field(
        None,
        description="The keys that seal the arguments of an app's beat_schedule.",
        examples=["2026:$(openssl rand -base64 32)"],
    )

    def keyring(self) -> Keyring:
        """Return the keys that seal what comes from an app.

        Raises:
            Misconfigured: there are none.
        """
        if self.keys is None:
            raise Misconfigured(
                "TIDEWHEEL_KEYS is not set, but TIDEWHEEL_CELERY_APP is: the arguments of its beat_schedule are sealed."
                " Give the scheduler the keys of the gateway."
            )
        return Keyring.parse(self.keys.get_secret_value())
