"""One torch training loop, fed by torch's DataLoader and by ours: a small
convolutional net at 64 pixels (ResNet-18 at 224 where there is a GPU), from a folder
of JPEGs and from HDF5. Images a second, and the share of time that the model waits.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import loading
import ours
import torch
from common import Benchmark, Work
from torch.nn import functional as F
from torch.utils import data as torch_data

from ptutils.data import DataLoader

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZE = 224 if DEVICE == "cuda" else 64
BATCH = 64


def network() -> torch.nn.Module:
    if DEVICE == "cuda":
        from torchvision.models import resnet18

        return resnet18(num_classes=4).to(DEVICE)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 4),
    )


class Training:
    """An epoch of it, and how long it waited for batches."""

    def __init__(self, loader: Any) -> None:
        torch.manual_seed(0)
        self.loader, self.net = loader, network()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)
        self.waited = self.took = 0.0

    def epoch(self) -> None:
        begin = time.perf_counter()
        batches = iter(self.loader)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                break
            images, labels = (part.to(DEVICE, non_blocking=True) for part in batch)
            loss = F.cross_entropy(self.net(images), labels % 4)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        self.took += time.perf_counter() - begin


def compare(bench: Benchmark, case: str, ours: Any, theirs: Any) -> None:
    pins = DEVICE == "cuda"
    loaders: dict[str, Any] = {
        "ptutils": DataLoader(
            ours, BATCH, shuffle=True, num_workers=2, output="torch", pin_memory=pins
        )
    }
    for workers in (0, 2):
        loaders[f"torch, num_workers={workers}"] = torch_data.DataLoader(
            theirs,
            batch_size=BATCH,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pins,
        )
    runs = {who: Training(loader) for who, loader in loaders.items()}
    works: dict[str, Work] = {who: run.epoch for who, run in runs.items()}
    bench.compare(case, works, number=1, items=len(ours))
    for who, run in runs.items():
        bench.note(
            f"{case}, {who}: waits {100 * run.waited / run.took:.0f} % of the time"
        )
    for loader in loaders.values():
        if getattr(loader, "_iterator", None) is not None:
            loader._iterator._shutdown_workers()
        if hasattr(loader, "close"):
            loader.close()


def main() -> None:
    bench = Benchmark("training", "a torch training loop fed by both loaders")
    bench.note(
        f"{DEVICE}, images of {SIZE} pixels, torch threads {torch.get_num_threads()}"
    )
    folder = Path(tempfile.mkdtemp(prefix="ptutils-bench-", dir="/dev/shm"))
    try:
        path = folder / "a.h5"
        n = 2048
        loading.write_hdf5(path, loading.images_of(n, SIZE))
        compare(
            bench,
            f"HDF5, {SIZE} pixels",
            ours.our_hdf5(path, "one"),
            loading.H5(path, "one", n),
        )
        root = loading.write_jpegs(folder / "jpeg", 512)
        compare(
            bench,
            f"JPEGs of 400 x 500 to {SIZE} pixels",
            ours.our_jpegs(root, SIZE, dct_scaling=True),
            loading.torch_jpegs(root, SIZE),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bench.finish()


if __name__ == "__main__":
    main()
