"""What the gateway needs to know."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.process.settings import Port, SealingSettings


def _check_key(key: SecretStr) -> SecretStr:
    if ApiKey.parse(key.get_secret_value()) is None:
        raise PydanticCustomError(
            "api_key", "it must be tw_, letters or digits, _ and a secret of 16 to 128 characters"
        )
    return key


class GatewaySettings(SealingSettings):
    """The gateway's settings."""

    host: str = Field("127.0.0.1", description="The address that the API listens on.", examples=["0.0.0.0"])  # noqa: S104 - an example, not a default
    port: Port = Field(8080, description="The port that the API listens on; 0 takes any free one.", examples=["8080"])
    bootstrap_api_key: Annotated[SecretStr, AfterValidator(_check_key)] | None = Field(
        None,
        description="At the first start the tenant `default` is made with exactly this key.",
        examples=["tw_first_$(openssl rand -hex 32)"],
    )
    calls_in_flight: int = Field(
        1000,
        ge=1,
        description="Calls that submit or change something at the same time; more get 503 with Retry-After. Four times "
        "as many may read.",
        examples=["1000"],
    )
    pool_size: int = Field(8, ge=2, le=100, description="Connections to PostgreSQL.", examples=["8"])
