"""Sealing, for any data: it comes back for its own subject, and for nothing else."""

from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import Binding, Sealer, Subject, Unsealable

SEALER = Sealer(Keyring({"2026": bytes(range(32)), "2025": bytes(range(32, 64))}))

subjects = st.builds(Subject, binding=st.sampled_from(Binding), id=st.uuids())
fields = st.sampled_from(["payload", "result", "error", "notify", "target"])
data = st.binary(max_size=300)


def opened(sealed: bytes, *, tenant: UUID, subject: Subject, field: str) -> bytes:
    """Open as the owner of the subject's id, whether the envelope says task, schedule or rule."""
    mine = subject.id
    return SEALER.open(sealed, tenant=tenant, task_id=mine, schedule_id=mine, rule_id=mine, field=field)


@given(data=data, tenant=st.uuids(), subject=subjects, field=fields)
def test_what_was_sealed_opens_again_and_does_not_show(data: bytes, tenant: UUID, subject: Subject, field: str) -> None:
    sealed = SEALER.seal(data, tenant=tenant, subject=subject, field=field)
    assert opened(sealed, tenant=tenant, subject=subject, field=field) == data
    assert len(data) < 8 or data not in sealed


@given(data=data, tenant=st.uuids(), subject=subjects, field=fields, place=st.integers(0), flip=st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(
    *, data: bytes, tenant: UUID, subject: Subject, field: str, place: int, flip: int
) -> None:
    sealed = bytearray(SEALER.seal(data, tenant=tenant, subject=subject, field=field))
    sealed[place % len(sealed)] ^= flip
    with pytest.raises(Unsealable):
        opened(bytes(sealed), tenant=tenant, subject=subject, field=field)


@given(data=data, tenant=st.uuids(), subject=subjects, field=fields, length=st.integers(0))
def test_no_cut_goes_unnoticed(data: bytes, tenant: UUID, subject: Subject, field: str, length: int) -> None:
    sealed = SEALER.seal(data, tenant=tenant, subject=subject, field=field)
    with pytest.raises(Unsealable):
        opened(sealed[: length % len(sealed)], tenant=tenant, subject=subject, field=field)


@given(data=data, mine=st.tuples(st.uuids(), subjects, fields), theirs=st.tuples(st.uuids(), subjects, fields))
def test_it_opens_for_nothing_else(
    data: bytes, mine: tuple[UUID, Subject, str], theirs: tuple[UUID, Subject, str]
) -> None:
    sealed = SEALER.seal(data, tenant=mine[0], subject=mine[1], field=mine[2])
    # Each part alone must matter, so exchange them one by one, and all at once.
    for tenant, subject, field in (
        (theirs[0], mine[1], mine[2]),
        (mine[0], theirs[1], mine[2]),
        (mine[0], mine[1], theirs[2]),
        theirs,
    ):
        if (tenant, subject.id, field) == (mine[0], mine[1].id, mine[2]):
            continue
        with pytest.raises(Unsealable):
            opened(sealed, tenant=tenant, subject=subject, field=field)


@given(data=data, tenant=st.uuids(), task=st.uuids(), schedule=st.uuids(), field=fields)
def test_a_task_and_a_schedule_are_never_mistaken_for_each_other(
    data: bytes, tenant: UUID, task: UUID, schedule: UUID, field: str
) -> None:
    assume(task != schedule)
    for subject in (Subject.task(task), Subject.schedule(schedule)):
        sealed = SEALER.seal(data, tenant=tenant, subject=subject, field=field)
        assert SEALER.open(sealed, tenant=tenant, task_id=task, schedule_id=schedule, field=field) == data
        with pytest.raises(Unsealable):
            SEALER.open(sealed, tenant=tenant, task_id=schedule, schedule_id=task, field=field)
        other_binding = sealed[:1] + bytes((1 - sealed[1],)) + sealed[2:]
        with pytest.raises(Unsealable):
            opened(other_binding, tenant=tenant, subject=subject, field=field)
