"""Metrics: a registry for each process, and the sum over forked children."""

import subprocess
import sys
from pathlib import Path

from prometheus_client import REGISTRY, Counter

from tidewheel_common.process.metrics import Metrics

FORKING = """
import os, sys, threading
from pathlib import Path
from prometheus_client import Counter, Gauge
from tidewheel_common.process.metrics import Metrics, child_died, share_with_children

shared = share_with_children(Path(sys.argv[1]))
metrics = Metrics("executor", shared=shared)
runs = Counter("runs", "Runs.", ["handler"], registry=metrics.registry)
busy = Gauge("busy", "Busy children.", multiprocess_mode="livesum", registry=metrics.registry)
runs.labels(handler="a").inc(1)

stop = threading.Event()
def count():
    while not stop.is_set():
        metrics.ticked("beat", result="ok", seconds=0.0)
counting = threading.Thread(target=count)
counting.start()

children = []
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        runs.labels(handler="a").inc(10)
        busy.set(1)
        metrics.ticked("child", result="ok", seconds=0.0)  # would hang under an inherited lock
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
counting.join()
text = metrics.exposition().decode()
assert 'runs_total{handler="a"} 201.0' in text, text
assert 'tidewheel_loop_ticks_total{loop="child",result="ok"} 20.0' in text, text
assert 'tidewheel_build_info{service="executor"' in text
assert "process_resident_memory_bytes" in text
assert "busy 20.0" in text
child_died(children[0], shared=shared)
assert "busy 19.0" in metrics.exposition().decode()
assert 'runs_total{handler="a"} 201.0' in metrics.exposition().decode()
"""


def test_two_processes_metrics_in_one_test_do_not_meet() -> None:
    first, second = Metrics("a"), Metrics("b")
    first.ticked("promote", result="ok", seconds=0.2)
    labels = {"loop": "promote", "result": "ok"}
    assert first.registry.get_sample_value("tidewheel_loop_ticks_total", labels) == 1
    assert second.registry.get_sample_value("tidewheel_loop_ticks_total", labels) is None
    assert REGISTRY.get_sample_value("tidewheel_loop_ticks_total", labels) is None


def test_the_exposition_holds_what_a_service_adds_and_what_the_process_uses() -> None:
    metrics = Metrics("reaper")
    Counter("tidewheel_removed", "Tasks removed.", registry=metrics.registry).inc(3)
    text = metrics.exposition().decode()
    assert "tidewheel_removed_total 3.0" in text
    assert 'tidewheel_build_info{service="reaper",version="0.1.0"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_forked_children_are_summed_and_a_busy_thread_does_not_hang_them(tmp_path: Path) -> None:
    leftover = tmp_path / "shared" / "counter_1.db"
    leftover.parent.mkdir()
    leftover.write_bytes(b"of an earlier run")
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, str(leftover.parent)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not leftover.exists()
