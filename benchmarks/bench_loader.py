"""Shuffled batches of arrays in memory, beside torch's DataLoader.

NumPy's gather of the same batches, without a loader around it, is the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from common import Absent, Benchmark, Work

import ptutils as pt
from ptutils.data import ArrayDataset, DataLoader

try:
    import torch
    from torch.utils import data as torch_data
except ImportError as error:
    torch = None
    no_torch = str(error)

BATCH = 256


class Gather:
    """Indexing by a permutation, and nothing else."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y
        self.rng = np.random.default_rng(0)

    def __iter__(self) -> Any:
        order = self.rng.permutation(len(self.x))
        for i in range(0, len(order), BATCH):
            chosen = order[i : i + BATCH]
            yield self.x[chosen], self.y[chosen]


def epoch_of(loader: Iterable[Any]) -> Work:
    def run() -> None:
        for _ in loader:
            pass

    return run


def first_batch_of(make: Callable[[], Iterable[Any]]) -> Work:
    """A new loader's first batch."""

    def run() -> None:
        batches = iter(make())
        next(batches)

    return run


def check_batches(loaders: dict[str, Iterable[Any]], x: Any, y: Any) -> None:
    """An epoch is every sample once, in another order each time. The first
    column holds the sample's index."""
    for who, loader in loaders.items():
        orders = []
        for _ in range(2):
            seen = []
            for images, labels in loader:
                images, labels = np.asarray(images), np.asarray(labels)
                index = images[:, 0].astype(np.int64)
                np.testing.assert_array_equal(images, x[index], err_msg=who)
                np.testing.assert_array_equal(labels, y[index], err_msg=who)
                assert images.dtype == x.dtype and len(images) <= BATCH, who
                seen.append(index)
            orders.append(np.concatenate(seen))
            np.testing.assert_array_equal(
                np.sort(orders[-1]), np.arange(len(x)), err_msg=who
            )
        assert (orders[0] != orders[1]).any(), f"{who} does not shuffle"


def torch_loader(x: np.ndarray, y: np.ndarray, workers: int) -> Any:
    return torch_data.DataLoader(
        torch_data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y)),
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def compare(bench: Benchmark, n: int, width: int, targets: dict[str, float]) -> None:
    x = np.random.default_rng(0).random((n, width), dtype=np.float32)
    x[:, 0] = np.arange(n)
    y = np.arange(n) % 10

    def ours(**options: Any) -> DataLoader:
        return DataLoader(ArrayDataset(x, y), batch_size=BATCH, shuffle=True, **options)

    loaders: dict[str, Iterable[Any]] = {
        "ptutils": ours(),
        "ptutils, num_workers=0": ours(num_workers=0),
        "ptutils, num_workers=2": ours(num_workers=2),
        "NumPy gather, no loader": Gather(x, y),
    }
    contenders: dict[str, Work | Absent] = {}
    if torch is not None:
        loaders["ptutils, output='torch'"] = ours(output="torch")
        loaders["torch, num_workers=0"] = torch_loader(x, y, 0)
        loaders["torch, num_workers=2"] = torch_loader(x, y, 2)
    contenders = {who: epoch_of(loader) for who, loader in loaders.items()}
    first: dict[str, Work | Absent] = {"ptutils": first_batch_of(ours)}
    if torch is None:
        for workers in (0, 2):
            contenders[f"torch, num_workers={workers}"] = Absent(no_torch)
        first["torch, num_workers=2"] = Absent(no_torch)
    else:
        first["torch, num_workers=2"] = first_batch_of(lambda: torch_loader(x, y, 2))
    bench.compare(
        f"epoch of {n} x {width} f32, batch {BATCH}",
        contenders,
        check=lambda _: check_batches(loaders, x, y),
        items=n,
        targets=targets,
    )
    bench.compare(
        f"first batch of {n} x {width} f32",
        first,
        number=1,
        targets={"torch, num_workers=2": 10},
    )
    for loader in loaders.values():  # persistent workers end with their iterator
        if getattr(loader, "_iterator", None) is not None:
            loader._iterator._shutdown_workers()


def main() -> None:
    bench = Benchmark("loader", "shuffled batches of arrays in memory")
    bench.note(f"threads: {pt.num_threads()}")
    both = ("torch, num_workers=0", "torch, num_workers=2")
    compare(bench, 10_000, 5, dict.fromkeys(both, 50))
    compare(bench, 60_000, 784, {})
    bench.finish()


if __name__ == "__main__":
    main()
