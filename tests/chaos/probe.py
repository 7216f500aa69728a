"""Asks whether new work comes through: a task is submitted, and runs."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx2
from tests.chaos.ledger import instant

_PATIENCE = 60.0  # seconds
_TRY = 3.0  # seconds for one answer
_POLL = 0.05

_LOST = (httpx2.HTTPError, ValueError, OSError)


class Probe:
    """Submits tasks that are run at once, through the same door as the clients.

    Args:
        url: of the gateway's proxy.
        api_key: of any tenant.
        tenant: whose it is.
    """

    def __init__(self, url: str, api_key: str, tenant: str) -> None:
        self._tenant = tenant
        self._http = httpx2.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=_TRY, trust_env=False
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def until_through(self) -> float:
        """Return when a new task was complete; seconds since the epoch.

        Raises:
            AssertionError: none came through in time.
        """
        key = f"probe-{uuid4().hex}"
        body = {"handler": "chaos.touch", "payload": {"who": self._tenant}, "priority": "high", "tags": [key]}
        deadline = instant() + _PATIENCE
        task = ""
        while instant() < deadline:
            if not task:
                task = (await self._ask("POST", "/v1/tasks", json=body, headers={"Idempotency-Key": key})).get("id", "")
            elif (await self._ask("GET", f"/v1/tasks/{task}", params={"wait": 2})).get("state") == "complete":
                return instant()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), _POLL)
        raise AssertionError(f"no new task came through within {_PATIENCE:g} s; {task or 'none'} was accepted")

    async def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = (await self._http.request(method, path, **options)).json()
        except _LOST:
            return {}
        return answer
