"""Programs with worker processes: how these begin, and that they end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_loader import run
from test_process_workers import Samples

SCRIPT = """
import os, sys, time
sys.path.insert(0, {tests!r})
from test_process_workers import Samples
from ptutils.data import DataLoader
if __name__ == "__main__":
    loader = DataLoader(
        Samples(slow=0.2), 5, num_workers=2, workers="process",
        multiprocessing_context={method!r},
    )
    batches = iter(loader)
    print("pids", *{{int(p) for p in next(batches)["pid"]}}, flush=True)
    {then}
"""


@pytest.mark.parametrize(
    ("then", "code", "method"),
    [
        ("pass", 0, "forkserver"),
        ("os.kill(os.getpid(), 9)", -9, "forkserver"),
        ("os.kill(os.getpid(), 9)", -9, "fork"),
        ("os.kill(os.getpid(), 9)", -9, "spawn"),
    ],
)
def test_workers_end_with_the_process(
    tmp_path: Path, then: str, code: int, method: str
) -> None:
    script = tmp_path / "run.py"
    tests = str(Path(__file__).parent)
    script.write_text(SCRIPT.format(tests=tests, then=then, method=method))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    pids = [int(p) for p in done.stdout.split()[1:]]
    assert pids
    until = time.monotonic() + 10
    while any(Path(f"/proc/{p}").exists() for p in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [p for p in pids if Path(f"/proc/{p}").exists()]


class SlowToCome(Samples):
    """Its process's id goes to a file while it is unpickled."""

    def __getstate__(self) -> Any:
        return dict(vars(self))

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)
        Path(self.marker + ".new").write_text(str(os.getpid()))  # type: ignore[attr-defined]
        os.rename(self.marker + ".new", self.marker)  # type: ignore[attr-defined]
        time.sleep(1)


KILLED_EARLY = """
import os, sys, threading, time
sys.path.insert(0, {tests!r})
from test_process_programs import SlowToCome
from ptutils.data import DataLoader
if __name__ == "__main__":
    data = SlowToCome()
    data.marker = {marker!r}
    loader = DataLoader(data, 5, num_workers=1, workers="process",
                        multiprocessing_context="fork")
    threading.Thread(target=next, args=(loader,), daemon=True).start()
    while not os.path.exists(data.marker):
        time.sleep(0.01)
    os.kill(os.getpid(), 9)
"""


def test_a_worker_that_starts_as_its_parent_dies_ends(tmp_path: Path) -> None:
    script, marker = tmp_path / "run.py", tmp_path / "pid"
    tests = str(Path(__file__).parent)
    script.write_text(KILLED_EARLY.format(tests=tests, marker=str(marker)))
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, str(script)], stdout=out, stderr=out)
    worker = Path("/proc") / marker.read_text()
    until = time.monotonic() + 10
    while worker.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not worker.exists()


PRELOADED = """
import sys, time
sys.path.insert(0, {tests!r})
import multiprocessing
from test_process_workers import Samples
from ptutils.data import DataLoader
if __name__ == "__main__":
    {before}
    for _ in range(2):
        begin = time.monotonic()
        next(iter(DataLoader(Samples(), 5, num_workers=1, workers="process")))
        print(time.monotonic() - begin)
    print(vars(multiprocessing.forkserver)["_forkserver"]._preload_modules)
"""


@pytest.mark.parametrize(
    "before", ["pass", "multiprocessing.set_forkserver_preload(['json'])"]
)
def test_what_is_slow_to_import_is_imported_once(tmp_path: Path, before: str) -> None:
    script = tmp_path / "run.py"
    tests = str(Path(__file__).parent)
    script.write_text(PRELOADED.format(tests=tests, before=before))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    first, second, modules = done.stdout.splitlines()
    if before == "pass":
        assert float(second) < float(first) / 2
        assert "torch" in modules and "ptutils.data" in modules
    else:
        assert modules == "['json']"


UNGUARDED = """
import numpy as np
from ptutils.data import ArrayDataset, DataLoader
data = ArrayDataset(np.arange(10))
for batch in DataLoader(data, batch_size=5, num_workers=1, workers="process"):
    pass
"""

FORKED_SERVER = """
import os, numpy as np
from ptutils.data import ArrayDataset, DataLoader

def count():
    data = ArrayDataset(np.arange(10))
    loader = DataLoader(data, 5, num_workers=1, workers="process")
    batches = len(list(loader))
    loader.close()
    return batches

if __name__ == "__main__":
    assert count() == 2
    pid = os.fork()
    if pid == 0:
        os._exit(count())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert count() == 2
"""


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    done = run(UNGUARDED, tmp_path)
    assert done.returncode == 1
    told = "once belongs below `if __name__ == '__main__':`) (worker 0, pid"
    assert told in done.stderr


def test_a_forks_child_starts_workers_of_its_own(tmp_path: Path) -> None:
    done = run(FORKED_SERVER, tmp_path)
    assert done.returncode == 0, done.stderr
