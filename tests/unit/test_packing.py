"""How many tasks travel in one message."""

from dataclasses import dataclass
from uuid import UUID

from tidewheel_common.streams.bundle import Bundle
from tidewheel_common.streams.hint import Hint
from tidewheel_executor.packing import Pack, Packer, PackingRules


@dataclass(frozen=True)
class Item:
    bundle: Bundle


def item(number: int, handler: str = "short", *, timeout: float | None = None, lost: int = 0) -> Item:
    return Item(Bundle.of([Hint(UUID(int=number), 0, handler, timeout, lost)]))


def items(count: int, handler: str = "short") -> list[Item]:
    return [item(number, handler) for number in range(count)]


def packer(**rules: float) -> Packer:
    return Packer(PackingRules(budget=0.03, most=500, default_timeout=300.0, grace=5.0, **rules))


def knowing(handler: str, seconds: float, runs: int = 10_000) -> Packer:
    learned = packer()
    learned.observe({handler: [runs, runs * seconds, runs * seconds]})
    return learned


def numbers(entry: Item) -> list[int]:
    return [hint.task_id.int for hint in entry.bundle.hints]


def sizes(packs: list[Pack[Item]]) -> list[int]:
    return [len(pack.entries) for pack in packs]


def test_a_handler_that_never_ran_travels_alone() -> None:
    assert sizes(packer().pack(items(3), room=8)) == [1, 1, 1]


def test_a_short_handler_fills_a_message_with_thirty_milliseconds_of_work() -> None:
    assert sizes(knowing("short", 0.001).pack(items(90), room=2)) == [30, 30, 30]


def test_a_message_never_holds_more_than_five_hundred() -> None:
    assert sizes(knowing("short", 0.0).pack(items(1200), room=1)) == [500, 500, 200]


def bundles(count: int, size: int) -> list[Item]:
    hints = [Hint(UUID(int=number), 0, "short") for number in range(count * size)]
    return [Item(Bundle.of(hints[first : first + size])) for first in range(0, len(hints), size)]


def test_a_message_holds_whole_bundles_and_no_more_tasks_than_it_may() -> None:
    packs = knowing("short", 0.0).pack(bundles(20, 62), room=1)
    assert [pack.size for pack in packs] == [496, 496, 248]
    packs = knowing("short", 0.001).pack(bundles(20, 4), room=1)
    assert [pack.size for pack in packs] == [28, 28, 24]


def test_bundles_for_several_children_never_make_more_messages_than_children() -> None:
    learned = knowing("short", 0.001)
    for room in range(1, 9):
        for count in range(1, room * 7):
            packs = learned.pack(bundles(count, 4), room=room)
            assert len(packs) <= room
            assert max(pack.size for pack in packs) <= 30


def test_a_bundle_that_no_message_holds_is_a_message_and_short_work_all_the_same() -> None:
    learned = knowing("short", 0.01)
    (too_large,) = bundles(1, 4)
    (as_large,) = bundles(1, 3)
    assert [learned.is_too_large(entry.bundle) for entry in (too_large, as_large)] == [True, False]
    assert [learned.share(entry.bundle) for entry in (too_large, as_large)] == [1.0, 1.0]
    assert [learned.is_long(entry.bundle) for entry in (too_large, as_large)] == [False, False]
    assert [pack.long for pack in learned.pack([too_large, as_large], room=2)] == [False, False]
    assert learned.fits(too_large.bundle) == 1


def test_a_bundle_of_a_handler_without_history_is_too_large() -> None:
    (unknown,) = bundles(1, 2)
    assert packer().is_too_large(unknown.bundle)
    assert packer().is_long(unknown.bundle)


def test_how_large_a_bundle_may_be_is_told_once_it_does_not_depend_on_how_few_runs_there_were() -> None:
    learned = packer()
    learned.observe({"short": [124, 0.0, 0.0], "slow": [1, 0.01, 0.01], "slower": [1, 1.0, 1.0]})
    assert learned.bundle_sizes() == {"slow": 1, "slower": 1}
    learned.observe({"short": [1, 0.0, 0.0]})
    assert learned.bundle_sizes()["short"] == 62


def test_a_long_handler_travels_alone() -> None:
    assert sizes(knowing("long", 0.2).pack(items(3, "long"), room=1)) == [1, 1, 1]


def test_a_first_impression_packs_no_more_than_four_times_the_runs_behind_it() -> None:
    assert knowing("short", 0.0, runs=2).capacity("short") == 8


