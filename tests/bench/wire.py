"""A bare HTTP/1.1 client for load: what it costs is not what is measured."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit


class Connection:
    """One kept-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def open(cls, url: str, api_key: str) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {api_key}\r\nContent-Type: application/json\r\n"
        return cls(reader, writer, head)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a body; return the status and the answer."""
        self._writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head[9:12])
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()


class Pool:
    """A fixed number of connections; a caller waits for a free one."""

    def __init__(self, connections: list[Connection]) -> None:
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._all = connections
        for connection in connections:
            self._free.put_nowait(connection)

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        connection = await self._free.get()
        try:
            status, answer = await connection.post(path, json.dumps(body).encode())
        finally:
            self._free.put_nowait(connection)
        return status, json.loads(answer)

    def close(self) -> None:
        for connection in self._all:
            connection.close()


@asynccontextmanager
async def open_pool(url: str, api_key: str, size: int = 32) -> AsyncIterator[Pool]:
    pool = Pool(list(await asyncio.gather(*(Connection.open(url, api_key) for _ in range(size)))))
    try:
        yield pool
    finally:
        pool.close()
