"""Makes the first tenant and its API key, so that a new installation can be used at once."""

import sys
from collections.abc import Callable
from typing import Final
from uuid import UUID

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.crypto.api_key import ApiKey
from tidewheel_common.process.health import Health
from tidewheel_common.store.engine import Engine
from tidewheel_gateway import queries
from tidewheel_gateway.store import schema_obstacle

TENANT: Final = "default"

GATE: Final = "start"

_TURN: Final = 0x746964656B6579  # any constant: one advisory lock for all gateways that start


class Bootstrap:
    """Waits for the schema, then makes what is missing, once. Its `tick` is the body of a loop.

    Args:
        engine: the database.
        key: the key that the `default` tenant must have; without one, a key is made when there is none at all.
        new_id: makes ids.
        health: not ready before this is done.
        show: shows a person the sentence with a key that was made.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        key: ApiKey | None,
        new_id: Callable[[], UUID],
        health: Health,
        show: Callable[[str], object] = sys.stdout.write,
    ) -> None:
        self._engine = engine
        self._key = key
        self._new_id = new_id
        self._health = health
        self._show = show
        self.done = False
        health.hold(GATE, "The first look at the database is not done.")

    async def tick(self) -> None:
        """Look whether everything is there, until it is.

        Raises:
            Misconfigured: the given key has the id of another one.
        """
        if self.done:
            return
        obstacle = await schema_obstacle(self._engine)
        if obstacle is not None:
            self._health.hold(GATE, obstacle)
            return
        await self._ensure()
        self.done = True
        self._health.release(GATE)

    async def _ensure(self) -> None:
        async with self._engine.begin() as connection:
            await queries.bootstrap_lock(connection, _TURN)
            exist = await queries.api_keys_exist(connection)
            if exist and self._key is None:
                return
            key = self._key or ApiKey.make()
            tenant_id = await queries.tenant_ensure(connection, self._new_id(), TENANT)
            kept = await queries.api_key_ensure(
                connection, key_id=key.id, tenant_id=tenant_id, name="bootstrap", secret_hash=key.secret_hash
            )
        if kept != key.secret_hash:
            raise Misconfigured(
                f"TIDEWHEEL_BOOTSTRAP_API_KEY has the id {key.id} of another key; give it an id of its own."
            )
        if self._key is None:
            self._show(f"Tidewheel made its first API key. It is shown only this once, so keep it: {key.text}\n")
