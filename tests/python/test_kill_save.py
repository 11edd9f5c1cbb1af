"""Saves that are killed, and saves whose system calls fail, in every format: the
file is the old one or the new one, whole; nothing is left beside it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import full
from formats import FORMATS
from worker import HERE, Worker

SUFFIXES = sorted({"hdf5", "lmdb", *(format.suffix for format in FORMATS.values())})


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    shim = tmp_path_factory.mktemp("shim") / "failing_calls.so"
    source = str(HERE / "failing_calls.c")
    compile = ["cc", "-O1", "-shared", "-fPIC", "-o", str(shim), source, "-ldl"]
    subprocess.run(compile, check=True)
    worker = Worker("save_worker.py", LD_PRELOAD=str(shim))
    yield worker
    worker.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_save_that_is_killed_or_fails_leaves_a_whole_file(
    suffix: str, worker: Worker, tmp_path: Path
) -> None:
    found = worker.ask(suffix, str(tmp_path), full(20, 200))
    assert not found["faults"], "\n".join(found["faults"])
    assert found["calls"] >= 4  # write, fsync, rename, fsync of the folder
    assert found["old"] > 0 and found["old"] + found["new"] == full(20, 200)
