"""How hints share stream entries, and how that is written."""

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.streams.bundle import LARGEST, Bundle, bundle, hints_of, identities_of, largest, read_bundles
from tidewheel_common.streams.hint import Hint


def hint(number: int, handler: str = "short", *, attempt: int = 0, timeout: float | None = None) -> Hint:
    return Hint(UUID(int=number), attempt, handler, timeout)


def three_each(handler: str) -> int:
    return 1 if handler == "long" else 3


def numbers(bundles: list[Bundle]) -> list[list[int]]:
    return [[each.task_id.int for each in made.hints] for made in bundles]


HINTS = st.builds(
    Hint,
    st.uuids(),
    st.integers(0, 9),
    st.sampled_from(["short", "long", "has spaces", "ü\n"]),
    st.none() | st.floats(1e-9, 1e9),
    st.integers(0, 2),
    st.none() | st.just("00-ab-cd-01"),
)


@given(st.lists(HINTS))
def test_all_hints_come_out_as_they_went_in_and_those_of_a_handler_in_their_order(hints: list[Hint]) -> None:
    texts = [made.text for made in bundle(hints, three_each)]
    found = read_bundles(texts)
    assert Counter(found) == Counter(hints)
    for handler in {each.handler for each in hints}:
        alike = [each for each in hints if each == Hint(each.task_id, each.attempt, handler)]
        assert [each for each in found if each == Hint(each.task_id, each.attempt, handler)] == alike


@given(st.lists(HINTS))
def test_what_is_read_of_an_entry_is_what_was_written(hints: list[Hint]) -> None:
    for made in bundle(hints, three_each):
        assert Bundle.read(made.text) == made
        assert made.size == len(made.hints)
        assert [*identities_of(made.text)] == [(each.task_id.hex, str(each.attempt)) for each in made.hints]


def test_hints_of_a_handler_share_an_entry_where_the_first_of_them_stands() -> None:
    mixed = [hint(1), hint(2, "long"), hint(3), hint(4, "other"), hint(5), hint(6), hint(7, "long"), hint(8, "other")]
    assert numbers(bundle(mixed, three_each)) == [[1, 3, 5], [2], [4, 8], [6], [7]]


def test_what_travels_alone_has_an_entry_of_its_own() -> None:
    alone = [hint(1, timeout=5.0), hint(2)._replace(lost=1), hint(3)._replace(traceparent="00-ab-cd-01")]
    assert numbers(bundle([hint(0), *alone, hint(4)], three_each)) == [[0, 4], [1], [2], [3]]


def test_a_bundle_is_divided_in_its_order() -> None:
    (made,) = bundle([hint(number, attempt=number) for number in range(3)], three_each)
    assert numbers(made.split(2)) == [[0, 1], [2]]
    assert [each.attempt for each in read_bundles(part.text for part in made.split(1))] == [0, 1, 2]
    assert made.split(3) == [made]


def test_a_bundle_is_an_eighth_of_a_message_and_has_a_number_of_three_digits() -> None:
    assert [largest(capacity) for capacity in (1, 8, 15, 16, 500, 100_000)] == [1, 1, 1, 2, 62, LARGEST]
    assert hints_of(b"123-1795909592123456100") == LARGEST
    assert hints_of(b"1795909592123-0") == hints_of(b"1795909592123-7") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        f"{'a' * 32} 0 0 - -",
        f"{'a' * 31} 0 0 - - short",
        f"{'a' * 33} 0 0 - - short",
        f"{'A' * 32} 0 0 - - short",
        f"{'a' * 32},{'b' * 32} 0 0 - - short",
        f"{'a' * 32} 0,1 0 - - short",
        f"{'a' * 32}, 0,1 0 - - short",
        f"{'a' * 32} -1 0 - - short",
        f"{'a' * 32} 0 0 soon - short",
        f"{'a' * 32} 0 0 1e - short",
    ],
)
def test_what_no_dispatcher_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"entry|float"):
        Bundle.read(text)
