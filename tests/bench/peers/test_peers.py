"""The comparison itself, small: two systems on real servers, every task counted."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.peers import processes
from tests.bench.peers.environments import CannotInstall, python_of
from tests.bench.peers.peer import TIDEWHEEL, Peer, all_peers
from tests.bench.peers.record import ENTRY
from tests.bench.peers.render import FIGURES, PAGE, page
from tests.bench.peers.results import Results, Row, System
from tests.bench.peers.run import compare
from tests.bench.peers.sweep import fastest, record, sweep
from tests.bench.peers.tally import Tally, count, entries, recorders
from tests.bench.peers.trial import Failed

TASKS = 2000
"""Enough to cost more than a few ticks of 10 ms, in which the kernel counts."""


async def test_runs_the_same_tasks_through_two_systems_and_accounts_for_each(
    server_binaries: tuple[Path, Path],
) -> None:
    assert server_binaries
    peers = [Peer.read(TIDEWHEEL), Peer.read("pgqueuer")]
    try:
        python_of("pgqueuer", peers[1].lock)
    except CannotInstall as reason:
        pytest.skip(f"The package index is away: {reason}")

    results = await compare(peers, tasks=TASKS, rounds=1)

    assert results.failures == []
    assert [system.key for system in results.systems] == ["tidewheel", "pgqueuer"]
    for system in results.systems:
        (trial,) = system.trials
        assert trial["tasks"] == TASKS
        assert (trial["lost"], trial["repeated"]) == (0, 0)
        assert trial["end_to_end_per_s"] > 0
        assert trial["cpu_seconds_per_1000"] > 0
    assert "PgQueuer" in page(results)


def test_counts_what_was_lost_and_what_was_repeated(tmp_path: Path) -> None:
    for process, numbers in {"100": (1, 2), "101": (2, 4, 9)}.items():
        (tmp_path / process).write_bytes(b"".join(ENTRY.pack(number) for number in numbers))

    assert count(tmp_path, range(1, 5)) == Tally(lost=1, repeated=1)
    assert (entries(tmp_path), recorders(tmp_path)) == (5, 2)


def test_every_peer_is_described_and_locks_the_version_that_it_shows() -> None:
    peers = {peer.key: peer for peer in all_peers()}
    assert set(peers) == {"awa", "celery", "dramatiq", "pgqueuer", "procrastinate", "taskiq", TIDEWHEEL}
    for peer in peers.values():
        assert peer.version
        assert peer.lock is None or "--hash=sha256:" in peer.lock.read_text()
        assert peer.chosen.keys() == peer.grid.keys()
        assert all(peer.chosen[name] in values for name, values in peer.grid.items())
        assert "{" not in peer.setup + "".join(peer.variables.values())
        assert bool(peer.sources) == bool(peer.without)


async def test_a_sweep_takes_the_fastest_of_each_setting_and_none_that_fails_or_loses() -> None:
    rates = {"threads": 900.0, "prefork": 500.0}
    peer = dataclasses.replace(
        Peer.read("celery"), grid={"pool": ["prefork", "threads", "gevent"], "concurrency": [1, 2, 4]}
    )

    async def measure(tried: Peer) -> dict[str, float]:
        pool, concurrency = str(tried.chosen["pool"]), int(tried.chosen["concurrency"])
        if pool == "gevent":
            raise Failed("gevent does not start")
        rate = rates[pool] * concurrency
        return {"end_to_end_per_s": rate, "lost": float(concurrency == 4), "repeated": 0.0}

    attempts = await sweep(peer.set_to({"pool": "prefork", "concurrency": 1}), measure)

    assert fastest(attempts).settings == {"pool": "threads", "concurrency": 2}
    assert [tuple(attempt.settings.values()) for attempt in attempts] == [
        ("prefork", 1),
        ("threads", 1),
        ("gevent", 1),
        ("threads", 2),
        ("threads", 4),
    ]
    kept = json.loads(record(attempts, {"cores": 2.0}))
    assert kept["chosen"] == {"pool": "threads", "concurrency": 2}
    assert [attempt["failure"] for attempt in kept["swept"]["attempts"]].count("gevent does not start") == 1


def test_sums_trials_up_as_median_and_range() -> None:
    system = System.of(Peer.read(TIDEWHEEL))
    for rate in (900.0, 1100.0, 1000.0):
        system.trials.append(
            {
                **dict.fromkeys(("enqueue_seconds", "drain_per_s", "cpu_seconds_per_1000", "repeated"), 0.0),
                "tasks": 10.0,
                "lost": 1.0,
                "end_to_end_per_s": rate,
            }
        )
    cells = dict(zip(Row.COLUMNS, Row.of(system).cells(), strict=True))
    assert cells["end to end /s"] == "1,000 (900-1,100)"
    assert cells["lost"] == "3"


def test_the_published_page_is_what_its_figures_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(Results.read(FIGURES))


def test_the_cost_of_a_process_that_has_ended_still_counts() -> None:
    before = processes.cpu_of_descendants()
    subprocess.run((sys.executable, "-I", "-S", "-c", "sum(range(20_000_000))"), check=True)
    assert processes.cpu_of_descendants() > before
