"""Sealing: the envelope, and what each way of not opening says."""

from uuid import UUID

import pytest

from tidewheel_common.crypto.keyring import Keyring
from tidewheel_common.crypto.sealed import VERSION, Sealer, Subject, Unsealable

TENANT, TASK, SCHEDULE = UUID(int=1), UUID(int=2), UUID(int=3)
NEW, OLD = bytes(range(32)), bytes(range(32, 64))
NONCE = bytes(range(12))
GOLDEN = {
    1: "01000432303236000102030405060708090a0bc22311c20acc865cae8916096fa203543c86aed3",
    2: "02000432303236000102030405060708090a0b07c4fd991131f775ad2a78e9f9cc345675764014",
}
"""What each version has made of the same bytes, once and for all."""


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Keyring({"2026": NEW, "2025": OLD}), random=lambda count: NONCE[:count])


def opened(sealer: Sealer, sealed: bytes) -> bytes:
    return sealer.open(sealed, tenant=TENANT, task_id=TASK, schedule_id=SCHEDULE, field="payload")


def test_the_envelope_is_version_binding_key_id_nonce_and_ciphertext(sealer: Sealer) -> None:
    sealed = sealer.seal(b"{}", tenant=TENANT, subject=Subject.task(TASK), field="payload")
    assert sealed[:7] == b"\x02\x00\x042026"
    assert sealed[7:19] == NONCE
    assert len(sealed) == 19 + len(b"{}") + 16


def test_values_that_were_sealed_by_this_release_open_in_every_later_one(sealer: Sealer) -> None:
    """A change of the derivation or of the envelope would lose every payload: it needs a new version."""
    golden = sealer.seal(b"kept", tenant=TENANT, subject=Subject.task(TASK), field="payload")
    assert golden.hex() == GOLDEN[VERSION]


@pytest.mark.parametrize("version", GOLDEN)
def test_values_that_were_sealed_by_an_earlier_release_open(sealer: Sealer, version: int) -> None:
    assert opened(sealer, bytes.fromhex(GOLDEN[version])) == b"kept"


def test_what_two_subjects_of_one_minute_have_sealed_does_not_open_for_the_other(sealer: Sealer) -> None:
    """They share a key, and are told apart by the additional data."""
    mine, other = UUID(int=(1 << 96) + 1), UUID(int=(1 << 96) + 2)
    sealed = sealer.seal(b"{}", tenant=TENANT, subject=Subject.task(mine), field="payload")
    assert sealer.open(sealed, tenant=TENANT, task_id=mine, schedule_id=None, field="payload") == b"{}"
    with pytest.raises(Unsealable, match="does not open"):
        sealer.open(sealed, tenant=TENANT, task_id=other, schedule_id=None, field="payload")


def test_each_stretch_of_time_has_a_key_of_its_own(sealer: Sealer) -> None:
    """The same nonce and the same bytes: under one key the first ciphertexts would be alike."""
    subjects = [Subject.task(UUID(int=minute << 96)) for minute in range(3)]
    texts = {sealer.seal(b"same bytes", tenant=TENANT, subject=each, field="payload")[19:29] for each in subjects}
    assert len(texts) == 3


def test_every_seal_takes_a_fresh_nonce() -> None:
    sealer = Sealer(Keyring({"a": NEW}))
    one, two = (sealer.seal(b"{}", tenant=TENANT, subject=Subject.task(TASK), field="payload") for _ in range(2))
    assert one != two
    assert opened(sealer, one) == opened(sealer, two) == b"{}"


def test_a_fired_task_opens_the_payload_of_its_schedule(sealer: Sealer) -> None:
    sealed = sealer.seal(b"{}", tenant=TENANT, subject=Subject.schedule(SCHEDULE), field="payload")
    assert sealed[1] == 1
    assert opened(sealer, sealed) == b"{}"
    assert sealer.open(sealed, tenant=TENANT, task_id=None, schedule_id=SCHEDULE, field="payload") == b"{}"


def test_a_schedules_payload_without_its_schedule_is_refused(sealer: Sealer) -> None:
    sealed = sealer.seal(b"{}", tenant=TENANT, subject=Subject.schedule(SCHEDULE), field="payload")
    with pytest.raises(Unsealable, match="bound to a schedule, and none was given"):
        sealer.open(sealed, tenant=TENANT, task_id=TASK, schedule_id=None, field="payload")


def test_an_older_key_still_opens_and_a_removed_one_does_not(sealer: Sealer) -> None:
    before = Sealer(Keyring({"2025": OLD}))
    sealed = before.seal(b"{}", tenant=TENANT, subject=Subject.task(TASK), field="payload")
    assert opened(sealer, sealed) == b"{}"
    after = Sealer(Keyring({"2026": NEW}))
    with pytest.raises(Unsealable, match=r"The key '2025' .* is not in TIDEWHEEL_KEYS, which has 2026;"):
        opened(after, sealed)


def test_another_key_with_the_same_id_does_not_open_it(sealer: Sealer) -> None:
    sealed = Sealer(Keyring({"2026": OLD})).seal(b"{}", tenant=TENANT, subject=Subject.task(TASK), field="payload")
    with pytest.raises(Unsealable, match="or another key has this id"):
        opened(sealer, sealed)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 6, 18, 34])
def test_a_value_that_is_cut_short_is_refused(sealer: Sealer, length: int) -> None:
    sealed = sealer.seal(b"", tenant=TENANT, subject=Subject.task(TASK), field="payload")
    assert len(sealed) == 35
    with pytest.raises(Unsealable, match=f"The sealed payload is cut short: it has {length} bytes"):
        opened(sealer, sealed[:length])


@pytest.mark.parametrize(("head", "says"), [(b"\x03\x00\x00", "has version 3"), (b"\x02\x07\x00", "unknown binding 7")])
def test_an_envelope_from_elsewhere_is_refused(sealer: Sealer, head: bytes, says: str) -> None:
    with pytest.raises(Unsealable, match=says):
        opened(sealer, head + bytes(100))


def test_it_never_prints_a_key(sealer: Sealer) -> None:
    assert repr(sealer) == "Sealer(Keyring(2026:***, 2025:***))"
