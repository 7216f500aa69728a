"""`python -m tidewheel_gateway`: serve the API until SIGTERM or SIGINT."""

import sys
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.process.failpoints import arm
from tidewheel_common.process.logs import configure_logs
from tidewheel_common.process.memory import settle_memory
from tidewheel_common.process.service import EXIT_FAILED
from tidewheel_common.process.settings import EXIT_SETTINGS, load_settings
from tidewheel_common.process.tracing import start_tracing
from tidewheel_gateway.app import Sources, create_app
from tidewheel_gateway.certificate import Certificate
from tidewheel_gateway.settings import GatewaySettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Lets held answers go when it is asked to stop, and remembers whether it had to."""

    failed = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own signature
        # Not uvicorn's own: after an orderly stop it dies of the signal all the same, which looks like a failure.
        self.force_exit = self.should_exit
        self.should_exit = True
        application = self.config.app
        if isinstance(application, FastAPI):
            application.state.parts.finals.close()

    def fail(self) -> None:
        """Stop because a background loop has failed."""
        self.failed = True
        self.should_exit = True


def serve(settings: GatewaySettings) -> int:
    """Serve until a signal comes.

    Returns:
        0 after an orderly stop, 1 after a failure, 2 when a setting is wrong.
    """
    server: _Server | None = None

    def fail() -> None:
        if server is not None:
            server.fail()

    try:
        app = create_app(settings, Sources(on_failure=fail))
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_SETTINGS
    served: Certificate | None = app.state.certificate
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            ssl_context_factory=served.opened if served else None,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here asks who the caller's address is
            timeout_keep_alive=75,  # balancers and clients give idle connections up after 60 s or less
            timeout_graceful_shutdown=int(settings.stop_grace),
        )
    )
    settle_memory()
    server.run()
    return EXIT_FAILED if server.failed or not server.started else 0


def main() -> int:
    """Read the settings and serve."""
    settings = load_settings(GatewaySettings)
    configure_logs("gateway", settings.log_level)
    arm(settings.failpoints)
    tracing = start_tracing("tidewheel-gateway", endpoint=settings.otlp_endpoint)
    try:
        return serve(settings)
    finally:
        tracing.close()


if __name__ == "__main__":
    sys.exit(main())
