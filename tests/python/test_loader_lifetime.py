"""Loaders that are referred to in circles, and those of a process that ends."""

from __future__ import annotations

import gc
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from test_loader import Numbers, run, settled, threads

from ptutils.data import DataLoader


class Owner:
    """Holds a loader that refers back, by what `way` says."""

    def __init__(self, way: str, workers: int) -> None:
        options = {"batch_size": 5, "num_workers": workers}
        if way == "collate_fn":
            self.loader = DataLoader(Numbers(20), collate_fn=self.collate, **options)
        elif way == "dataset":
            dataset = self.dataset = Numbers(20)
            self.loader = dataset.loader = DataLoader(dataset, **options)
        else:
            self.loader = DataLoader(Numbers(20), **options)
            self.iteration = self.loader.iteration = iter(self.loader)

    def collate(self, samples: list) -> np.ndarray:
        return np.asarray(samples)


@pytest.mark.parametrize("way", ["collate_fn", "dataset", "iteration"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batches", [0, 1, 4])
def test_what_a_loader_refers_to_is_collected(
    way: str, workers: int, batches: int
) -> None:
    before = threads()
    owner = Owner(way, workers)
    for _ in zip(range(batches), owner.loader, strict=False):
        pass
    gone = weakref.ref(owner.loader)
    del owner
    gc.collect()
    assert gone() is None
    assert settled(before)


def test_a_loader_in_use_is_not_taken_apart_by_the_collector() -> None:
    owner = Owner("collate_fn", 2)
    seen = []
    for batch in owner.loader:
        gc.collect()
        seen += batch.tolist()
    assert len(seen) == 20 and owner.loader.collate_fn == owner.collate


def test_a_daemon_thread_that_iterates_does_not_delay_the_exit(tmp_path: Path) -> None:
    script = """
import threading, time
from ptutils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 10_000
    def __getitem__(self, i):
        time.sleep(0.001)
        return i
def use():
    try:
        for _ in DataLoader(Slow(), 4, num_workers=2): pass
    except RuntimeError: pass
threading.Thread(target=use, daemon=True).start()
time.sleep(0.1)
"""
    begin = time.monotonic()
    done = run(script, tmp_path)
    assert done.returncode == 0 and time.monotonic() - begin < 4, done.stderr
