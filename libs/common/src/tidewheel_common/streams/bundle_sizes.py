"""How many hints of each handler may share an entry: executors have learnt it, and the dispatcher bundles by it.

It is a hint like all that Redis holds. Where it is missing, entries carry one hint each; where it is out of date,
executors divide what they cannot take whole. What was told last counts: executors of very different speed divide more.
"""

from collections.abc import Mapping
from typing import Any

from redis.client import Pipeline

from tidewheel_common.streams.bundle import LARGEST
from tidewheel_common.streams.client import Redis
from tidewheel_common.streams.keys import BUNDLE_SIZES

FORGOTTEN_AFTER = 600
"""Seconds after which nothing is known, if no executor says anything."""


def tell_bundle_sizes(pipeline: Pipeline, sizes: Mapping[str, int]) -> None:
    """Say how many hints of some handlers may share an entry."""
    if sizes:
        pipeline.hset(BUNDLE_SIZES, mapping=dict(sizes.items()))
        pipeline.expire(BUNDLE_SIZES, FORGOTTEN_AFTER)


async def read_bundle_sizes(redis: Redis) -> dict[str, int]:
    """Return how many hints of each handler that executors know may share an entry."""
    found: Any = await redis.hgetall(BUNDLE_SIZES)
    return {handler.decode(): min(int(size), LARGEST) for handler, size in found.items() if size.isdigit()}
