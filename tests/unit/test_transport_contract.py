"""The private names of kombu and Celery that the executor overrides or uses, as they are in the pinned versions.

When one of these fails after an upgrade, read what changed before changing the test.
"""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from celery.app import trace
from celery.concurrency.prefork import TaskPool
from celery.worker import components, state
from celery.worker import request as celery_request
from celery.worker.consumer import Consumer
from celery.worker.consumer.connection import Connection
from celery.worker.consumer.tasks import Tasks
from kombu.asynchronous import Hub
from kombu.message import Message as StockMessage
from kombu.transport import redis, virtual
from kombu.transport.redis import MultiChannelPoller

from tidewheel_executor.request import ExecuteRequest
from tidewheel_executor.transport import Transport
from tidewheel_executor.transport.channel import Channel
from tidewheel_executor.transport.qos import Message, QoS


def parameters(function: Any) -> list[str]:
    return [str(parameter).partition(":")[0] for parameter in inspect.signature(function).parameters.values()]


def source(owner: Any, name: str) -> str:
    member: Any = inspect.getattr_static(owner, name)
    text: Any = member.fget if isinstance(member, property) else member
    return inspect.getsource(text)


def test_the_versions_are_the_ones_that_this_was_written_for() -> None:
    assert (version("kombu"), version("celery")) == ("5.7.0", "5.7.0")


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (redis.Channel, "_brpop_start", ["self", "timeout=None"]),
        (redis.Channel, "maybe_refresh_binding_expiry", ["self"]),
        (redis.Channel, "_queue_bind", ["self", "exchange", "routing_key", "pattern", "queue"]),
        (redis.Channel, "_brpop_read", ["self", "**options"]),
        (redis.Channel, "_basic_cancel", ["self", "consumer_tag"]),
        (redis.Channel, "_connparams", ["self", "asynchronous=False"]),
        (redis.Channel, "_flush_brpop_reauth", ["self"]),
        (redis.Channel, "_put", ["self", "queue", "message", "**kwargs"]),
        (redis.Channel, "_get", ["self", "queue"]),
        (redis.Channel, "_size", ["self", "queue"]),
        (redis.Channel, "_purge", ["self", "queue"]),
        (redis.Channel, "_has_queue", ["self", "queue", "**kwargs"]),
        (redis.Channel, "basic_consume", ["self", "queue", "*args", "**kwargs"]),
        (redis.Channel, "close", ["self"]),
        (redis.QoS, "append", ["self", "message", "delivery_tag"]),
        (redis.QoS, "ack", ["self", "delivery_tag"]),
        (redis.QoS, "reject", ["self", "delivery_tag", "requeue=False"]),
        (redis.QoS, "restore_visible", ["self", "start=0", "num=10", "interval=10"]),
        (redis.QoS, "restore_unacked", ["self", "client=None"]),
        (virtual.QoS, "restore_unacked_once", ["self", "stderr=None"]),
        (virtual.QoS, "can_consume", ["self"]),
        (virtual.QoS, "can_consume_max_estimate", ["self"]),
        (virtual.QoS, "append", ["self", "message", "delivery_tag"]),
        (virtual.QoS, "ack", ["self", "delivery_tag"]),
        (virtual.Message, "__init__", ["self", "payload", "channel=None", "**kwargs"]),
        (redis.Transport, "register_with_event_loop", ["self", "connection", "loop"]),
        (virtual.Transport, "close_connection", ["self", "connection"]),
        (virtual.Transport, "_deliver", ["self", "message", "queue"]),
        (Hub, "add", ["self", "fd", "callback", "flags", "args=()", "consolidate=False"]),
        (Hub, "remove_writer", ["self", "fd"]),
        (Hub, "call_later", ["self", "delay", "callback", "*args"]),
        (Hub, "call_repeatedly", ["self", "delay", "callback", "*args"]),
        (
            Consumer,
            "add_task_queue",
            ["self", "queue", "exchange=None", "exchange_type=None", "routing_key=None", "**options"],
        ),
        (
            celery_request.Request,
            "on_success",
            ["self", "failed__retval__runtime", "**kwargs"],
        ),
        (celery_request.Request, "on_failure", ["self", "exc_info", "send_failed_event=True", "return_ok=False"]),
        (celery_request.Request, "on_timeout", ["self", "soft", "timeout"]),
        (celery_request.Request, "_announce_revoked", ["self", "reason", "terminated", "signum", "expired"]),
    ],
)
def test_a_name_that_we_override_or_call_is_as_it_was(owner: type, name: str, expected: list[str]) -> None:
    assert parameters(getattr(owner, name)) == expected


