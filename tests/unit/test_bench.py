"""What the bench says about ids and bars, where the page shows it, and how it keeps its connections."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.bench.course import Course
from tests.bench.cpu import Spent, seconds_between
from tests.bench.ledger import Count, Ledger
from tests.bench.offer import drive
from tests.bench.page import PAGE, NotOne, merged, places, written
from tests.bench.report import Bar, quantile
from tests.bench.scenarios import SCENARIOS
from tests.bench.sizing import RATE, sizing
from tests.bench.statements import counted
from tests.bench.wire import open_pool
from tests.support import wait_until

A, B, C = uuid4(), uuid4(), uuid4()


def _ledger(path: Path, runs: Sequence[UUID]) -> Ledger:
    path.write_bytes(b"".join(run.bytes for run in runs))
    return Ledger(path)


@pytest.mark.parametrize(
    ("runs", "count"),
    [
        ([B, A], Count(tasks=2, lost=0, duplicated=0, strangers=0)),
        ([A], Count(tasks=2, lost=1, duplicated=0, strangers=0)),
        ([A, B, A, A], Count(tasks=2, lost=0, duplicated=2, strangers=0)),
        ([A, B, C], Count(tasks=2, lost=0, duplicated=0, strangers=1)),
    ],
)
def test_every_accepted_id_is_held_against_the_runs(tmp_path: Path, runs: list[UUID], count: Count) -> None:
    ledger = _ledger(tmp_path / "runs", runs)

    found = ledger.count([str(A).encode(), str(B).encode()])

    assert found == count
    assert found.exact == (len(runs) == 2)


def test_an_id_that_was_answered_twice_is_no_second_task(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path / "runs", [A])

    assert not ledger.count([str(A).encode(), str(A).encode()]).exact


def test_a_bar_is_met_at_its_limit_and_not_by_what_is_no_number() -> None:
    assert Bar(figure="", most=50).met_by(50)
    assert not Bar(figure="", most=50).met_by(50.1)
    assert Bar(figure="", least=10).met_by(10)
    assert not Bar(figure="", most=50).met_by(quantile([], 0.99))


def test_a_course_knows_the_rate_of_its_parts() -> None:
    course = Course([(0.0, 0), (1.0, 0), (2.0, 100), (3.0, 300), (4.0, 300)])

    assert course.rate_of_runs(0, 100) == 100
    assert course.rate_of_runs(100, 300) == 200
    assert course.rate_from(1.0) == 150


def test_the_page_has_a_place_for_each_scenario_and_no_other() -> None:
    assert places(PAGE.read_text(encoding="utf-8")) == {
        *SCENARIOS,
        *("machine", "bars", "hops", "costs", "sizing", "counts"),
    }


def test_a_page_keeps_the_figures_of_what_was_not_measured_again() -> None:
    page = "<!-- bench: idle -->\nold\n<!-- end -->\ntext\n<!-- bench: counts -->\n<!-- end -->\nmore\n"
    results: dict[str, object] = {"scenarios": {}, "machine": {}, "warnings": []}

    once = written(page, results)

    assert once.startswith("<!-- bench: idle -->\nold\n<!-- end -->\ntext\n")
    assert "| scenario | accepted | lost |" in once
    assert once.endswith("<!-- end -->\nmore\n")
    assert written(once, results) == once


def _results(revision: str, cores: str = "2", **scenarios: str) -> dict[str, Any]:
    return {"machine": {"revision": revision, "cores": cores}, "warnings": [revision], "scenarios": scenarios}


def test_of_several_results_the_later_wins_for_each_scenario() -> None:
    both = merged([_results("a", batch="of a"), _results("b", idle="of b", batch="of b"), _results("c", batch="of c")])

    assert both["scenarios"] == {"idle": "of b", "batch": "of c"}
    assert list(both["scenarios"]) == ["idle", "batch"]
    assert both["machine"]["revision"] == "b, c"
    assert both["warnings"] == ["b", "c"]


def test_results_of_different_machines_are_not_mixed() -> None:
    with pytest.raises(NotOne, match="cores"):
        merged([_results("a", idle=""), _results("b", "4", batch="")])


def test_what_a_process_spent_that_has_ended_is_counted_once() -> None:
    background = "postgres, in the background"
    before = {
        1: Spent("postgres", background, 1.0),
        -1: Spent("postgres", background, 0.0),
        2: Spent("postgres", "postgres for the gateway", 5.0),
        3: Spent("postgres", "postgres for the reaper", 1.0),
    }
    after = {
        1: Spent("postgres", background, 1.5),
        -1: Spent("postgres", background, 5.25),  # process 2 has ended
        3: Spent("postgres", "postgres for the reaper", 3.0),
        4: Spent("postgres", "postgres for the gateway", 0.5),
    }

    assert seconds_between(before, after) == {
        background: 0.75,
        "postgres for the reaper": 2.0,
        "postgres for the gateway": 0.5,
    }


def test_every_step_of_a_statement_counts_and_a_call_counts_once() -> None:
    steps = "".join(
        f"~tidewheel-reaper~LOG:  {step} STATISTICS\n~tidewheel-reaper~DETAIL:  ! system usage stats:\n"
        f"!\t0.000002 s user, 0.000001 s system, 0.000400 s elapsed\n!\t[0.5 s user, 0.1 s system total]\n"
        f"~tidewheel-reaper~STATEMENT:  DELETE FROM tasks\n\t WHERE id = $1\n"
        for step in ("PARSE MESSAGE", "BIND MESSAGE", "EXECUTE MESSAGE", "BIND MESSAGE", "EXECUTE MESSAGE")
    )
    told = f"2026-01-01 LOG:  checkpoint complete\n{steps}~~LOG:  checkpoint starting: time\n"

    found = counted(told, {"DELETE FROM tasks WHERE id = ?": "tasks_delete"})

    ((who, what),) = found
    assert (who, what) == ("tidewheel-reaper", "tasks_delete")
    assert found[who, what].calls == 2
    assert found[who, what].seconds == pytest.approx(15e-6)


def test_the_size_of_a_part_is_all_that_it_does() -> None:
    cpu = {"executor": 20.0, "executor, its children": 40.0, "postgres for the executor": 30.0, "gateway": 10.0}
    rows = {row[0]: row[1:] for row in sizing({"batch": {"cost": {"cpu": cpu, "wal": 2_000.0}}})}

    assert RATE == 10_000
    assert rows["executor, beside the work itself"][:2] == ("60 µs", "0.6")
    assert rows["PostgreSQL"][:2] == ("30 µs", "0.3")
    assert rows["gateway, by batch"][2] == "2 replicas of 1 CPU"
    assert rows["PostgreSQL's WAL"] == ("2,000 B", "20 MB/s", "a disk of 40 MB/s")


async def test_connections_that_the_server_has_closed_are_opened_anew() -> None:
    met: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, open_pool(f"http://127.0.0.1:{port}", "key", size=2) as pool:
        requests = [pool.encode("/", {})] * 5
        assert len((await drive(pool, requests)).answers) == 5
        for writer in met:
            writer.close()
        await wait_until(lambda: not pool._all, what="the end of the connections")
        assert len((await drive(pool, requests)).answers) == 5
    assert len(met) == 4
