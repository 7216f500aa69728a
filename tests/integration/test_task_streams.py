"""The scripts and commands on task streams, on a real server."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

from tidewheel_common.core.task import Priority
from tidewheel_common.streams.bundle import FIELD, Bundle, hints_of
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import GROUP, stream_key, stream_keys
from tidewheel_executor.transport.entry import Entry, Unreadable
from tidewheel_executor.transport.reading import Pull, Pulled, doorbell, read_pulled, read_rung
from tidewheel_executor.transport.streams import TaskStreams

HIGH, MEDIUM, LOW = stream_keys("default")


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def streams(redis: Redis) -> TaskStreams:
    return TaskStreams(redis, consumer="here#1")


def hint(number: int, handler: str = "short", **more: Any) -> Hint:
    return Hint(task_id=UUID(int=number), attempt=0, handler=handler, **more)


def add(redis: Redis, stream: str, *hints: Hint) -> None:
    for each in hints:
        redis.xadd(stream, {FIELD: Bundle.of([each]).text})


def bundled(redis: Redis, stream: str, count: int, *, size: int, handler: str = "short") -> None:
    for first in range(0, count * size, size):
        alike = Bundle.of([hint(first + number, handler) for number in range(size)])
        redis.xadd(stream, {FIELD: alike.text})


def pull(redis: Redis, queues: Sequence[str] = ("default",), **terms: Any) -> Pulled:
    keys = [key for queue in queues for key in stream_keys(queue)]
    wanted: dict[str, Any] = {
        "consumer": "here#1", "room": 1000, "most": 2000, "longest": 300.0, "turn": 0, "lanes": 1000, "shares": {},
        **terms,
    }  # fmt: skip
    reply = redis.execute_command(*Pull(streams=keys, **wanted).command(loaded=False))  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return read_pulled(reply, keys)


def numbers_of(read: Iterable[Entry | Unreadable]) -> list[int]:
    return [hint.task_id.int for entry in read if isinstance(entry, Entry) for hint in entry.bundle.hints]


def numbers(pulled: Pulled) -> list[int]:
    return numbers_of(pulled.entries)


def entries(pulled: Pulled) -> list[Entry]:
    return [entry for entry in pulled.entries if isinstance(entry, Entry)]


def pending(redis: Redis, stream: str) -> int:
    found: Any = redis.xpending(stream, GROUP)
    return int(found["pending"])


def test_high_comes_before_medium_before_low(redis: Redis) -> None:
    for number, stream in enumerate([LOW, MEDIUM, HIGH, LOW, MEDIUM, HIGH]):
        add(redis, stream, hint(number))
    assert numbers(pull(redis)) == [2, 5, 1, 4, 0, 3]


def test_one_in_ten_comes_from_below_so_that_low_never_starves(redis: Redis) -> None:
    add(redis, HIGH, *(hint(number) for number in range(100)))
    add(redis, MEDIUM, *(hint(100 + number) for number in range(10)))
    add(redis, LOW, *(hint(200 + number) for number in range(10)))
    pulled = pull(redis, room=40)
    assert numbers(pulled) == [*range(9), 200, *range(9, 18), 100, *range(18, 27), 201, *range(27, 36), 101]
    assert numbers(pull(redis, room=10, turn=pulled.turn)) == [*range(36, 45), 202]


def test_queues_take_turns_and_an_empty_one_costs_nothing(redis: Redis) -> None:
    add(redis, stream_key("a", Priority.MEDIUM), *(hint(number) for number in range(50)))
    add(redis, stream_key("c", Priority.LOW), hint(100), hint(101))
    assert numbers(pull(redis, ["a", "b", "c"], room=6)) == [0, 100, 1, 101, 2, 3]


def test_a_pull_takes_exactly_what_there_is_room_for(redis: Redis) -> None:
    add(redis, MEDIUM, *(hint(number) for number in range(10)), *(hint(10 + number, "long") for number in range(10)))
    # Ten short ones fill the first message, a long one each of the other two.
    assert numbers(pull(redis, room=3, shares={"short": 0.1})) == [*range(12)]
    assert pending(redis, MEDIUM) == 12


def test_a_bundle_uses_the_room_of_all_its_hints(redis: Redis) -> None:
    bundled(redis, MEDIUM, 5, size=4)
    assert numbers(pull(redis, room=1, shares={"short": 0.1})) == [*range(8)]  # four more would not fit
    assert numbers(pull(redis, room=2, shares={"short": 0.1})) == [*range(8, 20)]


def test_a_pull_takes_at_most_so_many_hints(redis: Redis) -> None:
    bundled(redis, MEDIUM, 5, size=4)
    assert numbers(pull(redis, most=8)) == [*range(8)]


def test_bundles_of_what_lingers_use_lanes(redis: Redis) -> None:
    bundled(redis, MEDIUM, 5, size=4, handler="waits")
    shares, lingering = {"waits": 0.1}, {"waits"}
    assert numbers(pull(redis, room=5, lanes=1, shares=shares, lingering=lingering)) == [*range(12)]


def test_bundles_have_no_advantage_over_hints_that_come_one_by_one(redis: Redis) -> None:
    a, b = (stream_key(queue, Priority.MEDIUM) for queue in ("a", "b"))
    bundled(redis, a, 20, size=10)
    add(redis, b, *(hint(1000 + number) for number in range(200)))
    taken = numbers(pull(redis, ["a", "b"], room=1, shares={"short": 1 / 80}))
    assert (sum(number < 1000 for number in taken), len(taken)) == (40, 80)
    bundled(redis, LOW, 20, size=10)
    add(redis, HIGH, *(hint(1000 + number) for number in range(200)))
    taken = numbers(pull(redis, room=2, shares={"short": 1 / 80}))
    assert (sum(number < 1000 for number in taken), len(taken)) == (10, 160)  # one turn in ten comes from below


def test_without_a_lane_a_bundle_of_short_work_is_read_however_large_it_is(redis: Redis) -> None:
    bundled(redis, MEDIUM, 2, size=4)
    assert numbers(pull(redis, room=1, lanes=0, shares={"short": 0.5})) == [*range(4)]


def test_what_was_lost_or_may_run_long_takes_a_whole_message(redis: Redis) -> None:
    add(redis, MEDIUM, hint(1, lost=1), hint(2, timeout=301.0), hint(3, timeout=299.0), hint(4))
    assert numbers(pull(redis, room=2, shares={"short": 0.1})) == [1, 2]


def test_without_a_lane_only_what_is_short_is_read(redis: Redis) -> None:
    add(redis, HIGH, hint(1, "long"), hint(2))
    add(redis, MEDIUM, hint(3), hint(4, "long"), hint(5))
    add(redis, LOW, hint(6))
    pulled = pull(redis, lanes=1, shares={"short": 0.1})
    assert numbers(pulled) == [1, 2, 3, 6]  # the long one that follows waits for a lane, and what stands behind it
    assert (pulled.blocked, pending(redis, MEDIUM)) == (1, 1)
    pulled = pull(redis, lanes=0, shares={"short": 0.1})
    assert (numbers(pulled), pulled.blocked) == ([], 1)
    assert numbers(pull(redis, lanes=1, shares={"short": 0.1})) == [4, 5]


def test_what_lingers_uses_a_part_of_a_lane_as_of_a_message(redis: Redis) -> None:
    add(redis, MEDIUM, *(hint(number, "waits") for number in range(4)))
    shares, lingering = {"waits": 0.5}, {"waits"}
    assert numbers(pull(redis, room=5, lanes=1, shares=shares, lingering=lingering)) == [0, 1]
    pulled = pull(redis, room=5, lanes=0, shares=shares, lingering=lingering)
    assert (numbers(pulled), pulled.blocked) == ([], 1)


def test_without_a_lane_an_emptied_server_is_found_again(redis: Redis) -> None:
    add(redis, LOW, hint(1), hint(2), hint(3, "long"))
    pulled = pull(redis, lanes=0, shares={"short": 0.1})
    assert (pulled.made, numbers(pulled), pulled.blocked) == (3, [1, 2], 1)


def test_a_long_entry_that_was_acknowledged_by_another_blocks_nobody(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1, "long"), hint(2))
    streams.ack(entries(pull(redis, room=1, consumer="there#2")))
    assert numbers(pull(redis, lanes=0, shares={"short": 0.1})) == [2]


def test_a_pull_is_bounded_whatever_the_shares(redis: Redis) -> None:
    add(redis, MEDIUM, *(hint(number) for number in range(30)))
    assert len(numbers(pull(redis, room=1, most=20, shares={"short": 0.0001}))) == 20


def test_a_pull_from_an_emptied_server_makes_the_groups_and_misses_nothing(redis: Redis) -> None:
    assert pull(redis).made == 3
    redis.flushall()
    add(redis, LOW, hint(7))
    pulled = pull(redis)
    assert (pulled.made, numbers(pulled)) == (3, [7])
    assert pull(redis).made == 0


def test_an_entry_that_no_dispatcher_wrote_is_a_value(redis: Redis) -> None:
    redis.xadd(HIGH, {"what": "ever"})
    redis.xadd(HIGH, {"i": "not a uuid", "a": "0", "h": "short"})
    assert [type(entry) for entry in pull(redis).entries] == [Unreadable, Unreadable]


def test_a_doorbell_takes_at_most_one_entry_of_each_stream(redis: Redis) -> None:
    pull(redis)
    add(redis, HIGH, hint(1), hint(2))
    add(redis, LOW, hint(3))
    command = doorbell([HIGH, MEDIUM, LOW], "here#1", block=1.0, most=1)
    reply = redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    rung = numbers_of(read_rung(reply))
    assert rung == [1, 3]
    assert read_rung(None) == []


def test_a_doorbell_takes_as_many_of_each_stream_as_it_may_high_first(redis: Redis) -> None:
    pull(redis)
    add(redis, LOW, hint(6), hint(7))
    add(redis, HIGH, *(hint(number) for number in range(1, 6)))
    add(redis, MEDIUM, hint(8))

    def ring(most: int) -> list[int]:
        command = doorbell([HIGH, MEDIUM, LOW], "here#1", block=0.01, most=most)
        reply = redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return numbers_of(read_rung(reply))

    assert ring(3) == [1, 2, 3, 8, 6, 7]
    assert ring(3) == [4, 5]
    assert ring(3) == []
    assert pending(redis, HIGH) == 5


def test_an_ack_leaves_nothing_behind(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1), hint(2))
    add(redis, LOW, hint(3))
    streams.ack(pull(redis).entries)
    assert streams.sizes([HIGH, MEDIUM, LOW]) == 0
    assert (pending(redis, HIGH), pending(redis, LOW)) == (0, 0)


def test_an_ack_of_what_is_gone_is_no_error(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1))
    taken = pull(redis).entries
    redis.flushall()
    streams.ack(taken)


def test_what_is_given_back_waits_at_the_tail_for_anyone(redis: Redis, streams: TaskStreams) -> None:
    first = hint(1, "slow", timeout=2.5, lost=2, traceparent="00-ab-cd-01")
    add(redis, HIGH, first, hint(2))
    taken = entries(pull(redis, room=1))
    assert streams.give_back(taken) == 1
    again = entries(pull(redis, consumer="there#2"))
    assert [entry.bundle for entry in again] == [Bundle.of([hint(2)]), Bundle.of([first])]
    assert pending(redis, HIGH) == 2


def test_a_bundle_is_given_back_as_it_is(redis: Redis, streams: TaskStreams) -> None:
    bundled(redis, HIGH, 2, size=5)
    taken = entries(pull(redis))
    assert streams.give_back(taken) == 10
    again = entries(pull(redis, consumer="there#2"))
    assert [entry.bundle for entry in again] == [entry.bundle for entry in taken]
    assert [hints_of(entry.id) for entry in again] == [5, 5]


def test_a_part_of_an_entry_is_for_others_while_the_entry_stays(redis: Redis, streams: TaskStreams) -> None:
    bundled(redis, HIGH, 1, size=5)
    (entry,) = entries(pull(redis))
    _, *others = entry.bundle.split(2)
    streams.append(entry.stream, others)
    again = entries(pull(redis, consumer="there#2"))
    assert [numbers_of([each]) for each in again] == [[2, 3], [4]]
    assert [hints_of(each.id) for each in again] == [2, 1]
    assert pending(redis, HIGH) == 3


def test_a_full_redis_takes_acknowledgements(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1), hint(2))
    taken = entries(pull(redis))
    redis.config_set("maxmemory", "1")
    try:
        streams.ack(taken)
    finally:
        redis.config_set("maxmemory", "0")
    assert (streams.sizes([HIGH]), pending(redis, HIGH)) == (0, 0)


def test_an_entry_that_was_deleted_and_not_acknowledged_is_nobodys(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1))
    (entry,) = entries(pull(redis, consumer="dead#9"))
    redis.xdel(HIGH, entry.id)
    assert streams.claim_abandoned([HIGH], idle=0.0, most=10) == []
    assert pending(redis, HIGH) == 0


def test_what_someone_acknowledged_meanwhile_is_not_given_back(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1))
    taken = entries(pull(redis))
    streams.ack(taken)
    assert streams.give_back(taken) == 0
    assert streams.give_back([]) == 0
    assert streams.sizes([HIGH]) == 0


def test_entries_of_a_silent_consumer_are_taken_over_and_held_ones_are_not(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1))
    add(redis, MEDIUM, hint(2))
    pull(redis, consumer="dead#9")
    for stream in (HIGH, MEDIUM):  # let them look an hour old
        entry_id = redis.xpending_range(stream, GROUP, "-", "+", 1)[0]["message_id"]
        redis.xclaim(stream, GROUP, "dead#9", 0, [entry_id], idle=3_600_000, justid=True)
    claimed = streams.claim_abandoned([HIGH, MEDIUM, LOW], idle=30.0, most=100)
    assert numbers_of(claimed) == [1, 2]
    streams.hold(claimed)
    assert streams.claim_abandoned([HIGH, MEDIUM], idle=30.0, most=100) == []
    assert [each["name"] for each in redis.xpending(HIGH, GROUP)["consumers"]] == [b"here#1"]


def test_looking_after_entries_survives_an_emptied_server(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1))
    taken = pull(redis).entries
    redis.flushall()
    streams.hold(taken)
    assert streams.claim_abandoned([HIGH], idle=0.0, most=10) == []
    assert streams.bury([HIGH]) == 0


def test_a_consumer_that_leaves_is_removed_unless_something_is_pending_for_it(
    redis: Redis, streams: TaskStreams
) -> None:
    add(redis, HIGH, hint(1))
    taken = pull(redis).entries
    streams.leave([HIGH, MEDIUM, LOW])
    assert [each["name"] for each in redis.xinfo_consumers(HIGH, GROUP)] == [b"here#1"]
    streams.ack(taken)
    streams.leave([HIGH, MEDIUM, LOW])
    assert redis.xinfo_consumers(HIGH, GROUP) == []


def test_a_live_consumer_is_not_buried(redis: Redis, streams: TaskStreams) -> None:
    pull(redis, consumer="there#2")
    assert streams.bury([HIGH, MEDIUM, LOW]) == 0


def test_clearing_counts_what_it_removes(redis: Redis, streams: TaskStreams) -> None:
    add(redis, HIGH, hint(1), hint(2))
    assert streams.clear([HIGH, MEDIUM, LOW]) == 2
    assert streams.sizes([HIGH]) == 0
