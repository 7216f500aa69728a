"""What must hold of the table, whatever it says."""

import pytest

from tidewheel_common.core.lifecycle import (
    EDGES,
    FINAL,
    INITIAL,
    SWEEP_COLUMNS,
    Owner,
    State,
    edges_of,
    may_follow,
    sources_of,
)


def following(state: State | None) -> set[State | None]:
    return {edge.target for edge in EDGES if edge.source is state}


def reachable(start: State | None) -> set[State | None]:
    found: set[State | None] = set()
    frontier = following(start)
    while frontier:
        found |= frontier
        frontier = {target for state in frontier if state for target in following(state)} - found
    return found


def test_every_state_can_be_reached_from_nothing() -> None:
    assert reachable(None) == {*State, None}


@pytest.mark.parametrize("state", list(State))
def test_from_every_state_a_task_can_be_over_and_be_deleted(state: State) -> None:
    assert None in reachable(state)
    assert state in FINAL or reachable(state) & FINAL


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_but_the_reaper_and_a_redrive_leaves_a_final_state(state: State) -> None:
    leaving = {(edge.target, edge.owner) for edge in EDGES if edge.source is state}
    assert leaving <= {(None, Owner.REAPER), (State.READY, Owner.GATEWAY)}
    assert (None, Owner.REAPER) in leaving


def test_what_is_complete_never_runs_again() -> None:
    assert following(State.COMPLETE) == {None}


def test_only_what_is_final_is_deleted_and_only_by_the_reaper() -> None:
    assert {edge.source for edge in EDGES if edge.target is None} == FINAL
    assert {edge.owner for edge in EDGES if edge.target is None} == {Owner.REAPER}


def test_a_task_is_born_where_it_may_be() -> None:
    assert following(None) == set(INITIAL)


def test_only_a_claim_makes_a_task_run_and_only_an_executor_claims() -> None:
    assert {(edge.source, edge.owner) for edge in EDGES if edge.target is State.RUNNING} == {
        (State.QUEUED, Owner.EXECUTOR)
    }


def test_only_the_dispatcher_queues_what_waits_and_who_pushes_takes_back() -> None:
    owners = {(edge.source, edge.target): set[Owner]() for edge in EDGES}
    for edge in EDGES:
        owners[edge.source, edge.target].add(edge.owner)
    assert owners[State.READY, State.QUEUED] == {Owner.DISPATCHER}
    assert owners[None, State.QUEUED] == {Owner.GATEWAY}
    assert owners[State.QUEUED, State.READY] == {Owner.DISPATCHER, Owner.GATEWAY}


def test_no_edge_leads_back_to_where_it_came_from() -> None:
    assert not [edge for edge in EDGES if edge.source is edge.target]


def test_each_edge_stands_once_for_each_owner() -> None:
    keys = [(edge.source, edge.target, edge.owner) for edge in EDGES]
    assert len(keys) == len(set(keys))


def test_every_state_but_blocked_is_found_by_a_sweep() -> None:
    found = {state for states in SWEEP_COLUMNS.values() for state in states}
    assert set(State) - found == {State.BLOCKED}


def test_the_questions_agree_with_the_table() -> None:
    for edge in EDGES:
        assert may_follow(edge.source, edge.target)
        assert (edge.source, edge.target) in edges_of(edge.owner)
        if edge.source and edge.target:
            assert edge.source in sources_of(edge.owner, edge.target)
    assert not may_follow(State.COMPLETE, State.READY)
    assert sources_of(Owner.REAPER, State.READY) == frozenset()
