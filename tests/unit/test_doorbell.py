"""What a channel asks next, by what a doorbell brought; without a server."""

from collections.abc import Sequence
from queue import Empty
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from tidewheel_common.streams.bundle import FIELD, Bundle
from tidewheel_common.streams.hint import Hint
from tidewheel_common.streams.keys import stream_keys
from tidewheel_executor.packing import Packer, PackingRules
from tidewheel_executor.transport.channel import PULL_MOST, Channel
from tidewheel_executor.transport.entry import Entry
from tidewheel_executor.transport.intake import Intake
from tidewheel_executor.transport.streams import TaskStreams

HIGH, MEDIUM, LOW = stream_keys("default")
OTHER_HIGH, _, OTHER_LOW = stream_keys("other")


class Bare(Channel):
    """A channel that was never connected: its answers are what a test says, and what it delivers is noted."""

    def __init__(self, *, room: int = 2, lanes: int = 1) -> None:
        made = Intake(packer=Packer(PackingRules()), serves=lambda _: True, boot="b", abandoned_after=15.0)
        made.learn({"short": (10_000, 10.0, 10.0), "heavy": (10_000, 100.0, 100.0), "long": (10, 10.0, 10.0)})
        self.intake = made
        self.sent: list[Sequence[Any]] = []
        self.reply: Any = None
        self.returned: list[Entry] = []
        self.given: list[Entry] = []
        self.places = SimpleNamespace(room=room, lanes=lanes, can_consume=lambda: True)
        wire = SimpleNamespace(send_command=lambda *command: self.sent.append(command))
        self.client = SimpleNamespace(connection=wire, parse_response=lambda *_: self.reply)
        made._streams = cast("TaskStreams", SimpleNamespace(give_back=self._noted))
        self._drained = True
        self.brpop_timeout = 1
        self.connection_errors = ()

    qos = property(lambda self: self.places)
    task_streams = property(lambda _: {key: queue for queue in ("default", "other") for key in stream_keys(queue)})

    def _noted(self, entries: Sequence[Entry], **_: object) -> int:
        self.returned += entries
        return len(entries)

    def _flush_brpop_reauth(self) -> None:
        pass

    def _deliver_room(self, _: Intake, entries: Sequence[Entry]) -> None:
        self.given += entries

    def ask(self) -> Sequence[Any]:
        """Ask, and return the command."""
        self._brpop_start()
        return self.sent[-1]

    def ring(self, **brought: Sequence[Hint]) -> None:
        """Ask a doorbell, and let it bring hints to streams."""
        assert self.ask()[0] == "XREADGROUP"
        streams = {"high": HIGH, "medium": MEDIUM, "low": LOW, "other_high": OTHER_HIGH, "other_low": OTHER_LOW}
        self.reply = [
            (
                streams[name].encode(),
                [(b"%d-0" % hint.task_id.int, {FIELD: Bundle.of([hint]).text.encode()}) for hint in hints],
            )
            for name, hints in brought.items()
        ]
        self._brpop_read()


def hints(first: int, count: int, handler: str = "short") -> list[Hint]:
    return [Hint(UUID(int=first + number), 0, handler) for number in range(count)]


def numbers(entries: Sequence[Entry]) -> list[int]:
    return [hint.task_id.int for entry in entries for hint in entry.bundle.hints]


def most(command: Sequence[Any]) -> int:
    return int(command[command.index("COUNT") + 1])


def test_a_doorbell_that_brought_less_than_it_might_is_followed_by_another() -> None:
    channel = Bare()
    assert most(channel.ask()) == 2
    channel.ring(medium=hints(1, 1))
    assert numbers(channel.given) == [1]
    assert most(channel.ask()) == 20  # two children, thirty tasks in a message, and three may share an entry


def test_a_doorbell_that_brought_all_that_it_might_is_followed_by_a_pull() -> None:
    channel = Bare()
    channel.ring(medium=hints(1, 2))
    assert channel.ask()[0] in {"EVAL", "EVALSHA"}


def test_a_doorbell_never_asks_for_everything() -> None:
    channel = Bare(room=1000)
    assert channel.intake is not None
    channel.intake.admit([Entry(HIGH, b"1-0", Bundle.of(hints(1, 1)))])
    assert most(channel.ask()) == PULL_MOST


def test_what_came_unlike_the_last_is_kept_as_far_as_there_is_room_and_a_pull_minds_the_rest() -> None:
    channel = Bare()
    channel.ring(medium=hints(1, 1))
    channel.ring(medium=hints(2, 20, "heavy"))
    assert channel.intake is not None
    assert channel.intake.packer.capacity("heavy") == 3
    assert numbers(channel.given) == [1, *range(2, 8)]
    assert numbers(channel.returned) == list(range(8, 22))
    assert channel.ask()[0] in {"EVAL", "EVALSHA"}


def test_a_long_one_without_a_lane_is_given_back_once_and_then_left_to_pulls() -> None:
    channel = Bare(lanes=0)
    channel.ring(medium=hints(1, 1, "long"))
    assert numbers(channel.returned) == [1]
    assert channel.given == []
    assert channel.ask()[0] in {"EVAL", "EVALSHA"}
    channel.reply = [0, 0, [], [1]]
    channel.connection = SimpleNamespace(wake_in=lambda _: None)
    with pytest.raises(Empty):
        channel._brpop_read()
    assert not channel._drained  # it is still there, so a doorbell would take it again


def test_what_room_there_is_goes_to_the_more_urgent_of_all_queues() -> None:
    channel = Bare(room=1, lanes=9)
    channel.ring(low=hints(1, 1, "long"), other_high=hints(2, 1, "long"))
    assert numbers(channel.given) == [2]
    assert numbers(channel.returned) == [1]
