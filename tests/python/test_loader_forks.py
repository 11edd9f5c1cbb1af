"""Forks of a process whose loaders have threads."""

from __future__ import annotations

from pathlib import Path

from test_loader import run

FORKED = """
import os, sys
import numpy as np
from ptutils.data import ArrayDataset, DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self): return 40
    def __getitem__(self, i): return i

for dataset in (ArrayDataset(np.arange(40)), Numbers()):
    loader = DataLoader(dataset, 4, num_workers=2)
    it = iter(loader)
    next(it)
    pid = os.fork()
    rest = len(list(it))
    if pid == 0:
        os._exit(rest)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == rest == 9, rest
"""


def test_a_fork_in_mid_epoch_goes_on_on_both_sides(tmp_path: Path) -> None:
    done = run(FORKED, tmp_path)
    assert done.returncode == 0, done.stderr


FORKS = """
import os, sys, time
from ptutils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self): return 10**7
    def __getitem__(self, i): return i

batches = iter(DataLoader(Numbers(), 1, num_workers=4))
for _ in range(int(sys.argv[1])):
    next(batches)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    late = time.monotonic() + 10
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        next(batches)  # its threads take Python's lock, over and over
        if time.monotonic() > late:
            os.kill(pid, 9)
            sys.exit("the child hangs")
os._exit(0)
"""


def test_forks_while_threads_take_pythons_lock(tmp_path: Path) -> None:
    done = run(FORKS, tmp_path, "2000")
    assert done.returncode == 0, done.stderr


OLDER_HOOK = """
import os, threading
lock = threading.RLock()
os.register_at_fork(
    before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
)
from ptutils.data import DataLoader

class Numbers:
    def __len__(self): return 10**6
    def __getitem__(self, i): return i

def draw():
    batches = iter(DataLoader(Numbers(), 10, num_workers=2))
    while True:
        with lock:
            next(batches)

threading.Thread(target=draw, daemon=True).start()
for _ in range(30):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
os._exit(0)
"""


def test_a_fork_waits_for_who_waits_for_a_batch(tmp_path: Path) -> None:
    done = run(OLDER_HOOK, tmp_path)
    assert done.returncode == 0, done.stderr
