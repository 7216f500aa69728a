"""Who may import whom: the contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_the_import_contracts_are_kept(repository: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
