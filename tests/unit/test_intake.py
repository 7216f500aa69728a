"""Which messages go to children, and which wait in the worker."""

from uuid import UUID

from tidewheel_common.streams.hint import Hint
from tidewheel_executor.packing import Packer, PackingRules
from tidewheel_executor.transport.entry import Entry
from tidewheel_executor.transport.intake import Intake


def entry(number: int, handler: str = "short") -> Entry:
    return Entry(stream="s", id=str(number).encode(), hint=Hint(UUID(int=number), 0, handler))


def intake() -> Intake:
    made = Intake(packer=Packer(PackingRules()), serves=lambda _: True, boot="b", abandoned_after=15.0)
    made.learn({"short": (10_000, 10.0, 10.0), "long": (10, 10.0, 10.0)})
    return made


def filled(made: Intake, entries: list[Entry], *, room: int, lanes: int) -> list[list[int]]:
    return [[each.hint.task_id.int for each in pack.entries] for pack in made.fill(entries, room=room, lanes=lanes)]


def test_a_long_message_without_a_lane_is_overtaken_by_the_short_ones_behind_it() -> None:
    made = intake()
    entries = [entry(1, "long"), entry(2, "long"), entry(3), entry(4)]
    assert filled(made, entries, room=3, lanes=1) == [[1], [3, 4]]
    assert made.stash == [entries[1]]
    assert filled(made, [entry(5)], room=2, lanes=0) == [[5]]
    assert filled(made, [], room=2, lanes=1) == [[2]]
    assert made.stash == []


def test_what_finds_no_child_waits_whatever_its_length() -> None:
    made = intake()
    assert filled(made, [entry(1, "long"), entry(2)], room=1, lanes=9) == [[1]]
    assert filled(made, [entry(3)], room=1, lanes=9) == [[2, 3]]


def test_a_lane_is_taken_until_its_message_has_ended() -> None:
    made = intake()
    for tag, pack in enumerate(made.fill([entry(1, "long"), entry(2)], room=2, lanes=2)):
        made.deliver(str(tag), pack)
    assert made.lanes_taken == 1
    made.finish("1", [entry(2)])
    assert made.lanes_taken == 1
    made.finish("0", [entry(1, "long")])
    assert made.lanes_taken == 0


def test_what_a_doorbell_took_without_a_lane_is_turned_away() -> None:
    made = intake()
    entries = [entry(1, "long"), entry(2), entry(3, "long")]
    assert made.turn_away(entries, room=9, lanes=1) == entries[:2]
    assert made.turn_away(entries, room=9, lanes=0) == [entries[1]]


def test_what_a_doorbell_took_is_kept_as_far_as_children_have_room_for_it() -> None:
    made = intake()
    made.learn({"halves": (10_000, 150.0, 150.0)})
    assert made.packer.capacity("halves") == 2
    halves = [entry(number, "halves") for number in range(10)]
    assert made.turn_away(halves, room=2, lanes=0) == halves[:4]
    short = [entry(number) for number in range(100)]
    assert made.turn_away(short, room=2, lanes=0) == short[:60]
    assert made.turn_away([*halves[:3], *short], room=2, lanes=0) == [*halves[:3], *short[:15]]
    long = [entry(number, "long") for number in range(5)]
    assert made.turn_away(long, room=3, lanes=9) == long[:3]


def test_what_was_turned_away_may_be_read_again() -> None:
    made = intake()
    entries = made.admit([entry(1, "long"), entry(2)])
    assert made.turn_away(entries, room=9, lanes=0) == entries[1:]
    assert made.admit(entries) == entries[:1]


def test_the_next_are_expected_to_be_like_the_last() -> None:
    made = intake()
    assert made.likely(room=3) == 3
    made.admit([entry(1, "long"), entry(2)])
    assert made.likely(room=3) == 90
    made.admit([entry(2)])  # held already: it says nothing
    assert made.likely(room=2) == 60
    made.admit([entry(3), entry(4, "unknown")])
    assert made.likely(room=3) == 3
