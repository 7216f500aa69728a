"""What the reaper needs to know."""

from pydantic import Field

from tidewheel_common.process.settings import Port, Settings
from tidewheel_reaper.forget import FIRES_AGE


class ReaperSettings(Settings):
    """The reaper's settings."""

    health_port: Port = Field(
        9104, description="The port that answers probes and metrics; 0 takes any free one.", examples=["9104"]
    )
    fires_age: float = Field(
        FIRES_AGE,
        gt=0,
        description="Seconds for which what became of a schedule's nominal times is kept.",
        examples=["2592000"],
    )
