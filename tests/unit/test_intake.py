"""Which messages go to children, and which wait in the worker."""

from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import UUID

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tidewheel_common.streams.bundle import Bundle, read_bundles
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.packing import Packer, PackingRules
from tidewheel_executor.transport.entry import Entry
from tidewheel_executor.transport.intake import SETTLE_MOST, Intake


def entry(number: int, handler: str = "short") -> Entry:
    return Entry(stream="s", id=str(number).encode(), bundle=Bundle.of([Hint(UUID(int=number), 0, handler)]))


def intake() -> Intake:
    made = Intake(packer=Packer(PackingRules()), serves=lambda _: True, boot="b", abandoned_after=15.0)
    made.learn({"short": (10_000, 10.0, 10.0), "long": (10, 10.0, 10.0)})
    return made


def numbers(entries: Iterable[Entry]) -> list[int]:
    return [hint.task_id.int for entry in entries for hint in entry.bundle.hints]


def numbers_in(text: str) -> list[int]:
    return [hint.task_id.int for hint in read_bundles([text])]


def filled(made: Intake, entries: list[Entry], *, room: int, lanes: int) -> list[list[int]]:
    return [numbers(pack.entries) for pack in made.fill(entries, room=room, lanes=lanes)]


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
    long, short = [made.deliver(pack) for pack in made.fill([entry(1, "long"), entry(2)], room=2, lanes=2)]
    assert made.lanes_taken == 1
    made.finish(short, [entry(2)])
    assert made.lanes_taken == 1
    made.finish(long, [entry(1, "long")])
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
    assert made.likely(room=3) == 30  # thirty a message, and three may share an entry
    made.admit([entry(2)])  # held already: it says nothing
    assert made.likely(room=2) == 20
    made.admit([entry(3), entry(4, "unknown")])
    assert made.likely(room=3) == 3


def many(first: int, size: int, handler: str = "short") -> Entry:
    hints = [Hint(UUID(int=first + number), 0, handler) for number in range(size)]
    return Entry(stream="s", id=str(first).encode(), bundle=Bundle.of(hints))


def test_bundles_like_the_last_are_expected_and_not_hints() -> None:
    made = intake()
    made.admit([many(1, 3)])
    assert made.likely(room=2) == 20


def test_what_does_not_fit_beside_the_rest_is_turned_away_and_does_not_wait_here() -> None:
    made = intake()
    entries = [many(number, 4) for number in range(0, 80, 4)]
    assert made.turn_away(entries, room=1, lanes=0) == entries[:7]
    assert filled(made, entries[:7], room=1, lanes=0) == [[*range(28)]]
    assert made.stash == []


def test_of_a_bundle_that_no_message_holds_a_part_is_kept_and_the_rest_is_for_others() -> None:
    made, redis, _ = settling()
    assert filled(made, [many(1, 70), many(101, 2)], room=2, lanes=0) == [[*range(1, 31)], [101, 102]]
    assert [numbers_in(text) for text in redis.appended] == [[*range(31, 61)], [*range(61, 71)]]
    assert made.stash == []


def test_after_a_lost_message_what_waits_here_proves_itself_anew() -> None:
    made, redis, _ = settling()
    assert filled(made, [many(1, 3), many(11, 2)], room=0, lanes=1) == []
    made.lose(many(21, 2).bundle.hints)
    assert filled(made, [], room=2, lanes=2) == [[1], [11]]
    assert [numbers_in(text) for text in redis.appended] == [[2], [3], [12]]


def test_a_bundle_that_redis_has_no_room_to_divide_is_a_message() -> None:
    made, redis, _ = settling()
    redis.away = True
    assert filled(made, [many(1, 70)], room=2, lanes=0) == [[*range(1, 71)]]


