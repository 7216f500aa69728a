"""What the reaper counts."""

from prometheus_client import CollectorRegistry, Counter


class ReaperMetrics:
    """The reaper's own metrics, in its process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def count(name: str, text: str) -> Counter:
            return Counter(f"tidewheel_reaper_{name}", text, registry=registry)

        self.removed = count("removed", "Tasks that were deleted.")
        self.keys = count("idempotency_keys", "Expired idempotency keys that were deleted, or kept for their tasks.")
        self.fires = count("fires", "Entries of the schedules' ledgers that were deleted.")
