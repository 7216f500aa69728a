"""`make bench-peers`: the same no-op work for Tidewheel and for its peers, on this machine, one after the other.

Every trial has a PostgreSQL and a Valkey of its own, both durable. A round has one trial of each system, so that
whatever else the machine does meets them all. With `--sweep` the settings of each system are tried instead, in small
trials, and the fastest are kept in its folder.
"""

import argparse
import asyncio
import functools
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench.peers.environments import CannotInstall, python_of
from tests.bench.peers.peer import TIDEWHEEL, Peer, all_peers
from tests.bench.peers.render import draw
from tests.bench.peers.results import Results, Row, System, machine
from tests.bench.peers.sweep import Attempt, fastest, record, sweep
from tests.bench.peers.trial import Failed, try_out_within

_TRIAL = 180.0  # seconds after which a trial has failed
_SWEPT_TRIAL = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tasks", type=int, default=20_000, help="tasks in each phase; slow systems get a part of them"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="folders of the systems to try")
    parser.add_argument("--out", type=Path, default=Path("bench-results/peers.json"))
    parser.add_argument("--sweep", action="store_true", help="find the fastest settings instead; about six minutes")
    arguments = parser.parse_args()
    peers = [peer for peer in all_peers() if peer.key in arguments.only or not arguments.only]
    if arguments.sweep:
        sys.exit(0 if asyncio.run(sweep_all([peer for peer in peers if peer.grid])) else 1)
    results = asyncio.run(compare(peers, tasks=arguments.tasks, rounds=arguments.rounds))
    show(results)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(results.as_json(), encoding="utf-8")
    try:
        draw(arguments.out)
    except CannotInstall as reason:
        Console(stderr=True).print(f"There is no chart: {reason}", highlight=False)
    sys.exit(1 if results.failures or results.losses_of(TIDEWHEEL) else 0)


async def compare(peers: list[Peer], *, tasks: int, rounds: int) -> Results:
    """Try every peer once in each round; each round begins with another one."""
    results = Results(machine=machine(), tasks=tasks, systems=[])
    ready: list[tuple[System, Peer, Path]] = []
    for peer in peers:
        try:
            python = python_of(peer.key, peer.lock)
        except CannotInstall as reason:
            results.left_out[peer.name] = str(reason)
            _say(f"{peer.name} is left out: {reason}")
            continue
        system = System.of(peer)
        results.systems.append(system)
        ready.append((system, peer, python))
    for number in range(rounds):
        start = number % len(ready) if ready else 0
        for system, peer, python in (*ready[start:], *ready[:start]):
            await _try(results, system, peer, python, label=f"round {number + 1} of {rounds}")
    return results


async def sweep_all(peers: list[Peer]) -> bool:
    """Find the fastest settings of each peer and keep them; return whether there are some for every one."""
    complete = True
    for peer in peers:
        before = machine()
        try:
            attempts = await sweep(peer, functools.partial(_swept_trial, python_of(peer.key, peer.lock)))
        except CannotInstall as reason:
            _say(f"{peer.name} is left out: {reason}")
            complete = False
            continue
        if not fastest(attempts).rate:
            _say(f"{peer.name} did not do everything with any of its settings: {peer.settings_file} stays as it is.")
            complete = False
            continue
        _show_sweep(peer, attempts)
        peer.settings_file.write_text(record(attempts, before), encoding="utf-8")
    return complete


async def _swept_trial(python: Path, peer: Peer) -> dict[str, float]:
    return await try_out_within(_SWEPT_TRIAL, peer, python, peer.sweep_tasks)


async def _try(results: Results, system: System, peer: Peer, python: Path, *, label: str) -> None:
    try:
        figures = await try_out_within(_TRIAL, peer, python, max(1, round(results.tasks * peer.share)))
    except Failed as error:
        results.failures.append(f"{peer.name}, {label}: {error}")
        _say("".join(traceback.format_exception(error)))
        return
    system.trials.append(figures)
    _say(
        f"{label}: {peer.name} {figures['end_to_end_per_s']:,.0f}/s end to end, {figures['drain_per_s']:,.0f}/s "
        f"drained, {figures['lost']:.0f} lost, {figures['repeated']:.0f} repeated"
    )


def _show_sweep(peer: Peer, attempts: list[Attempt]) -> None:
    best = fastest(attempts)
    for attempt in attempts:
        settings = ", ".join(f"{name} {value}" for name, value in attempt.settings.items())
        outcome = attempt.failure.splitlines()[0] if attempt.failure else f"{attempt.rate:,.0f}/s"
        _say(f"{peer.name}: {settings}: {outcome}{' (chosen)' if attempt is best else ''}")


def show(results: Results) -> None:
    """Print what was measured, the fastest first."""
    table = Table(box=None)
    for column in Row.COLUMNS:
        table.add_column(column, justify="left" if column == Row.COLUMNS[0] else "right", no_wrap=True)
    for system in results.ranked():
        table.add_row(*Row.of(system).cells())
    Console(width=150).print(table)
    for failure in results.failures:
        _say(f"Failed: {failure}")


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)


if __name__ == "__main__":
    main()
