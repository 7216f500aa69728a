"""Rules that no linter knows: where SQL, background loops and long files may stand."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.architecture.sources import REPOSITORY, modules, relative

LONGEST = 400
"""Lines."""

SQL_ELSEWHERE = {
    "libs/cli/src/tidewheel_cli/embedded/postgres.py": "creates the database, before there is one to run statements in",
}

LOOPS_ELSEWHERE = {
    "libs/common/src/tidewheel_common/process/loop.py": "the one loop skeleton",
    "libs/common/src/tidewheel_common/core/recurrence.py": "ends with the next occurrence",
    "libs/cli/src/tidewheel_cli/dev/supervised.py": "waits for a child process to end, not for work",
    "libs/cli/src/tidewheel_cli/demo/show.py": "ends with the demo",
    "libs/cli/src/tidewheel_cli/embedded/program.py": "ends when the program is ready",
    "libs/client/src/tidewheel_client/caller.py": "ends with the call",
    "libs/client/src/tidewheel_client/handles.py": "ends when the task is final",
    "libs/client/src/tidewheel_client/outbox.py": "runs in the user's process, which has no skeleton of ours",
    "libs/client/src/tidewheel_client/testing/fake.py": "ends with the time that is to pass",
    "services/executor/src/tidewheel_executor/claim.py": "tries one statement again, while its patience lasts",
    "services/executor/src/tidewheel_executor/scribe.py": "tries one statement again, while its patience lasts",
    "services/executor/src/tidewheel_executor/finish.py": "tries one statement again, while its patience lasts",
    "services/executor/src/tidewheel_executor/watch.py": "a thread beside handlers that block",
}

_SQL = re.compile(
    r"\bSELECT\b.+\bFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+\S+\s+SET\b|\bDELETE\s+FROM\b|\bCREATE\s+(TABLE|INDEX|DATABASE)\b"
    r"|^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s)",
    re.DOTALL,
)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _docstrings(tree: ast.Module) -> set[int]:
    """Return the ids of the constants that are a sentence for the reader: docstrings, also of attributes."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _texts(tree: ast.Module) -> Iterator[str]:
    documented = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


def _waits_for_ever(node: ast.While) -> bool:
    """Tell whether a loop looks like background work: `while True`, `while not stop`."""
    return (isinstance(node.test, ast.Constant) and bool(node.test.value)) or (
        isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
    )


def _existing(exceptions: Mapping[str, str]) -> set[str]:
    """Return the exceptions; one whose file has gone is none."""
    return {path for path in exceptions if (REPOSITORY / path).exists()}


def test_sql_stands_in_sql_files() -> None:
    found = {relative(path) for path in modules() for text in _texts(_tree(path)) if _SQL.search(text)}
    allowed = {path for path in found if "/tidewheel_common/store/" in path}
    assert found - allowed == _existing(SQL_ELSEWHERE)


def test_background_work_runs_on_the_one_loop_skeleton() -> None:
    found = {
        relative(path)
        for path in modules()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.While) and _waits_for_ever(node)
    }
    assert found == _existing(LOOPS_ELSEWHERE)


def test_every_file_is_short_enough_to_be_read() -> None:
    files = [*modules(), *(REPOSITORY / "tests").glob("**/*.py")]
    long = {relative(path): lines for path in files if (lines := len(path.read_text().splitlines())) > LONGEST}
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [relative(path) for path in modules() if not ast.get_docstring(_tree(path))] == []


def test_the_checks_would_notice() -> None:
    tree = ast.parse('"""SELECT a FROM b"""\nx = f"UPDATE {t} SET y = 1"\ny = "insert into z values (1)"')
    assert [text for text in _texts(tree) if _SQL.search(text)] == ["UPDATE x SET y = 1", "insert into z values (1)"]
    assert not _SQL.search("You may select one from the list.")
    loops = ast.parse("while True: pass\nwhile not stop: pass\nwhile x < 3: pass")
    assert [_waits_for_ever(node) for node in loops.body if isinstance(node, ast.While)] == [True, True, False]