def test_a_channel_is_born_with_what_the_poller_and_we_set() -> None:
    born = {"_in_poll": False, "_brpop_sent_at": None, "_closing": False}
    assert {name: getattr(redis.Channel, name) for name in born} == born
    assert "'BRPOP': self._brpop_read" in source(redis.Channel, "__init__")
    assert "self.brpop_timeout = self.connection.brpop_timeout" in source(redis.Channel, "__init__")


def test_transport_options_reach_the_channel_as_attributes() -> None:
    assert "intake" in Channel.from_transport_options
    assert set(redis.Channel.from_transport_options) < set(Channel.from_transport_options)
    assert "setattr(self, opt_name, topts[opt_name])" in source(virtual.Channel, "__init__")


def test_the_poller_asks_when_nothing_is_asked_and_there_is_credit() -> None:
    text = source(MultiChannelPoller, "_register_BRPOP")
    assert "if not channel._in_poll:" in text
    assert "channel._brpop_start()" in text
    assert "if channel.qos.can_consume():" in source(MultiChannelPoller, "on_poll_start")


def test_the_poller_drops_a_connection_that_does_not_answer_a_doorbell() -> None:
    text = source(MultiChannelPoller, "maybe_check_brpop_health")
    assert "channel._brpop_sent_at" in text
    assert "channel.brpop_timeout + channel.health_check_interval" in text


def test_stock_quality_of_service_keeps_what_is_delivered_in_an_ordered_mapping_and_a_finalizer() -> None:
    text = source(virtual.QoS, "__init__")
    assert "self._delivered = OrderedDict()" in text
    assert "self._on_collect = Finalize(" in text


def test_a_message_caches_its_decoded_body_under_the_name_that_we_set() -> None:
    assert "self._decoded_cache if self._decoded_cache else" in source(StockMessage, "payload")
    assert QoS.restore_at_shutdown is False
    assert issubclass(Message, virtual.Message)


def test_a_body_without_a_content_type_reaches_the_child_as_it_is() -> None:
    for name in ("trace_task_ret", "fast_trace_task"):
        assert "    else:\n        args, kwargs, embed = body" in source(trace, name)
    assert "message.content_type, message.content_encoding" in source(celery_request.Request, "__init__")


def test_kombu_hooks_into_every_turn_of_the_event_loop_and_never_out_again() -> None:
    text = source(redis.Transport, "register_with_event_loop")
    assert "loop.on_tick.add(on_poll_start)" in text
    assert "on_tick" not in source(virtual.Transport, "close_connection")


def test_a_stray_key_error_still_looks_like_a_lost_connection() -> None:
    assert KeyError in redis.Transport.connection_errors


def test_celery_still_sees_redis() -> None:
    assert Transport.driver_type == "redis"


def test_our_success_hook_survives_the_class_that_celery_derives() -> None:
    class App:
        use_fast_trace_task = True

    class Task:
        time_limit = soft_time_limit = None
        acks_late = True

    class Pool:
        def apply_async(self) -> None: ...

    assert "def on_success" in source(celery_request, "create_request_cls")
    derive: Any = inspect.getattr_static(celery_request, "create_request_cls")
    derived = derive(ExecuteRequest, Task(), Pool(), "node", None, app=App())
    assert derived.on_success is ExecuteRequest.on_success


def test_what_a_child_returns_reaches_the_main_process_as_its_repr() -> None:
    text = inspect.getsource(trace)
    assert "Rstr = saferepr(R, resultrepr_maxsize)" in text


def test_the_event_loop_is_of_our_kind() -> None:
    assert "getattr(w._conninfo, 'requires_hub', None)" in source(components.Hub, "create")
    assert "dest = self.readers if flags & READ else self.writers" in source(Hub, "add")


def test_what_closes_a_file_descriptor_takes_it_out_of_the_event_loop_first() -> None:
    assert "loop.remove(fd)" in source(redis.Transport, "register_with_event_loop")
    down = source(TaskPool.Pool, "_create_process_handlers")
    assert "proc.outq._reader, proc, fileno_to_outq, remove_reader" in down
    assert "self.hub_remove(sock)" in source(TaskPool.Pool, "destroy_queues")
    assert "[self._unregister(fd) for fd in self.readers]" in source(Hub, "_close")


def test_a_reconnect_drops_what_no_child_has_taken_up() -> None:
    assert "outbound_buffer.clear()" in source(TaskPool.Pool, "flush")
    assert "self.pool.flush()" in source(Consumer, "on_close")
    assert isinstance(state.active_requests, object)


def test_the_worker_acknowledges_what_ends_while_it_waits_for_its_children() -> None:
    assert "_run_ready_callbacks(hub)" in source(TaskPool, "on_stop")


def test_consumer_steps_stand_where_ours_hook_in() -> None:
    assert Connection.name == "celery.worker.consumer.connection.Connection"
    assert Tasks.name == "celery.worker.consumer.tasks.Tasks"
