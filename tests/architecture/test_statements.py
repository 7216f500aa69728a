"""Every statement that moves a task says so, may do so, and names the state that it leaves."""

import re
from collections import Counter

import pytest
from tests.architecture.sources import Owned, statements

from tidewheel_common.core.lifecycle import State, edges_of

STATEMENTS = statements()

_WRITE = re.compile(r"\b(?:UPDATE\s+(?:ONLY\s+)?|DELETE\s+FROM\s+(?:ONLY\s+)?)tasks\b", re.IGNORECASE)
_INSERT = re.compile(r"\bINSERT\s+INTO\s+tasks\b", re.IGNORECASE)
_SET_STATE = re.compile(r"(?<![\w.])state\s*=", re.IGNORECASE)
_GUARD = re.compile(r"(?<![\w])(?:\w+\.)?state\s*(?:=\s*'(?P<one>\w+)'|IN\s*\((?P<many>[^)]*)\))", re.IGNORECASE)
_KEPT = re.compile(r"WHEN\s+(?:\w+\.)?state\s*=\s*'(\w+)'\s+THEN\s+(?:\w+\.)?state\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(\w+)'")
_WORD = re.compile(r"\b(where|returning|from|using)\b", re.IGNORECASE)


def writes(sql: str) -> list[str]:
    """Return each UPDATE and DELETE of tasks, to the end of the level of parentheses that it stands in."""
    return [_level(sql, found.start()) for found in _WRITE.finditer(sql) if not _locks(sql, found.start())]


def _locks(sql: str, start: int) -> bool:
    return bool(re.search(r"\bFOR\s+(NO\s+KEY\s+)?$", sql[:start], re.IGNORECASE))


def _level(sql: str, start: int) -> str:
    depth = 0
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if depth < 0:
            return sql[start:place]
    return sql[start:]


def _clause(write: str, name: str) -> str:
    """Return one clause of a write, without what stands in deeper parentheses deciding where it ends."""
    depth, begin = 0, None
    for found in re.finditer(r"[()]|\b\w+\b", write):
        word = found.group().lower()
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth == 0 and begin is None and word == name:
            begin = found.end()
        elif depth == 0 and begin is not None and _WORD.fullmatch(word):
            return write[begin : found.start()]
    return "" if begin is None else write[begin:]


def guards(write: str) -> set[State]:
    """Return the states that a write's WHERE names."""
    found = _GUARD.finditer(_clause(write, "where"))
    return {
        State(word) for each in found for word in ([each["one"]] if each["one"] else _LITERAL.findall(each["many"]))
    }


def leaves(write: str) -> set[State]:
    """Return the states that a write moves tasks out of; it may name another one in which a task stays."""
    return guards(write) - {State(word) for word in _KEPT.findall(_clause(write, "set"))}


def moves(write: str) -> bool:
    """Tell whether a write changes the state, or deletes."""
    return write.lower().startswith("delete") or bool(_SET_STATE.search(_clause(write, "set")))


@pytest.mark.parametrize("owned", STATEMENTS, ids=str)
def test_a_statement_takes_only_edges_of_its_owner(owned: Owned) -> None:
    assert set(owned.statement.transitions) <= (set() if owned.owner is None else edges_of(owned.owner))


@pytest.mark.parametrize("owned", STATEMENTS, ids=str)
def test_a_statement_has_a_transition_exactly_when_it_writes_the_state(owned: Owned) -> None:
    sql = owned.statement.sql
    assert bool(owned.statement.transitions) == (any(map(moves, writes(sql))) or bool(_INSERT.search(sql)))


@pytest.mark.parametrize("owned", STATEMENTS, ids=str)
def test_a_write_names_the_state_that_it_leaves(owned: Owned) -> None:
    for write in writes(owned.statement.sql):
        assert guards(write), f"no state in the WHERE of: {write}"
    moved = {state for write in writes(owned.statement.sql) if moves(write) for state in leaves(write)}
    declared = {source for source, _ in owned.statement.transitions if source is not None}
    assert moved == declared


@pytest.mark.parametrize("owned", STATEMENTS, ids=str)
def test_a_statement_says_in_a_sentence_what_it_does(owned: Owned) -> None:
    assert owned.statement.summary.endswith(".")


def test_no_statement_stands_twice() -> None:
    texts = Counter(" ".join(owned.statement.sql.split()) for owned in STATEMENTS)
    assert [text for text, times in texts.items() if times > 1] == []


def test_no_statement_hides_its_parameters_behind_a_double_colon() -> None:
    assert [str(owned) for owned in STATEMENTS if re.search(r":\w+::|\)::", owned.statement.sql)] == []


def test_the_checks_would_notice() -> None:
    naked = "WITH a AS (UPDATE tasks SET state = 'ready' WHERE id = :id) SELECT FROM tasks WHERE state = 'queued'"
    (write,) = writes(naked)
    assert moves(write)
    assert guards(write) == set()
    guarded = "UPDATE tasks AS t SET state = CASE WHEN (x) THEN 'dead' END FROM y WHERE t.state IN ('queued', 'ready')"
    assert guards(guarded) == {State.QUEUED, State.READY}
    cases = "CASE WHEN state = 'running' THEN state ELSE 'dead' END"
    asked = f"UPDATE tasks SET state = {cases} WHERE state IN ('running', 'ready')"
    assert leaves(asked) == {State.READY}
    assert not moves("UPDATE tasks SET ready_at = now() WHERE state = 'ready'")
    assert writes("SELECT FROM tasks FOR UPDATE") == []
