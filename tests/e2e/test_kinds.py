"""The kinds in a whole Tidewheel: they publish themselves, run, and tell of ends, also when executors are killed."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest
from tests.kinds import MailServer, mail_server
from tests.stack import Stack, running_stack
from tests.support import wait_until

from tidewheel_client import AsyncClient


def environment(server: MailServer) -> dict[str, str]:
    return {
        "TIDEWHEEL_KINDS": "http.request,email.send,notify,script.run",
        "TIDEWHEEL_SMTP_HOST": "127.0.0.1",
        "TIDEWHEEL_SMTP_PORT": str(server.port),
        "TIDEWHEEL_SMTP_SECURITY": "none",
        "TIDEWHEEL_EXECUTOR_HEARTBEAT": "1",
        "TIDEWHEEL_EXECUTOR_STALE": "4",
    }


@pytest.mark.timeout(300)
async def test_the_executor_is_killed_while_it_notifies(server_binaries: tuple[Path, Path], tmp_path: Path) -> None:
    assert server_binaries
    with mail_server() as server:
        async with running_stack(tmp_path, environment=environment(server)) as stack:
            headers = {"Authorization": f"Bearer {stack.api_key}"}
            async with (
                httpx2.AsyncClient(base_url=stack.api_url, headers=headers) as http,
                AsyncClient(stack.api_url, stack.api_key) as client,
            ):
                await _handlers_are_published(http)
                await _scripts_run(client)
                await _one_success_is_recorded(stack, server, http)


async def _handlers_are_published(http: httpx2.AsyncClient) -> None:
    async def names() -> set[str]:
        listed = (await http.get("/v1/handlers")).json()["data"]
        return {each["name"] for each in listed if each["executors"]}

    wanted = {"demo.fail", "http.request", "email.send", "script.run", "notify.email", "notify.slack", "notify.webhook"}

    async def published() -> bool:
        return wanted <= await names()

    async def refused() -> bool:
        answer = await http.post("/v1/tasks", json={"handler": "email.send", "payload": {"to": "not a list"}})
        return answer.status_code == 422

    await wait_until(published, timeout=30, what="the handlers in the list")
    await wait_until(refused, timeout=30, what="the gateway's knowledge of them")


async def _scripts_run(client: AsyncClient) -> None:
    task = await client.submit("script.run", {"argv": ["/bin/sh", "-c", "echo $TIDEWHEEL_ATTEMPT; ls /proc/self/fd"]})
    ended = await task.result(60)
    assert ended["stdout"].split() == ["1", "0", "1", "2", "3"]


def _kill_with_children(pid: int) -> None:
    """Kill an executor, and return when its children have died with it: nobody is left to hear the server's answer."""
    family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    os.kill(pid, signal.SIGKILL)
    never = threading.Event()
    deadline = time.monotonic() + 20
    while any(_is_alive(each) for each in family) and time.monotonic() < deadline:
        never.wait(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def _one_success_is_recorded(stack: Stack, server: MailServer, http: httpx2.AsyncClient) -> None:
    def kill() -> None:
        if len(server.mails) == 1:
            _kill_with_children(Stack.read(stack.directory).services["executor"])

    server.received = kill
    notify = [{"on": ["dead"], "email": "ops@example.com"}]
    submission = {"handler": "demo.fail", "max_attempts": 1, "notify": notify}
    assert (await http.post("/v1/tasks", json=submission)).status_code == 201

    async def notices() -> list[dict[str, str]]:
        listed: list[dict[str, str]] = (await http.get("/v1/tasks?handler=notify.email")).json()["data"]
        return listed

    async def complete() -> bool:
        return [notice["state"] for notice in await notices()] == ["complete"]

    await wait_until(complete, timeout=90, what="the notification's success")
    [notice] = await notices()
    log = (await http.get(f"/v1/tasks/{notice['id']}/attempts")).json()["data"]
    assert [(attempt["attempt"], attempt["state"]) for attempt in log] == [(1, "lost"), (2, "complete")]
    assert {message["Message-ID"] for _, message in server.mails} == {f"<{notice['id']}@localhost>"}
    assert len(server.mails) == 2
