"""Credit and acknowledgement of the messages that came off task streams.

What kombu's Redis transport does for acknowledgement (copies of every message in `unacked`, a visibility timeout,
restore loops) is switched off: a stream keeps what is pending by itself, and PostgreSQL owns recovery.
"""

from typing import TYPE_CHECKING, Any

from kombu.transport import virtual

from tidewheel_executor.transport.entry import Entry
from tidewheel_executor.transport.stock import StockMessage, StockQoS

if TYPE_CHECKING:
    from tidewheel_executor.transport.channel import Channel


class Message(StockMessage):
    """A message whose body was never serialized: the main process made it for its own children."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        super().__init__(payload, channel, **kwargs)
        self.entries: tuple[Entry, ...] | None = payload.get("entries")
        if self.entries is not None:
            self._decoded_cache = self.body


class QoS(StockQoS):
    """Counts what is in flight over all channels of this worker, and settles entries.

    Counting over channels matters after a reconnect: children may still be busy with what the old channel delivered.
    """

    channel: "Channel"
    restore_at_shutdown = False

    def can_consume(self) -> bool:
        """Tell whether a child will be free soon for another message."""
        if not self.prefetch_count or self.channel.intake is None:
            return bool(super().can_consume())
        return self.room > 0

    def can_consume_max_estimate(self) -> int:
        """Return how many messages there is room for."""
        return self.room

    @property
    def room(self) -> int:
        """How many more messages children can start soon."""
        in_flight = len(self.channel.intake.in_flight) if self.channel.intake is not None else 0
        return max(int(self.prefetch_count or in_flight + 1) - in_flight, 0)

    @property
    def lanes(self) -> int:
        """How many more long messages may start. Of several children one is left to the short ones."""
        taken = self.channel.intake.lanes_taken if self.channel.intake is not None else 0
        return max(max(int(self.prefetch_count or 0) - 1, 1) - taken, 0)

    def append(self, message: Message, delivery_tag: str) -> None:
        """Note a delivery."""
        if message.entries is None:
            super().append(message, delivery_tag)
        else:
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge all entries of a message; its room is free at once. Works on a closed channel too."""
        entries = self._entries(delivery_tag)
        if entries is None or self.channel.intake is None:
            super().ack(delivery_tag)
            return
        virtual.QoS.ack(self, delivery_tag)
        self.channel.intake.finish(delivery_tag, entries)
        self.channel.deliver_stash()
        self.channel.ask_now()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Acknowledge a rejected message, or give its entries back to the group."""
        entries = self._entries(delivery_tag)
        if entries is None or self.channel.intake is None:
            super().reject(delivery_tag, requeue)
        elif requeue:
            virtual.QoS.ack(self, delivery_tag)
            self.channel.intake.return_message(delivery_tag, entries)
        else:
            self.ack(delivery_tag)

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Do nothing: there is no visibility timeout."""

    def restore_unacked(self, *_: Any, **__: Any) -> None:
        """Do nothing: what is pending stays pending."""

    def restore_unacked_once(self, *_: Any, **__: Any) -> None:
        """Do nothing but forget the exit hook: what is not finished was given back, or others will claim it."""
        self._on_collect.cancel()

    def _entries(self, delivery_tag: str) -> tuple[Entry, ...] | None:
        message = self._delivered.get(delivery_tag)
        return message.entries if isinstance(message, Message) else None
