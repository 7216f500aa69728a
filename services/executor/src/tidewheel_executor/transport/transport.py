"""The kombu transport that Celery is told to use: `broker_transport="tidewheel_executor.transport:Transport"`."""

from typing import Any

from tidewheel_executor.transport.channel import Channel
from tidewheel_executor.transport.stock import StockTransport

TENDINGS = 6
"""Rounds of looking after what is pending in the time after which it counts as abandoned."""


def _turn() -> None:
    """Do nothing: that the event loop turns is all."""


class Transport(StockTransport):
    """Redis, with task queues as streams. `driver_type` stays `redis`: Celery's features depend on it."""

    Channel = Channel

    _ticks: frozenset[Any] = frozenset()
    _hub: Any = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Hook into the event loop of the worker, once for each connection."""
        before = set(loop.on_tick)
        super().register_with_event_loop(connection, loop)
        self._hub, self._ticks = loop, frozenset(loop.on_tick - before)
        if (intake := connection.client.transport_options.get("intake")) is not None:
            loop.call_repeatedly(intake.abandoned_after / TENDINGS, self._tend)

    def close_connection(self, connection: Any) -> None:
        """Close all channels, and leave the event loop: kombu would stay in `on_tick` for ever."""
        if self._hub is not None:
            self._hub.on_tick.difference_update(self._ticks)
        super().close_connection(connection)

    def wake_in(self, seconds: float) -> None:
        """Let the event loop turn in a moment, whatever else happens."""
        if self._hub is not None:
            self._hub.call_later(seconds, _turn)

    def _tend(self) -> None:
        for channel in list(self.channels):
            channel.tend()