class Answering:
    """A Redis that notes what is acknowledged, unless it is away."""

    def __init__(self) -> None:
        self.acknowledged: list[list[bytes]] = []
        self.told: list[dict[str, int]] = []
        self.appended: list[str] = []
        self.away = False
        self.full = False

    def register_script(self, _: str) -> Callable[..., None]:
        return self.append

    def append(self, *, keys: list[str], args: list[Any]) -> None:
        if self.away:
            raise RedisConnectionError
        assert (keys, args[0]) == (["s"], len(args) // 2)
        self.appended += args[2::2]

    def pipeline(self, **_: object) -> "Answering":
        return self

    def xack(self, _: str, __: str, *ids: bytes) -> None:
        if self.away:
            raise RedisConnectionError
        self.acknowledged.append([*ids])

    def xdel(self, *_: Any) -> None:
        return None

    def hset(self, _: str, *, mapping: dict[str, int]) -> None:
        if self.full:
            raise RedisConnectionError
        self.told.append(mapping)

    def expire(self, *_: Any) -> None:
        return None

    def execute(self) -> None:
        return None


class Turning:
    """An event loop that does what is due when it is told to turn."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _: float, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def settling() -> tuple[Intake, Answering, Turning]:
    made, redis, loop = intake(), Answering(), Turning()
    made.open(lambda: cast(Redis, redis))
    made.later = loop.call_later
    return made, redis, loop


def test_what_ends_in_one_moment_is_acknowledged_together() -> None:
    made, redis, loop = settling()
    made.finish("1", [entry(1)])
    made.finish("2", [entry(2), entry(3)])
    assert redis.acknowledged == []
    assert len(loop.due) == 1
    loop.turn()
    assert redis.acknowledged == [[b"1", b"2", b"3"]]
    made.finish("3", [entry(4)])
    loop.turn()
    assert redis.acknowledged[1:] == [[b"4"]]


def test_much_that_has_ended_waits_for_nothing() -> None:
    made, redis, loop = settling()
    made.finish("1", [entry(number) for number in range(SETTLE_MOST)])
    assert [len(ids) for ids in redis.acknowledged] == [SETTLE_MOST]
    loop.turn()
    assert len(redis.acknowledged) == 1


def test_what_was_learnt_is_told_when_it_is_news_and_again_before_it_is_forgotten() -> None:
    made, redis, loop = settling()
    made.finish("1", [entry(1)])
    loop.turn()
    assert redis.told == [{"short": 3, "long": 1}]
    made.learn({"short": (1, 0.001, 0.001)})
    made.finish("2", [entry(2)])
    loop.turn()
    assert len(redis.told) == 1
    made.learn({"short": (1_000, 0.1, 0.1)})
    made.finish("3", [entry(3)])
    loop.turn()
    assert redis.told[1]["short"] > 3
    made.tell_all()
    assert redis.told[2:] == redis.told[1:2]


def test_what_cannot_be_told_costs_no_acknowledgement_and_is_told_later() -> None:
    made, redis, loop = settling()
    redis.full = True
    made.finish("1", [entry(1)])
    loop.turn()
    assert (redis.acknowledged, redis.told) == ([[b"1"]], [])
    redis.full = False
    made.finish("2", [entry(2)])
    loop.turn()
    assert (redis.acknowledged[1:], redis.told) == ([[b"2"]], [{"short": 3, "long": 1}])


def test_without_an_event_loop_nothing_waits() -> None:
    made, redis, _ = settling()
    made.finish("1", [entry(1)])
    made.later = None
    made.finish("2", [entry(2)])
    assert redis.acknowledged == [[b"1", b"2"]]


def test_a_loop_that_has_forgotten_does_not_keep_the_next_one_from_acknowledging() -> None:
    made, redis, loop = settling()
    made.finish("1", [entry(1)])
    loop.due.clear()
    made.settle_now()  # as whoever notices that the loop rests
    made.finish("2", [entry(2)])
    loop.turn()
    assert redis.acknowledged == [[b"1"], [b"2"]]


def test_what_could_not_be_acknowledged_is_owed() -> None:
    made, redis, loop = settling()
    redis.away = True
    made.finish("1", [entry(1)])
    loop.turn()
    redis.away = False
    made.finish("2", [entry(2)])
    loop.turn()
    assert redis.acknowledged == [[b"1", b"2"]]
