"""The submission of a task as two statements in somebody else's transaction."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Final, Self, Unpack, overload
from uuid import UUID

from pydantic import Field, SecretStr
from pydantic_core import to_json
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from tidewheel_client.errors import NotConfigured, api_error
from tidewheel_client.operations.tasks import submit_task
from tidewheel_client.options import TaskOptions
from tidewheel_client.tracing import current_traceparent
from tidewheel_client.values import Payload
from tidewheel_common.core.fault import Fault
from tidewheel_common.core.fields import PRIORITIES
from tidewheel_common.core.notification import note, soonest
from tidewheel_common.core.submission import Candidate, read_candidate, untimely
from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Sealer, Subject
from tidewheel_common.store.expression import clause
from tidewheel_common.store.sql import load_statements

_STATEMENTS: Final = load_statements("tidewheel_client.sqlalchemy")

_ELSEWHERE: Final[Mapping[str, str]] = {
    "depends_on": "Executors that end its parents would wait for your transaction. Use `tidewheel_client.outbox`, "
    "which submits after the commit, or let a task that you enqueue submit it.",
    "unique_key": "The task that has the key may start before your commit and miss what you write. Use "
    "`tidewheel_client.outbox`: it submits after the commit, with this key.",
}
"""What cannot be part of the caller's transaction, and what to do instead."""


class EnqueueSettings(BaseSettings):
    """What a backend needs to know that writes tasks itself."""

    model_config = SettingsConfigDict(env_prefix="TIDEWHEEL_", env_ignore_empty=True, extra="ignore", frozen=True)

    keys: SecretStr | None = Field(None, description="The keys of the gateway, which seal payloads.")
    tenant: str = Field("default", description="Whose tasks they are: the name of the tenant.")


class Enqueuer:
    """Writes tasks in the transactions of others; may be shared by threads and loops.

    Args:
        keyring: the keys of the gateway.
        tenant: whose tasks they are: the name of the tenant.
        new_id: makes UUIDv7.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        tenant: str = EnqueueSettings.model_fields["tenant"].default,
        new_id: Callable[[], UUID] = uuid7,
    ) -> None:
        self._sealer = Sealer(keyring)
        self._tenant = tenant
        self._new_id = new_id

    @classmethod
    def from_environment(cls) -> Self:
        """Read `TIDEWHEEL_KEYS` and `TIDEWHEEL_TENANT`.

        Raises:
            NotConfigured: there are no keys.
            Misconfigured: the keys are not well formed.
        """
        settings = EnqueueSettings()
        if settings.keys is None:
            raise NotConfigured("TIDEWHEEL_KEYS is not set: payloads are sealed with the keys of the gateway.")
        return cls(Keyring.parse(settings.keys.get_secret_value()), tenant=settings.tenant)

    @overload
    def enqueue(
        self, session: Session, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]
    ) -> UUID: ...

    @overload
    def enqueue(
        self, session: AsyncSession, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]
    ) -> Coroutine[Any, Any, UUID]: ...

    def enqueue(
        self, session: Session | AsyncSession, handler: str, payload: Payload = None, **options: Unpack[TaskOptions]
    ) -> UUID | Coroutine[Any, Any, UUID]:
        """Submit a task with the session's transaction; return its id, or a coroutine that does.

        Args:
            session: open on the database that has Tidewheel's tables; nothing is committed here.
            handler: the name of the Celery task that runs it.
            payload: its keyword arguments.
            options: as for `Client.submit`, but for `depends_on` and `unique_key`.

        Raises:
            InvalidRequest: the gateway would refuse it, or it cannot be part of another transaction.
            NotConfigured: there is no such tenant.
        """
        candidate = _read(submit_task(handler, payload, **options).body or {})
        if isinstance(session, AsyncSession):
            return session.run_sync(lambda inner: self._insert(inner, candidate))
        return self._insert(session, candidate)

    def _insert(self, session: Session, candidate: Candidate) -> UUID:
        found = session.execute(clause(_STATEMENTS["tenant_find"]), {"name": self._tenant}).one_or_none()
        if found is None:
            raise NotConfigured(f"There is no tenant {self._tenant!r} in this database; correct TIDEWHEEL_TENANT.")
        now: datetime = found.now
        if faults := untimely(candidate, now):
            raise _invalid(faults)
        task_id = self._new_id()
        session.execute(clause(_STATEMENTS["task_enqueue"]), self._row(candidate, task_id, found.id))
        return task_id

    def _row(self, candidate: Candidate, task_id: UUID, tenant: UUID) -> Mapping[str, Any]:
        spec = candidate.spec
        sealed = self._sealer.seal(candidate.payload, tenant=tenant, subject=Subject.task(task_id), field="payload")
        notify = None
        if spec.notify:
            kept = note(spec.notify)
            notify = self._sealer.seal(kept, tenant=tenant, subject=Subject.task(task_id), field="notify")
        same = (
            "handler", "queue", "max_attempts", "timeout", "removal_delay", "delivery", "run_at", "expires_at",
            "concurrency_key", "concurrency_limit",
        )  # fmt: skip
        return {
            **{name: getattr(spec, name) for name in same},
            "id": task_id,
            "tenant_id": tenant,
            "priority": PRIORITIES[spec.priority],
            "payload": sealed,
            "backoff": None if spec.backoff is None else to_json(spec.backoff).decode(),
            "tags": list(spec.tags),
            "notify": notify,
            "late_after": soonest(spec.notify),
            "traceparent": current_traceparent(),
            "delay": candidate.delay,
            "now": None,
        }


def _read(document: Mapping[str, Any]) -> Candidate:
    candidate = read_candidate(document, nul=True)
    if isinstance(candidate, list):
        raise _invalid(candidate)
    faults = [
        Fault(code="not_transactional", pointer=f"/{name}", detail=detail)
        for name, detail in _ELSEWHERE.items()
        if document.get(name) is not None
    ]
    if faults:
        raise _invalid(faults)
    return candidate


def _invalid(faults: list[Fault]) -> Exception:
    problem = {
        "code": "invalid_request",
        "detail": "The task cannot be written.",
        "errors": [fault.as_json() for fault in faults],
    }
    return api_error(422, problem)
