"""The lifecycle, held by the real statements whatever happens in whatever order."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.property.lifecycle_crashes import CrashingLifecycle


def test_only_owners_take_edges_and_every_task_comes_to_an_end(database_url: str) -> None:
    machine = type("LifecycleHere", (CrashingLifecycle,), {"url": database_url})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
