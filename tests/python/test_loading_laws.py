"""What holds for every source, however it is loaded: the order, the resume, what is
left of loaders that were dropped, and files that are damaged or gone."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pictures
import pytest
from conftest import full
from records import example, framed

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    HDF5Reader,
    ImageFolder,
    TFRecordReader,
)
from ptutils.data import transforms as T

N = 30


class Plain:
    """Samples that Python makes."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 2), index, np.float32), index


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)


def hdf5(folder: Path) -> Dataset:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", data=images(), chunks=(4, 8, 8, 3), compression="gzip")
        file["y"] = np.arange(N)
    chain = [T.ToCHW(), T.RandomCrop(6), T.RandomHorizontalFlip(), T.ToFloat(1 / 255)]
    return Dataset(folder / "a.h5", HDF5Reader(["x", "y"]), {"x": chain})


def tfrecord(folder: Path) -> Dataset:
    records = [
        framed(example({"x": image.tobytes(), "y": [i]}))
        for i, image in enumerate(images())
    ]
    (folder / "a.tfrecord").write_bytes(b"".join(records))
    form = {"x": ("uint8", (8, 8, 3)), "y": "int64"}
    reader = TFRecordReader(form, fields=["x", "y"])
    return Dataset(folder / "a.tfrecord", reader, {"x": [T.ToCHW(), T.Cutout(3)]})


def jpeg(folder: Path) -> Dataset:
    for i in range(N):
        pixels = pictures.scene(24, 20 + i % 3, i)
        pictures.save(folder / "jpeg" / f"{i % 3}" / f"{i:03}.jpg", pixels)
    chain = [T.RandomResizedCrop(8), T.ToFloat(1 / 255)]
    return ImageFolder(folder / "jpeg", preprocessor=chain)


def arrays(folder: Path) -> Dataset:
    return ArrayDataset(images(), np.arange(N))


def python(folder: Path) -> Any:
    return Plain()


SOURCES = [arrays, hdf5, tfrecord, jpeg, python]
WORKERS = [{"num_workers": n} for n in (0, 1, 2, 4)]
PROCESSES = {"num_workers": 2, "workers": "process", "multiprocessing_context": "fork"}


def taken(loader: DataLoader, epochs: int) -> list[bytes]:
    """Samples as bytes, in order."""
    out = []
    for _ in range(epochs):
        for x, y in loader:
            out += [a.tobytes() + b.tobytes() for a, b in zip(x, y, strict=True)]
    return out


@pytest.mark.parametrize("source", SOURCES)
def test_the_order_and_the_samples_do_not_depend_on_the_workers(
    source: Any, tmp_path: Path
) -> None:
    data = source(tmp_path)
    runs = []
    for workers in [*WORKERS, PROCESSES]:
        loader = DataLoader(data, batch_size=4, shuffle=True, seed=5, **workers)
        runs.append(taken(loader, 2))
        loader.close()
    assert all(run == runs[0] for run in runs)
    labels = [int.from_bytes(s[-8:], "little") for s in runs[0]]
    classes = 3 if source is jpeg else N
    for epoch in (labels[:N], labels[N:]):
        assert sorted(epoch) == sorted(i % classes for i in range(N))
    assert runs[0][:N] != runs[0][N:]


