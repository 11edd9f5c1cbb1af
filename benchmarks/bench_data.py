"""Shuffled batches of files and pictures, beside torch's DataLoader with the formats'
own libraries, at 0 and at 2 workers (kept alive).

A  HDF5, uint8 96x96x3, gzip, one sample a chunk, to float32 (3, 96, 96)
B  the same, 32 samples a chunk, within the cache: beside h5py's default cache, and
   beside one as large as the file
C  TFRecord of tf.train.Example: 27 648 bytes and an int64, indexed
D  a folder of JPEGs: resize 256, crop 224, normalise
E2 uint8 64x64x3 in memory, to float32
F  .npz files of 1.2 MB, one a sample

Batches are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Benchmark, Work
from loading import (
    H5,
    images_of,
    torch_jpegs,
    write_hdf5,
    write_jpegs,
)
from ours import STD, our_hdf5, our_jpegs
from tfrecord import example_pb2
from tfrecord.tools.tfrecord2idx import create_index
from tfrecord.torch.dataset import TFRecordDataset
from tfrecord.writer import TFRecordWriter
from torch.utils import data as torch_data

from ptutils.data import (
    ArrayReader,
    DataLoader,
    Dataset,
    TFRecordReader,
)
from ptutils.data import transforms as T

BATCH = 256
Loaders = dict[str, Iterable[Any]]


def torch_loaders(name: str, make: Callable[[], Any], batch: int = BATCH) -> Loaders:
    return {
        f"{name}, num_workers={workers}": torch_data.DataLoader(
            make(),
            batch_size=batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        for workers in (0, 2)
    }


def our_loaders(name: str, data: Dataset, batch: int = BATCH) -> Loaders:
    return {
        f"{name}, num_workers={workers}": DataLoader(
            data, batch_size=batch, shuffle=True, num_workers=workers, output="torch"
        )
        for workers in (2, 1, 0)
    }


def by_label(loader: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*loader, strict=True)
    label = np.concatenate([np.asarray(part).ravel() for part in labels])
    order = np.argsort(label, kind="stable")
    return label[order], np.concatenate([np.asarray(part) for part in images])[order]


def run(
    bench: Benchmark,
    case: str,
    loaders: Loaders,
    n: int,
    targets: dict[str, float],
    tolerance: float = 1e-6,
) -> None:
    """Labels are the samples' numbers, so that epochs can be compared."""

    def epoch(loader: Iterable[Any]) -> Work:
        def work() -> None:
            for _ in loader:
                pass

        return work

    def check(_: dict[str, Work]) -> None:
        first = by_label(next(iter(loaders.values())))
        for who, loader in loaders.items():
            label, images = by_label(loader)
            np.testing.assert_array_equal(label, first[0], err_msg=who)
            error = np.abs(images - first[1]).max()
            assert error <= tolerance, f"{who} differs by {error}"

    every = {
        f"{peer}, num_workers={w}": t for peer, t in targets.items() for w in (0, 2)
    }
    works = {who: epoch(loader) for who, loader in loaders.items()}
    bench.compare(case, works, check=check, items=n, number=1, targets=every)
    for loader in loaders.values():
        if getattr(loader, "_iterator", None) is not None:
            loader._iterator._shutdown_workers()
        if hasattr(loader, "close"):
            loader.close()


def hdf5(bench: Benchmark, folder: Path, images: np.ndarray, name: str) -> None:
    path = folder / f"{name}.h5"
    n = len(images)
    write_hdf5(path, images)
    if name == "A":
        ours, case = our_hdf5(path, "one"), "A. HDF5, a sample a chunk"
        peers, targets = torch_loaders("h5py", lambda: H5(path, "one", n)), {"h5py": 4}
    else:
        ours, case = our_hdf5(path, "many", 1 << 30), "B. HDF5, 32 samples a chunk"
        whole = {"rdcc_nbytes": 1 << 30, "rdcc_nslots": 100_003}
        peers = torch_loaders("h5py", lambda: H5(path, "many", n))
        # A file that is open already keeps the cache that it was opened with.
        copy = Path(shutil.copy(path, folder / "whole.h5"))
        peers |= torch_loaders(
            "h5py, whole cache", lambda: H5(copy, "many", n, **whole)
        )
        targets = {"h5py": 40, "h5py, whole cache": 3}
    run(bench, case, our_loaders("ptutils", ours) | peers, n, targets)


class Records(torch_data.Dataset):
    """By the package's index and its parser of Examples."""

    def __init__(self, path: Path, index: Path) -> None:
        self.path = path
        self.at = np.loadtxt(index, dtype=np.int64)
        self.file: Any = None

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, i: int) -> Any:
        if self.file is None:
            self.file = self.path.open("rb")
        begin, length = self.at[i]
        self.file.seek(begin + 12)
        example = example_pb2.Example()
        example.ParseFromString(self.file.read(length - 16))
        feature = example.features.feature
        raw = np.frombuffer(feature["image"].bytes_list.value[0], np.uint8)
        image = torch.from_numpy(raw.reshape(96, 96, 3).copy())
        return image, feature["label"].int64_list.value[0]


