"""The images, when an engine answers and `make verify-images` has built them; nothing is started or built here."""

import asyncio

import pytest
from tests.deploy.images import built
from tests.deploy.images.engine import NoEngine, engine_that_answers
from tests.deploy.images.verify import VERSION


async def test_the_images_that_are_here_keep_their_promises() -> None:
    try:
        engine = await engine_that_answers()
    except NoEngine as reason:
        pytest.skip(f"no engine answers: {reason}")
    images = [built.tag(service, VERSION) for service in built.SERVICES]
    if not all(await asyncio.gather(*(engine.has(image) for image in images))):
        pytest.skip("the images are not built: make verify-images")
    assert [wrong for image in images for wrong in await built.findings(engine, image)] == []