def test_one_slow_message_makes_packs_smaller_at_once() -> None:
    learned = knowing("short", 0.0001)
    learned.observe({"short": [300, 300.0, 300.0]})
    assert learned.capacity("short") == 1


def test_a_handler_becomes_short_again_only_by_and_by() -> None:
    learned = knowing("short", 0.1, runs=1)
    learned.observe({"short": [1, 0.0, 0.0]})
    assert learned.capacity("short") == 1
    learned.observe({"short": [100, 0.0, 0.0]})
    assert learned.capacity("short") > 100


def test_a_task_that_was_lost_travels_alone_between_packed_neighbours() -> None:
    entries = [item(1), item(2, lost=1), item(3)]
    packs = knowing("short", 0.001).pack(entries, room=1)
    assert [pack.entries for pack in packs] == [(entries[0], entries[2]), (entries[1],)]


def test_a_task_that_asks_for_more_than_the_default_timeout_travels_alone() -> None:
    packs = knowing("short", 0.001).pack([item(1), item(2, timeout=301.0), item(3)], room=1)
    assert sizes(packs) == [2, 1]
    assert (packs[1].soft, packs[1].hard) == (301.0, 306.0)


def test_tasks_of_different_timeouts_never_share_a_message() -> None:
    packs = knowing("short", 0.001).pack([item(1), item(2, timeout=2.0), item(3, timeout=2.0), item(4)], room=1)
    assert [(len(pack.entries), pack.hard) for pack in packs] == [(2, 305.0), (2, 7.0)]


def test_celery_interrupts_only_what_travels_alone() -> None:
    learned = knowing("short", 0.001)
    (alone,) = learned.pack(items(1), room=1)
    (packed,) = learned.pack(items(2), room=1)
    assert (alone.soft, alone.hard) == (300.0, 305.0)
    assert (packed.soft, packed.hard) == (None, 305.0)


def test_little_work_is_spread_over_free_children_but_not_into_crumbs() -> None:
    learned = knowing("short", 0.001)
    assert sizes(learned.pack(items(30), room=2)) == [15, 15]
    assert sizes(learned.pack(items(10), room=8)) == [8, 2]


def test_handlers_share_a_message() -> None:
    learned = knowing("short", 0.001)
    learned.observe({"other": [1000, 2.0, 2.0]})
    assert sizes(learned.pack([*items(10), *items(10, "other")], room=1)) == [20]


def test_handlers_of_a_lost_message_prove_themselves_anew() -> None:
    learned = knowing("short", 0.001)
    learned.forget(["short", "never-heard-of"])
    assert learned.capacity("short") == 1
    assert learned.shares() == {}


def test_shares_name_only_what_may_be_packed() -> None:
    learned = knowing("short", 0.01)
    learned.observe({"long": [5, 50.0, 50.0], "odd": [0, 1.0, 1.0]})
    assert learned.shares() == {"short": 1 / 3}


def test_order_is_kept() -> None:
    entries = items(100)
    packs = knowing("short", 0.001).pack(entries, room=1)
    assert [entry for pack in packs for entry in pack.entries] == entries


def test_what_takes_a_whole_message_is_long() -> None:
    learned = knowing("short", 0.001)
    learned.observe({"long": [9, 9.0, 9.0]})
    entries = [item(1), item(2, "long"), item(3, "new"), item(4, lost=1), item(5, timeout=301.0)]
    packs = learned.pack(entries, room=9)
    assert [pack.long for pack in packs] == [False, True, True, True, True]
    assert [learned.is_long(entry.bundle) for entry in entries] == [pack.long for pack in packs]


def test_coroutines_that_wait_long_are_packed_but_apart_from_short_work_and_in_a_lane() -> None:
    learned = knowing("short", 0.001)
    learned.observe({"waits": [1000, 1.0, 5000.0]})
    packs = learned.pack([item(1), item(2, "waits"), item(3), item(4, "waits")], room=1)
    assert [([number for entry in pack.entries for number in numbers(entry)], pack.long) for pack in packs] == [
        ([1, 3], False),
        ([2, 4], True),
    ]
    assert learned.lingering() == {"waits"}


def test_how_many_entries_of_a_handler_fit_a_message_is_one_for_what_is_long() -> None:
    known = knowing("short", 0.001)
    known.observe({"waits": (10_000, 1.0, 10_000.0)})
    assert known.capacity("waits") > 1
    hints = [
        item(1).bundle,
        item(2, lost=1).bundle,
        item(3, timeout=1000.0).bundle,
        item(4, "waits").bundle,
        item(5, "unknown").bundle,
    ]
    assert [known.fits(hint) for hint in hints] == [10, 1, 1, 1, 1]