@pytest.mark.parametrize("source", SOURCES)
def test_stopped_at_every_seventh_sample_it_goes_on_with_the_next(
    source: Any, tmp_path: Path
) -> None:
    data = source(tmp_path)
    options = {"batch_size": 7, "shuffle": True, "seed": 1}
    whole = taken(DataLoader(data, num_workers=0, **options), 2)
    every = [*WORKERS, PROCESSES]
    for stop in range(2 * -(-N // 7)):
        first = DataLoader(data, **options, **every[stop % 5])
        seen: list[bytes] = []
        epoch, batch = divmod(stop, -(-N // 7))
        for _ in range(epoch):
            seen += taken(first, 1)
        batches = iter(first)
        for _ in range(batch):
            x, y = next(batches)
            seen += [a.tobytes() + b.tobytes() for a, b in zip(x, y, strict=True)]
        state = first.state_dict()
        first.close()
        again = DataLoader(data, **options, **every[(stop + 1) % 5])
        again.load_state_dict(state)
        seen += taken(again, 2 - epoch)
        again.close()
        assert seen == whole, stop


def test_distributed_shares_are_disjoint_and_complete() -> None:
    data = ArrayDataset(np.arange(29))
    for world in (1, 2, 3, 8):
        for epoch in range(2):
            shares = []
            for rank in range(world):
                sampler = DistributedSampler(world, rank)
                loader = DataLoader(data, batch_size=4, sampler=sampler, num_workers=2)
                loader.set_position(epoch, 0)
                shares.append([int(i) for (batch,) in loader for i in batch])
            assert len({len(share) for share in shares}) == 1  # equal lengths
            every = [i for share in shares for i in share]
            assert set(every) == set(range(29))
            assert len(every) - 29 < world  # as many twice as equal lengths want


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def shared_segments() -> int:
    maps = Path("/proc/self/maps").read_text()
    return maps.count("memfd:") + len(os.listdir("/dev/shm"))


def generated() -> Iterator[tuple[np.ndarray, int]]:
    for i in range(N):
        yield np.zeros((2, 2), np.float32), i


@pytest.mark.parametrize("source", [*SOURCES, lambda folder: generated])
def test_loaders_that_are_dropped_leave_nothing(source: Any, tmp_path: Path) -> None:
    data = source(tmp_path)

    def once(i: int) -> None:
        loader = DataLoader(data, batch_size=4, num_workers=i % 3)
        for _ in zip(loader, range(i % 5), strict=False):
            pass

    once(2)
    gc.collect()
    time.sleep(0.2)
    before = threads(), descriptors(), shared_segments()
    for i in range(full(100, 1000)):
        once(i)
    gc.collect()
    until = time.monotonic() + 20
    while (threads(), descriptors(), shared_segments()) > before:
        assert time.monotonic() < until, (threads(), descriptors(), before)
        time.sleep(0.02)
    assert threading.active_count() >= 1


def damaged_jpeg(folder: Path) -> tuple[Dataset, str]:
    data = jpeg(folder)
    path = folder / "jpeg" / "1" / "016.jpg"
    path.write_bytes(path.read_bytes()[:300])
    return data, "016.jpg"


def missing_jpeg(folder: Path) -> tuple[Dataset, str]:
    data = jpeg(folder)
    (folder / "jpeg" / "1" / "016.jpg").unlink()
    return data, "016.jpg"


def wrong_crc(folder: Path) -> tuple[Dataset, str]:
    data = tfrecord(folder)
    raw = bytearray((folder / "a.tfrecord").read_bytes())
    raw[16 * (len(raw) // N) + 60] ^= 1
    (folder / "a.tfrecord").write_bytes(raw)
    os.utime(folder / "a.tfrecord")
    return data, "a.tfrecord"


def damaged_hdf5(folder: Path) -> tuple[Dataset, str]:
    hdf5(folder)
    with h5py.File(folder / "a.h5", "r") as file:
        at = file["x"].id.get_chunk_info(4)
    with (folder / "a.h5").open("r+b") as raw:
        raw.seek(at.byte_offset + 20)
        raw.write(b"\xff" * 30)
    return Dataset(folder / "a.h5", HDF5Reader(["x", "y"])), "a.h5"


@pytest.mark.parametrize("workers", [*WORKERS, PROCESSES], ids=str)
@pytest.mark.parametrize(
    "damage", [damaged_jpeg, missing_jpeg, wrong_crc, damaged_hdf5]
)
def test_damaged_files_are_named_or_left_out(
    damage: Any, workers: dict[str, Any], tmp_path: Path, caplog: Any
) -> None:
    data, name = damage(tmp_path)
    if damage is missing_jpeg and workers is PROCESSES:
        with pytest.raises(pt.errors.WrongState, match="29 samples in a worker"):
            list(DataLoader(data, batch_size=4, **workers))
        return
    loader = DataLoader(data, batch_size=4, **workers)
    with pytest.raises((pt.errors.Malformed, pt.errors.IOFailed), match=name) as caught:
        list(loader)
    assert "in sample" in str(caught.value) + str(
        getattr(caught.value, "__notes__", "")
    )
    loader.close()
    skipping = DataLoader(data, batch_size=4, on_error="skip", **workers)
    with caplog.at_level("WARNING", "ptutils"):
        count = sum(len(y) for _, y in skipping)
    skipping.close()
    lost = 4 if damage is damaged_hdf5 else 1  # a chunk
    assert count == N - lost and skipping.skipped == lost
    assert name in caplog.text and "left out" in caplog.text


def in_place(x: np.ndarray) -> np.ndarray:
    x *= 2
    return x


@pytest.mark.parametrize("source", [hdf5, arrays, tfrecord, jpeg])
def test_functions_that_work_in_place_change_no_source(
    source: Any, tmp_path: Path
) -> None:
    first = source(tmp_path)
    data = Dataset(first, preprocessor=[in_place])
    for workers in (0, 2):
        loader = DataLoader(data, batch_size=4, num_workers=workers, seed=1)
        epochs = [np.concatenate([np.asarray(x) for x, _ in loader]) for _ in range(3)]
        if source is arrays:
            np.testing.assert_array_equal(epochs[0], images() * 2)
            np.testing.assert_array_equal(epochs[1], epochs[0])
            np.testing.assert_array_equal(epochs[2], epochs[0])

    def collate(samples: list[Any]) -> Any:
        for x, _ in samples:
            np.asarray(x)[...] = 0
        return samples[0][1]

    before = (
        [np.asarray(first[i][0]).copy() for i in (0, 3)] if source is arrays else []
    )
    list(DataLoader(first, batch_size=4, collate_fn=collate))
    for x, _ in DataLoader(first, batch_size=None):
        np.asarray(x)[...] = 0
    for i, x in zip((0, 3), before, strict=False):
        np.testing.assert_array_equal(np.asarray(first[i][0]), x)


def test_a_cached_chunk_is_not_changed_by_who_got_a_row(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        ones = np.ones((100, 3))
        file.create_dataset("z", data=ones, chunks=(10, 3), compression="gzip")
    data = Dataset(tmp_path / "m.h5", HDF5Reader("z"), [in_place])
    loader = DataLoader(data, 25, num_workers=2)
    assert [np.mean([batch.mean() for batch in loader]) for _ in range(3)] == [2, 2, 2]
    plain = Dataset(tmp_path / "m.h5", HDF5Reader("z"))
    row = plain[3]
    row *= 5
    assert plain[3].tolist() == [1, 1, 1]


def test_closing_waits_for_a_sample_not_for_a_batch(tmp_path: Path) -> None:
    class Slow(Plain):
        def __getitem__(self, index: int) -> Any:
            time.sleep(0.2)
            return super().__getitem__(index)

    for source in (Slow(), Dataset(Slow(), preprocessor=[in_place])):
        loader = DataLoader(source, batch_size=10, num_workers=2)
        for _ in loader:
            break
        begin = time.monotonic()
        loader.close()
        assert time.monotonic() - begin < 1  # a batch takes 2 s


def test_empty_shards_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "b.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    whole = tfrecord(tmp_path)
    (tmp_path / "0.tfrecord").write_bytes(b"")
    assert len(Dataset(str(tmp_path / "*.jsonl"))) == 2
    assert len(Dataset(str(tmp_path / "*.tfrecord"))) == len(whole)
    assert len(Dataset(tmp_path / "a.jsonl")) == 0


def test_nested_pictures_have_torchvisions_order(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    for name in ("x/c.png", "x/exif.png", "x/deep/n.png", "x/deep/a.png", "y/a.png"):
        pictures.save(tmp_path / name, np.full((4, 4, 3), len(name), np.uint8))
    os.symlink(tmp_path / "x" / "deep", tmp_path / "y" / "link")
    theirs = torchvision.datasets.ImageFolder(str(tmp_path))
    ours = ImageFolder(tmp_path)
    assert len(ours) == len(theirs) == 7
    for i in range(7):
        image, label = theirs[i]
        np.testing.assert_array_equal(
            np.asarray(ours[i][0]), np.asarray(image).transpose(2, 0, 1)
        )
        assert ours[i][1] == label


def test_large_batches_are_made_by_all_threads() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (70, 150, 160, 3), np.uint8)
    chain = [T.ToCHW(), T.RandomCrop(120), T.Resize(230), T.ToFloat(1 / 255)]
    data = Dataset((images, np.arange(70)), preprocessor=chain)

    def epochs(workers: int) -> list[Any]:
        loader = DataLoader(data, 16, shuffle=True, num_workers=workers, seed=4)
        return [  # 10 MB each
            (float(made.sum(dtype=np.float64)), numbers.tolist())
            for _ in range(2)
            for made, numbers in loader
        ]

    assert epochs(2) == epochs(0)


def test_native_batches_are_made_while_python_holds_its_lock() -> None:
    pictures_ = np.random.default_rng(2).integers(0, 256, (24, 1600, 1600, 3), np.uint8)
    chain = [T.ToCHW(), T.Resize(300), T.ToFloat(1 / 255)]
    data = Dataset((pictures_,), preprocessor=chain)
    begin = time.monotonic()
    alone = len(list(DataLoader(data, 4, num_workers=0)))
    each = (time.monotonic() - begin) / alone
    batches = iter(DataLoader(data, 4, num_workers=2, prefetch_factor=2))
    next(batches)
    # A C function that is called with the interpreter's lock, and sleeps.
    ctypes.PyDLL(None).usleep(int(1e6 * (0.1 + 12 * each)))
    begin = time.monotonic()
    for _ in range(4):
        next(batches)
    assert time.monotonic() - begin < each


def test_folders_with_a_function_for_a_transform_are_copied(tmp_path: Path) -> None:
    pictures.save(tmp_path / "x" / "a.png", np.full((4, 4, 3), 7, np.uint8))
    data = ImageFolder(tmp_path, preprocessor=np.square)
    for made in (data, copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert made[0][0].max() == 49
