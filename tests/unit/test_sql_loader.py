"""The loader of `.sql` files."""

import pytest

from tidewheel_common.core.errors import Misconfigured
from tidewheel_common.core.lifecycle import State
from tidewheel_common.store.sql import load_statements, parse_statements

TEXT = """\
-- What stands above the first name belongs to nobody; a : here is no parameter.

-- name: tasks_claim :many
-- transition: queued -> running, (new) -> ready
-- Claim the batch whose hints came off the stream.
-- Only one claim lets each through.
UPDATE tasks SET state = 'running'
 WHERE id = ANY (CAST(:ids AS uuid[])) AND attempt = :attempt AND note <> 'at 10:30'
-- a line that explains
RETURNING id;

-- name: tasks_remove :exec
-- transition: dead -> (deleted)
-- Delete one.
DELETE FROM tasks WHERE id = :id;
"""


def test_a_statement_has_its_name_kind_edges_sentence_and_text() -> None:
    statements = parse_statements(TEXT, source="x.sql")
    assert list(statements) == ["tasks_claim", "tasks_remove"]
    claim = statements["tasks_claim"]
    assert (claim.name, claim.kind) == ("tasks_claim", "many")
    assert claim.transitions == ((State.QUEUED, State.RUNNING), (None, State.READY))
    assert claim.summary.startswith("Claim the batch whose hints came off the stream. Only one claim")
    assert claim.sql.startswith("UPDATE tasks")
    assert claim.sql.endswith("RETURNING id")
    assert "--" not in claim.sql
    assert statements["tasks_remove"].transitions == ((State.DEAD, None),)


def test_parameters_are_found_and_a_time_in_a_literal_is_none() -> None:
    claim = parse_statements(TEXT, source="x.sql")["tasks_claim"]
    assert set(claim.names) == {"ids", "attempt"}
    assert claim.positional.count("$") == claim.sql.count(":ids") + claim.sql.count(":attempt")
    assert claim.arguments({"attempt": 1, "ids": []}) == [{"ids": [], "attempt": 1}[name] for name in claim.names]


def test_a_statement_without_parameters_or_edges_is_fine() -> None:
    (statement,) = parse_statements("-- name: now :one\n-- Tell the time.\nSELECT 1;\n", source="x").values()
    assert statement.transitions == ()
    assert statement.sql == "SELECT 1"


def test_two_statements_of_one_name_are_refused() -> None:
    twice = "-- name: a :one\n-- A.\nSELECT 1;\n-- name: a :one\n-- B.\nSELECT 2;\n"
    with pytest.raises(Misconfigured, match=r"x\.sql has two statements named a"):
        parse_statements(twice, source="x.sql")


@pytest.mark.parametrize(
    ("header", "complaint"),
    [("queued to running", "cannot read the transition"), ("queued -> walking", "'walking' is not a state")],
)
def test_a_transition_that_cannot_be_is_refused_with_its_place(header: str, complaint: str) -> None:
    text = f"-- name: a :exec\n-- transition: {header}\n-- A.\nSELECT 1;\n"
    with pytest.raises(Misconfigured, match=complaint) as error:
        parse_statements(text, source="x.sql")
    assert "x.sql: a" in str(error.value)


def test_a_package_brings_its_own_file() -> None:
    assert "tasks_dispatch" in load_statements("tidewheel_dispatcher")
    with pytest.raises(KeyError):
        load_statements("tidewheel_dispatcher")["no_such_statement"]