def package_loaders(path: Path, index: Path) -> Loaders:
    """The package's own data set: its index parts the file among workers, and a
    queue of 1 024 shuffles."""

    def ours(features: dict[str, Any]) -> tuple[Any, int]:
        raw = np.frombuffer(features["image"], np.uint8).reshape(96, 96, 3)
        return torch.from_numpy(raw.copy()), int(features["label"][0])

    out: Loaders = {}
    for workers in (0, 2):
        data = TFRecordDataset(
            str(path),
            str(index),
            {"image": "byte", "label": "int"},
            shuffle_queue_size=1024,
            transform=ours,
        )
        out[f"tfrecord, num_workers={workers}"] = torch_data.DataLoader(
            data,
            batch_size=BATCH,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
    return out


def tfrecord(bench: Benchmark, folder: Path, images: np.ndarray) -> None:
    path, index = folder / "a.tfrecord", folder / "a.idx"
    writer = TFRecordWriter(str(path))
    for i, image in enumerate(images):
        writer.write({"image": (image.tobytes(), "byte"), "label": (i, "int")})
    writer.close()
    create_index(str(path), str(index))
    features = {"image": ("uint8", (96, 96, 3)), "label": "int64"}
    data = Dataset(path, TFRecordReader(features, fields=["image", "label"]))
    run(
        bench,
        "C. TFRecord, indexed",
        our_loaders("ptutils", data)
        | torch_loaders("by index", lambda: Records(path, index))
        | package_loaders(path, index),
        len(images),
        {"tfrecord": 10, "by index": 10},
    )


def jpeg(bench: Benchmark, folder: Path, given: Path | None) -> None:
    root = given or write_jpegs(folder / "jpeg")
    full, scaled = our_jpegs(root), our_jpegs(root, dct_scaling=True)
    n = len(full)

    def torchs() -> Any:
        return torch_jpegs(root)

    # The labels are classes: whole epochs are compared in order, by themselves.
    ours = next(iter(DataLoader(full, batch_size=n, num_workers=2)))[0]
    peers = next(iter(torch_data.DataLoader(torchs(), batch_size=n)))[0].numpy()
    assert np.abs(ours - peers).max() < 1.1 / 255 / min(STD), "pictures differ"
    for name, data, target in (("full", full, 2.0), ("dct_scaling", scaled, 3.0)):
        loaders = our_loaders("ptutils", data, 16)
        loaders |= torch_loaders("torchvision", torchs, 16)
        case = f"D. {n} JPEGs, {name}"
        run(bench, case, loaders, n, {"torchvision": target}, tolerance=np.inf)


class Floats(torch_data.Dataset):
    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        return self.images[i].float() * (1 / 255), i


def memory(bench: Benchmark) -> None:
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (20_000, 64, 64, 3), dtype=np.uint8)
    data = Dataset((images, np.arange(len(images))), preprocessor=[T.ToFloat(1 / 255)])
    run(
        bench,
        "E2. 20 000 x 64x64x3 in memory",
        our_loaders("ptutils", data)
        | torch_loaders("torch", lambda: Floats(torch.from_numpy(images))),
        len(images),
        {"torch": 8},
    )


class Npz(torch_data.Dataset):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Any:
        with np.load(self.paths[i]) as file:
            return torch.from_numpy(file["x"][0]), int(file["y"][0])


def npz(bench: Benchmark, folder: Path) -> None:
    rng = np.random.default_rng(3)
    for i in range(128):
        x = rng.random((1, 3, 320, 320), dtype=np.float32)
        np.savez(folder / f"item-{i:03}.npz", x=x, y=np.array([i]))
    paths = sorted(folder.glob("item-*.npz"))
    data = Dataset([str(path) for path in paths], ArrayReader(["x", "y"]))
    run(
        bench,
        "F. 128 x .npz of 1.2 MB",
        our_loaders("ptutils", data, 16)
        | torch_loaders("numpy", lambda: Npz(paths), 16),
        len(paths),
        {"numpy": 3},
    )


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--jpeg", type=Path, help="a folder of folders of JPEGs")
        parser.add_argument("--cases", default="ABCDEF", help="of them, these")

    bench = Benchmark("data", "shuffled batches of files and pictures", more)
    folder = Path(tempfile.mkdtemp(prefix="ptutils-bench-", dir="/dev/shm"))
    try:
        cases = set(bench.options.cases.upper())
        images = images_of(4096, 96) if cases & set("ABC") else np.empty(0)
        if "A" in cases:
            hdf5(bench, folder, images, "A")
        if "B" in cases:  # h5py unpacks a chunk a sample
            hdf5(bench, folder, images[:1024], "B")
        if "C" in cases:
            tfrecord(bench, folder, images)
        if "D" in cases:
            jpeg(bench, folder, bench.options.jpeg)
        if "E" in cases:
            memory(bench)
        if "F" in cases:
            npz(bench, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    bench.finish()


if __name__ == "__main__":
    main()
