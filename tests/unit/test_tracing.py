"""Spans: carried through without an endpoint, exported with one, in forked children too."""

import subprocess
import sys

import pytest
from opentelemetry import trace

from tidewheel_common.process.tracing import current_traceparent, span_from, start_tracing

STORED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def run_python(code: str) -> str:
    """Run a program of its own: a provider is installed for the life of a process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_an_endpoint_nothing_is_loaded_and_closing_is_harmless() -> None:
    code = """
import sys
from tidewheel_common.process.tracing import span_from, start_tracing
tracing = start_tracing("tidewheel-test", endpoint=None)
with span_from(None, "run"):
    pass
tracing.flush()
tracing.close()
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    assert run_python(code) == "[]\n"


def test_without_an_endpoint_a_stored_trace_is_still_carried_on() -> None:
    start_tracing("tidewheel-test", endpoint=None)
    assert current_traceparent() is None
    with span_from(STORED, "run", handler="a"):
        assert current_traceparent() == STORED
    assert current_traceparent() is None


@pytest.mark.parametrize("stored", [None, "", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_without_a_valid_stored_trace_there_is_none(stored: str | None) -> None:
    with span_from(stored, "run"):
        assert current_traceparent() is None


def test_the_context_is_put_back_when_the_block_fails() -> None:
    with pytest.raises(KeyError), span_from(STORED, "run"):
        raise KeyError
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_span_continues_the_stored_trace_and_hides_the_text_of_errors() -> None:
    code = f"""
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tidewheel_common.process.tracing import current_traceparent, span_from, start_tracing
memory = InMemorySpanExporter()
tracing = start_tracing("tidewheel-test", endpoint=None, exporter=memory)
with span_from("{STORED}", "outer", handler="a"):
    with span_from(None, "inner"):
        assert current_traceparent().startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert current_traceparent() != "{STORED}"
try:
    with span_from("{STORED}", "broken"):
        raise ValueError("hunter2")
except ValueError:
    pass
tracing.close()
inner, outer, broken = memory.get_finished_spans()
assert (inner.name, outer.name, broken.name) == ("inner", "outer", "broken")
assert outer.resource.attributes["service.name"] == "tidewheel-test"
assert f"{{outer.parent.span_id:016x}}" == "b7ad6b7169203331"
assert inner.parent.span_id == outer.context.span_id
assert dict(outer.attributes) == {{"handler": "a"}}
assert dict(broken.attributes) == {{"error.type": "ValueError"}}
assert not broken.status.is_ok
assert "hunter2" not in broken.to_json()
"""
    run_python(code)


EXPORTING_CHILD = """
import http.server, os, sys, threading
from tidewheel_common.process.tracing import span_from, start_tracing

class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got.append((self.path, body))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

got = []
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}"
PARENT
child = os.fork()
if child == 0:
    tracing = start_tracing("tidewheel-child", endpoint=endpoint)
    with span_from(None, "in the child"):
        pass
    tracing.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(got) == EXPECTED, got
assert all(path == "/v1/traces" for path, _ in got)
assert b"in the child" in b"".join(map(bytes, [x for _, x in got])) or got[-1][1][:2] == b"\\x1f\\x8b"
"""


def test_a_forked_child_exports_when_it_starts_tracing_itself() -> None:
    run_python(EXPORTING_CHILD.replace("PARENT", "").replace("EXPECTED", "1"))


def test_a_forked_child_exports_when_its_parent_did_before() -> None:
    parent = """
parents = start_tracing("tidewheel-parent", endpoint=endpoint)
with span_from(None, "in the parent"):
    pass
parents.flush()
"""
    run_python(EXPORTING_CHILD.replace("PARENT", parent).replace("EXPECTED", "2"))
