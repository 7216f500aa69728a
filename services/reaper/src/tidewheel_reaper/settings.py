"""What the reaper needs to know."""

from pydantic import Field

from tidewheel_common.process.settings import Port, Settings


class ReaperSettings(Settings):
    """The reaper's settings."""

    health_port: Port = Field(
        9104, description="The port that answers probes and metrics; 0 takes any free one.", examples=["9104"]
    )
