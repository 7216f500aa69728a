"""Commands about the schema."""

import tempfile
from pathlib import Path

from tidewheel_cli.embedded import embedded_postgres
from tidewheel_common.store.migrate import check, upgrade


async def check_migrations() -> None:
    """Migrate an empty database of our own and check that the outcome is what the code describes.

    Raises:
        Misconfigured: it is not.
    """
    with tempfile.TemporaryDirectory(prefix="tidewheel-") as directory:
        async with embedded_postgres(Path(directory), durable=False) as url:
            await upgrade(url)
            await check(url)
