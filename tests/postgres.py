"""A Postgres server of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A Postgres server of the tests' own; its address."""
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        pytest.skip("there is no Postgres here: initdb and pg_ctl must be on the path")
    pytest.importorskip("psycopg_pool", reason="pip install 'visiongpt-agent[postgres]'")
    # The server refuses to run as root, and another user cannot look into pytest's folders.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        made = _server(user, "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust")
        if made.returncode:
            pytest.skip(f"initdb cannot run here: {made.stderr.strip().splitlines()[0]}")
        options = f"-c listen_addresses='' -k {folder}"
        started = _server(user, "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start")
        assert started.returncode == 0
        yield f"postgresql://tester:secret@/postgres?host={folder}"
        _server(user, "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")


def _server(user: str | None, *command: str | Path) -> subprocess.CompletedProcess[str]:
    # A file, as the server keeps what it is given open.
    with tempfile.TemporaryFile("w+") as told:
        ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=told, user=user, cwd="/", timeout=60)
        told.seek(0)
        return subprocess.CompletedProcess(command, ran.returncode, "", told.read())
