"""The command line where its output or its arguments are not plain UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from small import environment

import ptutils


def test_what_stdout_cannot_take_is_escaped_or_said(tmp_path: Path) -> None:
    def ls(redirect: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = f'"$0" -m ptutils "$@" {redirect}'
        return subprocess.run(
            ["sh", "-c", command, sys.executable, *args],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
            env=environment(**env))  # fmt: skip

    with ptutils.Session("ü", dbinterface=tmp_path / "u.db"):
        pass
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = ls("", "ls", "--db", "u.db", **ascii_only)
    assert (done.returncode, "\\xfc" in done.stdout) == (0, True), done.stderr
    done = ls(">&-", "ls", "--db", "u.db")
    assert (done.returncode, done.stderr) == (0, "")
    done = ls("> /dev/full", "show", "ü", "--history", "--db", "u.db")
    assert done.returncode == 1
    assert done.stderr.startswith("ptutils: standard output could not be written")
    done = ls("", "ls", "--db", os.fsdecode(b"n\xff.db"))
    assert done.returncode == 1 and "[n\\xff.db] the path" in done.stderr
