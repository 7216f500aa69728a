"""Who serves what, over time."""

from tidewheel_dispatcher.queries import Offer
from tidewheel_dispatcher.served import LINGER, Served


def offer(queues: str, handlers: str) -> Offer:
    return Offer(frozenset(queues.split()), frozenset(handlers.split()))


def test_an_executor_of_every_queue_serves_each() -> None:
    served = Served()
    served.update([offer("*", "a")], now=0.0)
    assert served.serves("anything")
    assert served.handlers("anything") == {"a"}


def test_a_queue_has_the_handlers_of_all_its_executors() -> None:
    served = Served()
    served.update([offer("*", "a"), offer("reports", "b"), offer("mail", "c")], now=0.0)
    assert served.handlers("reports") == {"a", "b"}


def test_a_queue_without_a_live_executor_is_not_served_although_its_handlers_are_remembered() -> None:
    served = Served()
    served.update([offer("mail", "a")], now=0.0)
    served.update([], now=1.0)
    assert not served.serves("mail")
    assert served.handlers("mail") == {"a"}


def test_a_handler_that_goes_for_a_moment_still_counts_as_served_and_is_not_new_when_it_returns() -> None:
    served = Served()
    served.update([offer("*", "a"), offer("*", "b")], now=0.0)
    assert served.update([offer("*", "a")], now=5.0) == frozenset()
    assert served.handlers("default") == {"a", "b"}
    assert served.update([offer("*", "a"), offer("*", "b")], now=10.0) == frozenset()


def test_a_handler_that_stays_away_is_forgotten_and_new_when_it_returns() -> None:
    served = Served()
    served.update([offer("*", "a"), offer("*", "b")], now=0.0)
    served.update([offer("*", "a")], now=LINGER)
    assert served.handlers("default") == {"a"}
    assert served.update([offer("*", "b")], now=LINGER + 1) == {("*", "b")}


def test_everything_is_new_to_a_dispatcher_that_has_just_started() -> None:
    assert Served().update([offer("x y", "a")], now=0.0) == {("x", "a"), ("y", "a")}
