"""The gateway as a process of its own, spoken to over raw sockets."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from tests.gateway import KEY, KEYS
from tests.support import wait_until

from tidewheel_cli.embedded.ports import free_ports

AUTHORIZED = f"Host: x\r\nAuthorization: Bearer {KEY.text}\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True, slots=True)
class Running:
    process: asyncio.subprocess.Process
    port: int

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def call(self, head: str, body: bytes = b"") -> bytes:
        """Send a request on a connection of its own and return everything that comes back."""
        reader, writer = await self.open()
        writer.write(head.encode() + b"\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    async def ready(self) -> bool:
        try:
            return b" 200 OK" in await self.call("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        except OSError:
            return False


@asynccontextmanager
async def gateway(**environment: str) -> AsyncIterator[Running]:
    [port] = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidewheel_gateway"),
        env={"PATH": os.defpath, "TIDEWHEEL_PORT": str(port), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Running(process, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def running(database_url: str, redis_url: str) -> AsyncIterator[Running]:
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "KEYS": KEYS, "BOOTSTRAP_API_KEY": KEY.text}
    async with gateway(**{f"TIDEWHEEL_{name}": value for name, value in environment.items()}) as started:
        await wait_until(started.ready, timeout=120, what="the gateway's start")
        yield started


async def test_it_serves_and_stops_in_good_order(running: Running) -> None:
    body = b'{"handler": "demo.echo"}'
    head = f"POST /v1/tasks HTTP/1.1\r\n{AUTHORIZED}Content-Length: {len(body)}\r\nConnection: close\r\n"

    created = await running.call(head, body)
    task = json.loads(created.partition(b"\r\n\r\n")[2])
    held = asyncio.create_task(
        running.call(f"GET /v1/tasks/{task['id']}?wait=60 HTTP/1.1\r\n{AUTHORIZED}Connection: close\r\n")
    )
    await wait_until(lambda: running.call(f"GET /healthz HTTP/1.1\r\n{AUTHORIZED}Connection: close\r\n"))
    running.process.send_signal(signal.SIGTERM)

    assert created.startswith(b"HTTP/1.1 201 Created")
    assert b'"state":"ready"' in await held
    assert await asyncio.wait_for(running.process.wait(), 10) == 0


async def test_a_length_over_the_limit_is_refused_before_the_body_and_the_connection_ends(running: Running) -> None:
    answer = await running.call(f"POST /v1/tasks HTTP/1.1\r\n{AUTHORIZED}Content-Length: 10485761\r\n", b"{")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer


async def test_an_endless_chunked_body_is_refused_and_the_connection_ends(running: Running) -> None:
    def flood() -> tuple[int, bytes]:
        sent = 0
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
            client.sendall(f"POST /v1/tasks HTTP/1.1\r\n{AUTHORIZED}Transfer-Encoding: chunked\r\n\r\n".encode())
            with suppress(OSError):
                while sent < 64 * 1024 * 1024:
                    client.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                    sent += 65_536
            return sent, client.recv(100)

    sent, answer = await asyncio.to_thread(flood)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /v1/tasks HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "POST /v1/tasks HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
        "NONSENSE\r\n",
    ],
    ids=["length and chunked", "two lengths", "no HTTP"],
)
async def test_what_is_no_sound_http_is_refused(running: Running, request_line: str) -> None:
    answer = await running.call(request_line + AUTHORIZED, b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 4")
    assert await running.ready()


async def test_a_body_cut_short_harms_nobody(running: Running) -> None:
    _, writer = await running.open()
    writer.write(f"POST /v1/tasks HTTP/1.1\r\n{AUTHORIZED}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()

    assert await running.ready()


async def test_wrong_settings_end_it_with_a_sentence_for_each() -> None:
    async with gateway(TIDEWHEEL_KEYS="short", TIDEWHEEL_BOOTSTRAP_API_KEY="x") as started:
        output, _ = await started.process.communicate()

    assert started.process.returncode == 2
    assert b"TIDEWHEEL_DATABASE_URL is not set." in output
    assert b"TIDEWHEEL_BOOTSTRAP_API_KEY is wrong" in output


async def test_wrong_keys_end_it_with_a_sentence(database_url: str, redis_url: str) -> None:
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "KEYS": "k1:short"}
    async with gateway(**{f"TIDEWHEEL_{name}": value for name, value in environment.items()}) as started:
        output, _ = await started.process.communicate()

    assert started.process.returncode == 2
    assert b"Write TIDEWHEEL_KEYS as" in output
    assert b"Traceback" not in output
