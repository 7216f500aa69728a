"""kombu's own Redis transport and event loop, with types for the private names that we use or override.

The published stubs leave these out. tests/unit/test_transport_contract.py checks that each exists as it is written
here.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from kombu.asynchronous import hub
from kombu.transport import redis, virtual

if TYPE_CHECKING:
    from vine import promise

    class StockMessage(virtual.Message):
        """A message of a virtual transport."""

        _decoded_cache: Any

    class StockQoS(redis.QoS):
        """Credit and acknowledgement."""

        _delivered: OrderedDict[str, Any]
        _dirty: set[str]
        _on_collect: Any

    class StockChannel(redis.Channel):
        """A channel of the Redis transport."""

        connection: Any
        connection_errors: tuple[type[BaseException], ...]
        brpop_timeout: int
        qos: Any
        _in_poll: Any
        _brpop_sent_at: float | None
        _closing: bool
        _qos: Any

        def _brpop_start(self, timeout: float | None = None) -> None: ...
        def _brpop_read(self, **options: Any) -> bool: ...
        def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None: ...
        def maybe_refresh_binding_expiry(self) -> None: ...  # noqa: D102 -- kombu documents it
        def _basic_cancel(self, consumer_tag: str) -> promise | None: ...
        def _connparams(self, asynchronous: bool = False) -> dict[str, Any]: ...
        def _flush_brpop_reauth(self) -> None: ...

    class StockTransport(redis.Transport):
        """The Redis transport."""

        channels: list[Any]

        def _deliver(self, message: dict[str, Any], queue: str | None) -> None: ...

    class StockHub(hub.Hub):
        """The event loop."""

        readers: dict[int, Any]
        writers: dict[int, Any]
        consolidate: set[int]

        def add(  # noqa: D102 -- kombu documents it
            self, fd: Any, callback: Any, flags: int, args: tuple[Any, ...] = (), consolidate: bool = False
        ) -> None: ...

else:
    StockHub = hub.Hub
    StockMessage = virtual.Message
    StockQoS = redis.QoS
    StockChannel = redis.Channel
    StockTransport = redis.Transport

__all__ = ["StockChannel", "StockHub", "StockMessage", "StockQoS", "StockTransport"]
