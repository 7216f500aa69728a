"""What a dispatcher says of the queues, as gateways read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel_common.streams.open_queues import OpenQueues

NAMES = st.text(min_size=1, max_size=20)


def opened(served: dict[str, set[str]], *closed: str) -> OpenQueues:
    return OpenQueues(
        served={queue: frozenset(handlers) for queue, handlers in served.items()},
        windows={},
        window=1000,
        closed=frozenset(closed),
    )


def test_an_executor_of_all_queues_serves_those_that_no_other_has() -> None:
    told = opened({"*": {"a"}, "mail": {"a", "b"}})
    assert told.handlers("mail") == {"a", "b"}
    assert told.handlers("other") == {"a"}


def test_nothing_goes_straight_to_a_queue_that_is_closed_or_not_served() -> None:
    told = opened({"mail": {"a"}, "reports": {"a"}}, "mail")
    assert told.handlers("mail") == frozenset()
    assert told.handlers("other") == frozenset()
    assert told.handlers("reports") == {"a"}


@pytest.mark.parametrize("text", [b"", b"open", b"[]", b"{}", b"[{}, {}, 0, [], {}]", b"[1, 2, 3, 4]", b"7"])
def test_what_another_release_says_is_not_understood(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        OpenQueues.read(text)


@given(
    served=st.dictionaries(NAMES, st.frozensets(NAMES)),
    windows=st.dictionaries(NAMES, st.integers(0, 10_000)),
    window=st.integers(0, 10_000),
    closed=st.frozensets(NAMES),
)
def test_what_is_written_is_what_is_read(
    served: dict[str, frozenset[str]], windows: dict[str, int], window: int, closed: frozenset[str]
) -> None:
    told = OpenQueues(served=served, windows=windows, window=window, closed=closed)
    assert OpenQueues.read(told.write().encode()) == told
