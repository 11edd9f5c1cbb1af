"""What a loader costs beside its batches: the time to the first one, its memory, and
worker processes for samples that Python makes; beside torch's DataLoader with two
workers.

First batch: from the loader's construction on, of A (HDF5) and D (JPEGs) of
bench_data; E is in bench_loader. Memory: what the process and its children hold
(PSS: shared pages counted in parts) in the middle of an epoch; the whole, and what
came with the loader, once torch and the data set were there.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import Benchmark, Work

BATCH = {"hdf5": 256, "jpeg": 16, "arrays": 256}
N = 2048


class Slow:
    """Some 100 us of Python a sample."""

    def __init__(self, n: int, loops: int) -> None:
        self.n, self.loops = n, loops

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        import numpy as np

        total = 0
        for i in range(self.loops):
            total += i * index % 7
        return np.full((3, 32, 32), total % 251, np.float32), index


def our_loader(case: str, folder: Path, output: str) -> Any:
    """A loader with two workers over a case's data."""
    import ours

    from ptutils.data import ArrayDataset, DataLoader

    if case == "hdf5":
        data: Any = ours.our_hdf5(folder / "a.h5", "one")
    elif case == "jpeg":
        data = ours.our_jpegs(folder / "jpeg")
    else:
        data = ArrayDataset(*arrays())
    options = {"output": output, "num_workers": 2, "shuffle": True}
    return DataLoader(data, batch_size=BATCH[case], **options)


def torch_loader(case: str, folder: Path) -> Any:
    import loading
    import torch
    from torch.utils import data as torch_data

    if case == "hdf5":
        data: Any = loading.H5(folder / "a.h5", "one", N)
    elif case == "jpeg":
        data = loading.torch_jpegs(folder / "jpeg")
    else:
        data = torch_data.TensorDataset(*(torch.from_numpy(a) for a in arrays()))
    return torch_data.DataLoader(
        data,
        batch_size=BATCH[case],
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )


def loader(who: str, case: str, folder: Path) -> Any:
    if who == "torch":
        return torch_loader(case, folder)
    return our_loader(case, folder, "numpy" if who == "ptutils" else "torch")


@functools.cache
def arrays() -> Any:
    import numpy as np

    images = np.random.default_rng(0).random((20_000, 3 * 64 * 64), dtype=np.float32)
    return images[:4096], np.arange(4096)


def close(loader: Any) -> None:
    if getattr(loader, "_iterator", None) is not None:
        loader._iterator._shutdown_workers()
    if hasattr(loader, "close"):
        loader.close()


def first_batch(who: str, case: str, folder: Path) -> Work:
    def work() -> Callable[[], None]:
        made = loader(who, case, folder)
        next(iter(made))
        return lambda: close(made)

    return work


def pss(pid: int) -> int:
    """Bytes of a process and its children."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    total = int(own.split()[1]) << 10
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += pss(int(child))
    return total


def measure_memory(who: str, case: str, folder: Path) -> None:
    """In a process of its own: two numbers, as JSON."""
    if who != "ptutils":
        import torch  # noqa: F401
    made = loader(who, case, folder)
    made.dataset[0]
    before = pss(os.getpid())
    batches = iter(made)
    for _ in range(4):
        held = next(batches)
    now = pss(os.getpid())
    print(json.dumps([now, now - before]))
    del batches, held
    close(made)


def memory(bench: Benchmark, folder: Path) -> None:
    for case in ("hdf5", "jpeg", "arrays"):
        names = ("ptutils", "ptutils, torch tensors", "torch")
        figures: dict[str, list[list[int]]] = {who: [] for who in names}
        for _ in range(bench.options.repetitions):
            for who, rows in figures.items():
                command = [sys.executable, __file__, "--memory", who, case, str(folder)]
                out = subprocess.run(
                    command, check=True, capture_output=True, text=True
                ).stdout
                rows.append(json.loads(out))
        for i, what in enumerate(("the whole", "with the loader")):
            sizes = {
                who: statistics.median(row[i] for row in rows) / 1e6
                for who, rows in figures.items()
            }
            said = ", ".join(
                f"{who} {size:.0f} MB ({size / sizes['torch']:.2f}x)"
                for who, size in sizes.items()
            )
            bench.note(f"memory, {case}, {what} (at most 0.5x): {said}")


def processes(bench: Benchmark) -> None:
    from torch.utils import data as torch_data

    from ptutils.data import DataLoader

    for name, loops, n in (("trivial", 0, 8192), ("some 100 us", 1500, 2048)):
        data = Slow(n, loops)
        ours = DataLoader(
            data, batch_size=64, num_workers=2, workers="process", output="torch"
        )
        theirs = {
            w: torch_data.DataLoader(
                data, batch_size=64, num_workers=w, persistent_workers=w > 0
            )
            for w in (0, 2)
        }

        def epoch(loader: Any) -> Callable[[], None]:
            def work() -> None:
                for _ in loader:
                    pass

            return work

        bench.compare(
            f"Python samples in processes, {name}",
            {"ptutils, 2 processes": epoch(ours)}
            | {f"torch, num_workers={w}": epoch(theirs[w]) for w in theirs},
            number=1,
            items=n,
            targets={"torch, num_workers=2": 1.5},
        )
        for each in (ours, *theirs.values()):
            close(each)


def main() -> None:
    if sys.argv[1:2] == ["--memory"]:
        who, case, folder = sys.argv[2:]
        measure_memory(who, case, Path(folder))
        return
    import loading

    bench = Benchmark("start", "a loader's first batch, memory and processes")
    folder = Path(tempfile.mkdtemp(prefix="ptutils-bench-", dir="/dev/shm"))
    try:
        loading.write_hdf5(folder / "a.h5", loading.images_of(N, 96))
        loading.write_jpegs(folder / "jpeg")
        arrays()
        for case, target in (("hdf5", 10), ("jpeg", 3), ("arrays", 10)):
            bench.compare(
                f"first batch, {case}",
                {
                    who: first_batch(who, case, folder)
                    for who in ("ptutils, torch tensors", "torch")
                },
                number=1,
                targets={"torch": target},
            )
        memory(bench, folder)
        processes(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bench.finish()


if __name__ == "__main__":
    main()
