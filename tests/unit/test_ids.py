"""Ids of the driver's kind are Python's UUIDs to whoever meets them."""

from uuid import UUID

import pytest

from tidewheel_common.store.ids import make_id, uuid7


def test_an_id_is_the_uuid_of_its_text_or_its_bytes() -> None:
    known = UUID("0199c0de-0000-7000-8000-00000000abcd")
    for made in (make_id(str(known)), make_id(known.hex), make_id(known.bytes)):
        assert isinstance(made, UUID)
        assert (made, str(made), made.hex, made.bytes, hash(made)) == (
            known, str(known), known.hex, known.bytes, hash(known),
        )  # fmt: skip
        assert {made: 1}[known] == 1


def test_what_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="UUID"):
        make_id("not-an-id")


def test_new_ids_are_of_version_7_and_grow() -> None:
    made = [uuid7() for _ in range(1_000)]
    assert {each.version for each in made} == {7}
    assert made == sorted(set(made))
