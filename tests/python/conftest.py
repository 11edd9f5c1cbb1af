"""What every test may use."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

faulthandler.enable()
# A shell's background job ignores Ctrl-C, and hands that on to what tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[2]


def full(small: int, large: int) -> int:
    """A count: the small one in every run, the large one with --full."""
    return large if os.environ.get("PTUTILS_FULL") else small


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> None:
    """Nothing is read from, or left in, the user's home; no default database."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.delenv("PTUTILS_DB", raising=False)


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script in a process of its own, in tmp_path."""

    def run(code: str, *args: str, check: bool = True, timeout: float = 60, **env: str):
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **env},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    return run
