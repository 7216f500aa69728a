"""What the gateway needs to know."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, FilePath, SecretStr, model_validator
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
    tenant_rate: float | None = Field(
        None,
        gt=0,
        description="Tasks a second that one tenant may submit through this process, ten seconds of them at once; more"
        " get 429 with Retry-After. Several gateways let through as many times as much. Unset: no limit.",
        examples=["500"],
    )
    tls_certificate: FilePath | None = Field(
        None,
        description="The certificate, with its chain, with which the API is served over TLS. Unset: plain HTTP.",
        examples=["/etc/tidewheel/tls/tls.crt"],
    )
    tls_key: FilePath | None = Field(
        None, description="The private key of that certificate.", examples=["/etc/tidewheel/tls/tls.key"]
    )
    pool_size: int = Field(8, ge=2, le=100, description="Connections to PostgreSQL.", examples=["8"])

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise PydanticCustomError("tls", "TIDEWHEEL_TLS_CERTIFICATE and TIDEWHEEL_TLS_KEY go together: set both")
        return self
