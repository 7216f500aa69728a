"""The services' clocks: libfaketime lets each process see a clock that a file moves, where that library can be had."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

_PLACES = (
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
)
_WITHIN = Path("vendor", "libfaketime", "src", "libfaketime.so.1")

ABSENT = (
    "libfaketime is not here: `apt-get install faketime`, or `.venv/bin/uv pip install libfaketime` with a C compiler"
)


class Clocks:
    """The clocks of processes, each as its file says.

    Only the time of day moves: what measures durations goes on as it is, as it does when a clock is set.

    Args:
        directory: keeps one file for each process.
        wanted: False leaves all processes their machine's clock.

    Attributes:
        missing: why no clock can be moved; empty when they can.
    """

    def __init__(self, directory: Path, *, wanted: bool) -> None:
        self._directory = directory
        self._library = _library() if wanted else None
        self.missing = "" if self._library else ABSENT

    def environment(self, process: str) -> Mapping[str, str]:
        """Return what a process must be started with so that its clock can be moved."""
        if self._library is None:
            return {}
        self.move(process, 0)
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._directory / process),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def move(self, process: str, seconds: int) -> None:
        """Let a process see a clock that is so many seconds ahead; it notices within a second or two."""
        self._directory.mkdir(exist_ok=True)
        new = self._directory / f"{process}.new"
        new.write_text(f"{seconds:+d}\n", encoding="ascii")
        new.replace(self._directory / process)


def _library() -> Path | None:
    spec = importlib.util.find_spec("libfaketime")
    wheel = () if spec is None or spec.origin is None else (Path(spec.origin).parent / _WITHIN,)
    return next((place for place in (*wheel, *_PLACES) if place.is_file()), None)
