"""A loader's other arguments, torch's and ours, and where its time goes."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import threading
import time
import weakref
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from numbered import WORKERS, N, Numbers, epoch

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    DataLoader,
    DataProvider,
    Dataset,
    HDF5Reader,
    Subset,
)
from ptutils.data import transforms as T


@pytest.mark.parametrize("num_workers", [0, 2])
def test_without_batches_samples_come_one_by_one(num_workers: int) -> None:
    samples = [(i, np.arange(i), f"text {i}", {"set": {i}}) for i in range(9)]
    loader = DataLoader(samples, batch_size=None, num_workers=num_workers)
    assert (loader.batch_size, loader.batch_sampler, len(loader)) == (None, None, 9)
    assert "of samples" in repr(loader)
    for _ in range(2):
        got = list(loader)
        assert [sample[0] for sample in got] == list(range(9))
        assert all(isinstance(sample[0], int) for sample in got)
        assert got[3][1].tolist() == [0, 1, 2] and got[3][2:] == samples[3][2:]
    iterator = iter(loader)
    next(iterator), next(iterator)
    other = pickle.loads(pickle.dumps(loader))
    assert [sample[0] for sample in other] == list(range(2, 9))
    doubled = DataLoader(range(4), batch_size=None, collate_fn=lambda x: 2 * x)
    assert list(doubled) == [0, 2, 4, 6]
    arrays = ArrayDataset(np.arange(6).reshape(3, 2))
    rows = [row.tolist() for (row,) in DataLoader(arrays, batch_size=None)]
    assert rows == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="drop_last with batch_size=None"):
        DataLoader(samples, batch_size=None, drop_last=True)
    theirs = DataProvider(train=range(5), batch_size=None).get_dataloader(
        "train", as_torch=True
    )
    assert sorted(theirs) == list(range(5))


def test_pin_memory_without_cuda_warns_and_gives_torch_tensors() -> None:
    if torch.cuda.is_available():
        batch = next(iter(DataLoader(range(4), 2, pin_memory=True)))
        assert batch.is_pinned()
        return
    with pytest.warns(UserWarning, match="no CUDA") as warned:
        loader = DataLoader(range(4), 2, pin_memory=True)
        list(loader), list(loader)
    assert len(warned) == 1
    assert loader.pin_memory is True and loader.output == "torch"
    assert isinstance(next(iter(loader)), torch.Tensor)
    with pytest.raises(ValueError, match="batches are torch's"):
        DataLoader(range(4), pin_memory=True, output="numpy")


def test_pinned_batches_keep_their_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self
    )
    samples = [(i, {"x": np.arange(2), "name": "n"}) for i in range(4)]
    index, rest = next(iter(DataLoader(samples, 2, pin_memory=True)))
    assert index.tolist() == [0, 1] and rest["name"] == ["n", "n"]
    assert len(pinned) == 2 and pinned[0] is index and pinned[1] is rest["x"]


def test_batches_go_to_a_device() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    samples = [(np.full(3, i, np.float32), {"n": i, "name": "n"}) for i in range(5)]
    loader = DataLoader(samples, 2, device=torch.device(device), num_workers=1)
    assert loader.device == device and loader.output == "torch"
    for i, (x, rest) in enumerate(loader):
        assert x.device.type == device and rest["n"].device.type == device
        assert x[:, 0].tolist() == rest["n"].tolist() == [2 * i, 2 * i + 1][: len(x)]
        assert rest["name"] == ["n"] * len(x)
    copy_ = pickle.loads(pickle.dumps(loader))
    assert copy_.device == device
    with pytest.raises(ValueError, match="batches are torch's"):
        DataLoader(range(4), device="cpu", output="numpy")
    with pytest.raises(pt.errors.WrongValue, match="nowhere"):
        DataLoader(range(4), device="nowhere")
    if not torch.cuda.is_available():
        with pytest.raises(pt.errors.WrongState, match="no CUDA device"):
            DataLoader(range(4), device="cuda")


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def settled() -> int:
    """Threads, once those that other tests let go have ended."""
    counts = [threads()]
    while len(counts) < 30 or len(set(counts[-30:])) > 1:
        time.sleep(0.01)
        counts.append(threads())
    return counts[-1]


def running(wanted: int) -> bool:
    """That many threads, at last."""
    end = time.monotonic() + 5
    while threads() != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return threads() == wanted


@pytest.mark.parametrize("make", [Numbers, lambda: ArrayDataset(np.arange(N))])
@pytest.mark.parametrize("persistent", [None, True, False])
def test_persistent_workers_live_on_or_end_with_the_epoch(make, persistent) -> None:
    before = settled()
    loader = DataLoader(make(), 8, num_workers=2, persistent_workers=persistent)
    assert loader.persistent_workers is (persistent is not False)
    for _ in range(3):
        iterator = iter(loader)
        next(iterator)
        assert running(before + 2)
        list(iterator)
        assert running(before if persistent is False else before + 2)
    loader.close()
    assert running(before)
    with pytest.raises(ValueError, match="there are no threads"):
        DataLoader(make(), num_workers=0, persistent_workers=True)


@pytest.mark.parametrize("make", [Numbers, lambda: ArrayDataset(np.arange(N))])
def test_worker_init_fn_is_called_once_in_each_thread(make) -> None:
    called: list[tuple[int, int]] = []

    def note(worker: int) -> None:
        called.append((worker, threading.get_ident()))
        time.sleep(0.05)  # so that each thread takes a batch

    loader = DataLoader(make(), 4, num_workers=3, worker_init_fn=note)
    assert loader.worker_init_fn is note
    list(loader), list(loader)
    assert sorted(worker for worker, _ in called) == [0, 1, 2]
    assert len({thread for _, thread in called} - {threading.get_ident()}) == 3
    called.clear()
    list(DataLoader(make(), 4, num_workers=0, worker_init_fn=note))
    assert called == []

    def broken(worker: int) -> None:
        raise KeyError("init")

    loader = DataLoader(make(), 4, num_workers=2, worker_init_fn=broken)
    for _ in range(2):
        with pytest.raises(KeyError, match="init"):
            list(loader)
    with pytest.raises(TypeError, match="worker_init_fn is a"):
        DataLoader(make(), worker_init_fn=3)
    with pytest.raises(RuntimeError, match="worker_init_fn is code"):
        DataLoader(Numbers(), worker_init_fn=note).to_config()


def test_a_loader_in_its_own_worker_init_fn_is_collected() -> None:
    class Init:
        def __call__(self, worker: int) -> None:
            pass

    init = Init()
    loader = DataLoader(Numbers(), num_workers=1, worker_init_fn=init)
    init.loader = loader
    list(loader)
    gone = weakref.ref(init)
    del init, loader
    gc.collect()
    assert gone() is None


def test_a_generator_gives_the_seed_once() -> None:
    def drawn(generator) -> list[list[int]]:
        return epoch(DataLoader(range(N), 7, True, generator=generator))

    one, two = (torch.Generator().manual_seed(5) for _ in range(2))
    first = drawn(one)
    assert first == drawn(two)
    assert drawn(one) == drawn(two) != first  # it has moved on
    assert drawn(5) == epoch(DataLoader(range(N), 7, True, seed=5))
    for wrong in ("x", 1.5, True, np.random.default_rng()):
        with pytest.raises(TypeError, match="generator is"):
            DataLoader(range(N), generator=wrong)
    with pytest.raises(ValueError, match="both seed and generator"):
        DataLoader(range(N), seed=1, generator=2)


BAD = (0, 3, 20, 35, 36, 37, 38, 39, 100)


class BadBatches(Numbers):
    """A data set that loads batches as a whole."""

    def __getitems__(self, wanted: list[int]) -> list[int]:
        return [self[i] for i in wanted]


def bad_transform(x: np.ndarray) -> np.ndarray:
    if int(x[0]) in BAD:
        raise ValueError("a bad row")
    return x


def native_with_bad_rows() -> Dataset:
    return Dataset((np.arange(N).reshape(N, 1),), preprocessor=[bad_transform])


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: Numbers(bad=BAD),
        lambda: BadBatches(bad=BAD),
        native_with_bad_rows,
    ],
    ids=["python", "getitems", "core"],
)
def test_samples_that_fail_are_left_out(make, num_workers: int, caplog) -> None:
    loader = DataLoader(
        make(), 5, shuffle=False, num_workers=num_workers, on_error="skip"
    )

    def indices() -> list[list[int]]:
        return [
            (batch[0] if isinstance(batch, (list, tuple)) else batch).ravel().tolist()
            for batch in loader
        ]

    wanted = [
        [i for i in range(begin, min(begin + 5, N)) if i not in BAD]
        for begin in range(0, N, 5)
    ]
    wanted = [batch for batch in wanted if batch]  # 35 to 39 and 100 are whole ones
    assert len(wanted) == len(loader) - 2
    with caplog.at_level(logging.WARNING):
        assert indices() == wanted
    assert loader.skipped == loader.report().skipped == len(BAD)
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 3
    assert "sample 0 is left out" in texts[0] and "bad" in texts[0]
    assert "sample 20" in texts[2]
    caplog.clear()
    assert indices() == wanted
    assert loader.skipped == 2 * len(BAD)
    assert [r.getMessage() for r in caplog.records] == [
        "DataLoader: 10 samples left out"
    ]


def test_left_out_samples_move_no_position() -> None:
    def make(workers: int) -> DataLoader:
        return DataLoader(
            Numbers(bad=BAD), 5, True, num_workers=workers, on_error="skip"
        )

    wanted = epoch(make(0))
    assert sorted(sum(wanted, [])) == [i for i in range(N) if i not in BAD]
    running = make(2)
    for done, _ in enumerate(running, 1):
        other = make(1)
        other.load_state_dict(running.state_dict())
        if done < len(wanted):
            assert epoch(other) == wanted[done:]
        running.load_state_dict(running.state_dict())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_what_is_no_sample_s_fault_is_raised(num_workers: int) -> None:
    options = {"num_workers": num_workers, "on_error": "skip"}
    ragged = [np.zeros(i % 3) for i in range(6)]
    with pytest.raises(ValueError, match="sample 1.*collate_fn"):
        list(DataLoader(ragged, 3, **options))

    def broken(samples: list[int]) -> None:
        raise KeyError("collate")

    with pytest.raises(KeyError, match="collate"):
        list(DataLoader(Numbers(), 3, collate_fn=broken, **options))
    summed = DataLoader(Numbers(8, bad=(1, 2)), 4, collate_fn=sum, **options)
    assert list(summed) == [3, 22]

    class Interrupted(Numbers):
        def __getitem__(self, index: int) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(DataLoader(Interrupted(), 3, **options))
    none = DataLoader(Numbers(6, bad=tuple(range(6))), 2, **options)
    assert list(none) == [] and none.skipped == 6
    with pytest.raises(RuntimeError, match="3 is bad") as raised:
        list(DataLoader(Numbers(bad=BAD[1:]), 2, num_workers=num_workers))
    assert raised.value.__notes__ == ["in sample 3"]
    with pytest.raises(ValueError, match="on_error='skp'.*skip"):
        DataLoader(Numbers(), on_error="skp")
    with pytest.raises(ValueError, match="no on_error"):
        DataProvider(train=Numbers(), on_error="skip").get_dataloader(
            "train", as_torch=True
        )


@pytest.fixture
def chunked(tmp_path) -> Dataset:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        images = np.random.default_rng(0).integers(0, 50, (256, 64, 64, 3), np.uint8)
        file.create_dataset("x", data=images, chunks=(16, 64, 64, 3), compression=4)
    return Dataset(
        tmp_path / "x.h5",
        HDF5Reader("x", cache_bytes=1 << 18),
        preprocessor=[T.ToCHW(), T.CenterCrop(8)],
    )


def test_the_report_says_where_the_time_went(chunked: Dataset) -> None:
    loader = DataLoader(chunked, 32, shuffle=True, num_workers=0)
    assert loader.report().batches == 0 and loader.report().waiting_share == 0
    begin = time.perf_counter()
    for _ in loader:
        time.sleep(0.002)
    took = time.perf_counter() - begin
    report = loader.report()
    assert (report.batches, report.samples, report.workers) == (8, 256, 0)
    assert 0.9 * took < report.waiting + report.working <= took
    assert report.working > 7 * 0.002
    assert report.waiting >= report.making  # the caller makes them
    assert report.making > report.reading > report.transforming > 0
    assert report.reading + report.transforming > 0.9 * report.making
    assert report.decoding == 0
    assert 0 < report.waiting_share < 1
    text = str(report)
    for part in ("8 batches, 256 samples", "reading", "waiting for them", "advice:"):
        assert part in text


def test_the_report_s_advice(chunked: Dataset) -> None:
    cores = pt.num_threads()
    here = DataLoader(chunked, 32, shuffle=True, num_workers=0)
    list(here)
    assert here.report().advice.startswith(f"give num_workers={cores} (now 0")
    threads = DataLoader(chunked, 32, shuffle=True, num_workers=cores)
    list(threads)
    assert "BlockShuffleSampler()" in threads.report().advice
    threads.close()

    class Slow(Numbers):
        def __getitem__(self, index: int) -> int:
            time.sleep(0.001)
            return index

    slow = DataLoader(Slow(20), 5, num_workers=0)
    for _ in slow:
        time.sleep(0.001)
    assert slow.report().advice.startswith("give num_workers=1")
    slow = DataLoader(Slow(20), 5, num_workers=1)
    list(slow)
    assert "workers='process', num_workers=" in slow.report().advice
    slow.close()
    few = DataLoader(range(20), 5, num_workers=0)
    list(few)
    assert few.report().advice == ""  # of some microseconds
    quick = DataLoader(range(20), 5, num_workers=1)
    for _ in quick:
        time.sleep(0.02)
    for _ in quick:
        time.sleep(0.02)
    assert quick.report().waiting_share < 0.2
    assert quick.report().advice == "" and "advice" not in str(quick.report())


def test_decoding_is_told_from_transforming(tmp_path) -> None:
    from PIL import Image

    from ptutils.data import ImageFolder

    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    for i in range(8):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / "a" / f"{i}.jpg")
    folder = ImageFolder(tmp_path, [T.Resize(64), T.CenterCrop(64)])
    loader = DataLoader(folder, 4, num_workers=pt.num_threads())
    list(loader)
    report = loader.report()
    assert report.decoding > report.reading > 0 and report.transforming > 0
    assert report.reading + report.decoding + report.transforming <= report.making
    assert "dct_scaling=True" in report.advice
    loader.close()


def test_the_cost_of_functions_is_told() -> None:
    def slow(value: np.ndarray) -> np.ndarray:
        time.sleep(0.002)
        return value

    chain = [T.Resize(8), slow, T.ToFloat()]
    data = Dataset((np.zeros((20, 3, 16, 16), np.uint8),), preprocessor=chain)
    loader = DataLoader(data, 5, num_workers=0)
    list(loader)
    report = loader.report()
    assert 0.04 <= report.python <= report.transforming
    assert "in functions" in str(report)
    bare = DataLoader(Dataset((np.zeros(20),), preprocessor=[T.ToFloat()]), 5)
    list(bare)
    assert bare.report().python == 0 and "in functions" not in str(bare.report())


def test_numbers_of_arrays_and_of_python_stack_where_their_dtype_is_one() -> None:
    for samples in ([1, np.int64(2)], [np.int64(1), 2]):
        (batch,) = DataLoader(samples, 2)
        assert batch.tolist() == [1, 2] and batch.dtype == np.int64
    (batch,) = DataLoader([(np.float64(1), True), (2.0, np.True_)], 2)
    assert [b.tolist() for b in batch] == [[1, 2], [True, True]]
    joined = Subset([(0, 1)], [0]) + Subset([(np.int64(2), np.int64(3))], [0])
    (batch,) = DataLoader(joined, 2)
    assert [b.tolist() for b in batch] == [[0, 2], [1, 3]]
    for samples in ([1.0, np.float32(2)], [np.float32(2), 1.0], [np.int32(1), 1]):
        with pytest.raises(ValueError, match="make samples alike"):
            next(iter(DataLoader(samples, 2)))
    photos = Subset([(np.zeros((2, 3, 4)), 0), (np.zeros((2, 3, 5)), 0)], [0, 1])
    with pytest.raises(ValueError, match="f64"):
        next(iter(DataLoader(photos, 2)))


class Odd(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if index == 2:
            raise ValueError("no file 'a\udcff'")
        return index


def test_a_sample_is_left_out_whatever_its_error_says(caplog: Any) -> None:
    loader = DataLoader(Odd(), 2, on_error="skip")
    assert [b.tolist() for b in loader] == [[0, 1], [3]]
    assert "'a\\udcff'" in caplog.text
