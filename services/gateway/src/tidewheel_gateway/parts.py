"""What the routes share: made once at the composition root, found again through the request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from tidewheel_common.crypto.sealed import Sealer
from tidewheel_common.process.health import Health
from tidewheel_common.store.engine import Engine
from tidewheel_gateway.accept import Acceptor
from tidewheel_gateway.allowance import Allowance
from tidewheel_gateway.auth import Authenticator, Tenant
from tidewheel_gateway.bulk import Bulk
from tidewheel_gateway.cursor import Cursors
from tidewheel_gateway.express import Express
from tidewheel_gateway.finals import Finals
from tidewheel_gateway.idempotency import Fingerprints
from tidewheel_gateway.metrics import GatewayMetrics
from tidewheel_gateway.notification_rules import NotificationRules
from tidewheel_gateway.rooms import Rooms
from tidewheel_gateway.signatures import Signatures
from tidewheel_gateway.wakeups import Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes need.

    Attributes:
        allowance: how many tasks each tenant may submit.
        engine: each statement is its own transaction.
        signatures: what is known of the arguments of handlers.
        rules: what tenants want to be told of.
        health: whether the background loops move.
        readiness: whether calls can be served.
        new_id: makes UUIDv7.
        clock: for coarse checks of what callers send; what is due is decided by the database's clock.
    """

    allowance: Allowance
    engine: Engine
    sealer: Sealer
    authenticator: Authenticator
    fingerprints: Fingerprints
    cursors: Cursors
    acceptor: Acceptor
    finals: Finals
    signatures: Signatures
    rules: NotificationRules
    wakeups: Wakeups
    rooms: Rooms
    express: Express
    bulk: Bulk
    metrics: GatewayMetrics
    health: Health
    readiness: Health
    new_id: Callable[[], UUID]
    clock: Callable[[], datetime]


def parts_of(request: Request) -> Parts:
    """Return what the routes share."""
    parts: Parts = request.app.state.parts
    return parts


def tenant_of(request: Request) -> Tenant:
    """Return whose key the call came with; the guard has put it there."""
    tenant: Tenant = request.state.tenant
    return tenant
