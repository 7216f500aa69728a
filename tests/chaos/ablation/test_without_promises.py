"""Safeguards that are no guard of a statement: the order of commit and answer, the lock of a key, the sealing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.chaos.ablation.without import without
from tests.execution import SEALER
from tests.gateway import serving
from tests.property.lifecycle_model import TENANT, task_row
from tests.support import text

from tidewheel_common.crypto import sealed as sealing
from tidewheel_common.crypto.sealed import Subject, Unsealable
from tidewheel_common.store.engine import Connection, Engine
from tidewheel_common.store.errors import StoreError
from tidewheel_gateway import queries
from tidewheel_gateway.records import Accepted, KeyBusy, KeyUse, Submission

INSTANT = datetime(2027, 1, 1, tzinfo=UTC)


def vanished(accepted: set[UUID], there: set[UUID]) -> set[UUID]:
    """Return what was accepted and is not there."""
    return accepted - there


async def _accepted_then_died(database_url: str, redis_url: str) -> set[UUID]:
    """Have tasks accepted, let the gateway die right after its answer, and return which of them vanished."""
    async with serving(database_url, redis_url) as gateway:
        accepted = {UUID((await gateway.submit())["id"]) for _ in range(3)}
        there = {row["id"] for row in await gateway.rows("SELECT id FROM tasks")}
    return vanished(accepted, there)


async def test_an_answer_before_the_commit_is_noticed(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _accepted_then_died(database_url, redis_url) == set()

    async def answer_first(_: Connection, submissions: Sequence[Submission], **__: object) -> list[Accepted]:
        return [Accepted(INSTANT) for _ in submissions]  # the process dies before it comes to the insert

    monkeypatch.setattr(queries, "tasks_accept", answer_first)
    assert len(await _accepted_then_died(database_url, redis_url)) == 3


async def _second_of_two(engine: Engine) -> Any:
    """Submit under a key that an open transaction has taken; return the answer to it."""

    def submission(number: int) -> Submission:
        row = task_row(UUID(int=number))
        use = KeyUse(tenant_id=TENANT, key="same", fingerprint=b"same")
        return Submission(rows=(row,), key=use, places=(row.id,))

    async with engine.connect() as first, first.begin() as transaction, engine.begin() as second:
        await queries.tasks_accept(first, [submission(1)])
        await second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        [answer] = await queries.tasks_accept(second, [submission(2)])
        await transaction.rollback()
    return answer


async def test_without_its_lock_a_key_in_flight_holds_everybody_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is redundant for safety: the index lets one of two through, but only after it has waited for the other.

    All submissions of a flight share a statement, so one such key would hold up all of them.
    """
    assert await _second_of_two(engine) == KeyBusy()

    lock = "pg_try_advisory_xact_lock(hashtextextended(CAST(k.tenant_id AS text) || ' ' || k.key, 0))"
    without(monkeypatch, queries, "tasks_accept", lock, instead="true")
    with pytest.raises(StoreError, match="lock timeout"):
        await _second_of_two(engine)


def _opens_elsewhere() -> bool:
    """Tell whether what was sealed for one task opens as another's."""
    tenant, mine, other = uuid4(), uuid4(), uuid4()
    value = SEALER.seal(b"secret", tenant=tenant, subject=Subject.task(mine), field="payload")
    assert SEALER.open(value, tenant=tenant, task_id=mine, schedule_id=None, field="payload") == b"secret"
    try:
        SEALER.open(value, tenant=tenant, task_id=other, schedule_id=None, field="payload")
    except Unsealable:
        return False
    return True


class _WithoutIdentity:
    """A cipher that leaves the additional data out."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, nonce: bytes, data: bytes, _: bytes) -> bytes:
        return self._cipher.encrypt(nonce, data, None)

    def decrypt(self, nonce: bytes, data: bytes, _: bytes) -> bytes:
        return self._cipher.decrypt(nonce, data, None)


class _OneKeyForAll:
    """A derivation that does not know what its key is for."""

    def __init__(self, key: bytes, _: object) -> None:
        self._key = key

    def copy(self) -> Self:
        return self

    def update(self, info: bytes) -> None:
        del info

    def finalize(self) -> bytes:
        return self._key


def test_a_value_is_bound_to_its_task_by_its_key_and_by_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either alone is enough, so each is redundant while the other is there; without both a value can be moved."""
    assert not _opens_elsewhere()

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "HMAC", _OneKeyForAll)
        assert not _opens_elsewhere(), "the identity alone holds"
    monkeypatch.setattr(sealing, "AESGCM", _WithoutIdentity)
    assert not _opens_elsewhere(), "the key alone holds"
    monkeypatch.setattr(sealing, "HMAC", _OneKeyForAll)
    assert _opens_elsewhere(), "the check would notice"
