"""DataLoader from Python: order, position, errors, threads, the interpreter."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import traceback
import weakref
from pathlib import Path

import numpy as np
import pytest

from ptutils.data import ArrayDataset, DataLoader, DataProvider, Dataset

N = 23


class Numbers(Dataset):
    def __init__(self, n: int = N, fail_at: int = -1, delay: float = 0) -> None:
        self.n, self.fail_at, self.delay = n, fail_at, delay

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        if index == self.fail_at:
            raise RuntimeError("a bad sample")
        if self.delay:
            time.sleep(self.delay)
        return index


def arrays(n: int = N) -> ArrayDataset:
    return ArrayDataset({"i": np.arange(n)})


def indices(batch) -> list[int]:
    return (batch["i"] if isinstance(batch, dict) else batch).tolist()


def epoch(loader) -> list[list[int]]:
    return [indices(batch) for batch in loader]


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def settled(wanted: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while threads() > wanted and time.monotonic() < end:
        time.sleep(0.01)
    return threads() <= wanted


KINDS = pytest.mark.parametrize("make", [arrays, Numbers], ids=["native", "python"])
WORKERS = pytest.mark.parametrize("num_workers", [None, 0, 1, 3])


@KINDS
@WORKERS
def test_each_epoch_has_every_sample_once(make, num_workers) -> None:
    loader = DataLoader(make(), 5, True, num_workers=num_workers)
    first, second = epoch(loader), epoch(loader)
    assert len(loader) == len(first) == 5
    assert [len(batch) for batch in first] == [5, 5, 5, 5, 3]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(N))
    assert first != second
    assert epoch(DataLoader(make(), 5, True, num_workers=2)) == first
    assert epoch(DataLoader(make(), 5, True, seed=1)) != first
    dropped = DataLoader(make(), 5, drop_last=True, num_workers=num_workers)
    assert len(dropped) == len(epoch(dropped)) == 4


def test_an_older_iteration_says_that_it_is_over() -> None:
    loader = DataLoader(Numbers(), 5)
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    with pytest.raises(RuntimeError, match="newer iteration"):
        next(old)
    done = iter(loader)
    list(done)
    with pytest.raises(StopIteration):
        next(done)
    with pytest.raises(StopIteration):
        next(done)


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_an_error_names_the_sample_and_keeps_its_traceback(num_workers: int) -> None:
    loader = DataLoader(Numbers(50, fail_at=37), 5, num_workers=num_workers)
    it, seen = iter(loader), 0
    with pytest.raises(RuntimeError, match="a bad sample") as caught:
        for _ in it:
            seen += 1
    assert seen == 7
    assert type(caught.value) is RuntimeError
    assert caught.value.__notes__ == ["in sample 37"]
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "__getitem__"
    assert frames[-1].filename == __file__
    loader.dataset.fail_at = -1
    assert len(list(it)) == 3  # that batch is tried again


class Stops(Dataset):
    """Its sample 37 raises StopIteration, alone or in a batch."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> int:
        if index == 37:
            raise StopIteration("no more")
        return index


class StopsInBatches(Stops):
    def __getitems__(self, indices: list[int]) -> list[int]:
        return [self[index] for index in indices]


class StopsAtLength(Stops):
    def __len__(self) -> int:
        raise StopIteration


class StopsAtOrder:
    def __iter__(self):
        raise StopIteration


def stop(samples: list[object]) -> None:
    raise StopIteration


@pytest.mark.parametrize("num_workers", [0, 1, 2])
@pytest.mark.parametrize(
    ("dataset", "options", "where"),
    [
        (Stops(), {}, "sample 37"),
        (StopsInBatches(), {}, "samples .*37"),
        (StopsAtLength(), {}, "__len__"),
        (arrays(), {"collate_fn": stop}, "collate_fn"),
        (arrays(), {"sampler": StopsAtOrder()}, "__iter__"),
    ],
)
def test_stop_iteration_of_the_user_s_code_does_not_end_the_epoch(
    num_workers: int, dataset, options, where: str
) -> None:
    loader = DataLoader(dataset, 8, num_workers=num_workers, **options)
    with pytest.raises(RuntimeError, match=where) as caught:
        list(loader)
    assert "raised StopIteration" in str(caught.value)
    assert isinstance(caught.value.__cause__, StopIteration)
    assert caught.value.__cause__.__traceback__ is not None


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_that_differ_are_named(num_workers: int) -> None:
    ragged = [np.zeros(i % 3) for i in range(6)]
    with pytest.raises(ValueError, match="sample 1.*collate_fn"):
        list(DataLoader(ragged, 3, num_workers=num_workers))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_collate_fn_makes_the_batch(num_workers: int) -> None:
    def collate(samples: list[int]) -> dict[str, object]:
        return {"list": samples, "max": max(samples), "any": {1}}

    loader = DataLoader(Numbers(4), 2, collate_fn=collate, num_workers=num_workers)
    assert loader.collate_fn is collate
    assert list(loader)[1] == {"list": [2, 3], "max": 3, "any": {1}}

    def broken(samples: list[int]) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        list(DataLoader(Numbers(4), collate_fn=broken, num_workers=num_workers))


def test_torch_s_attributes_and_arguments() -> None:
    dataset = Numbers()
    loader = DataLoader(
        dataset, batch_size=4, shuffle=True, num_workers=2, drop_last=True, timeout=5
    )
    assert loader.dataset is dataset
    assert (loader.batch_size, loader.num_workers, loader.drop_last) == (4, 2, True)
    assert (loader.timeout, loader.prefetch_factor, loader.collate_fn) == (
        5,
        None,
        None,
    )
    assert type(loader.sampler).__name__ == "RandomSampler"
    assert (loader.pin_memory, loader.persistent_workers) == (False, True)
    assert loader.worker_init_fn is loader.generator is None
    assert loader.multiprocessing_context is None
    here = DataLoader(dataset, num_workers=0)
    assert (here.prefetch_factor, here.persistent_workers) == (None, False)
    assert isinstance(DataLoader(dataset, pin_memory=False, generator=None), DataLoader)
    for name, value in {
        "pin_memory_device": "cuda",
        "in_order": False,
    }.items():
        with pytest.raises(TypeError, match=f"{name}=.*not part of this version"):
            DataLoader(dataset, **{name: value})
    with pytest.raises(ValueError, match="give workers='process', too"):
        DataLoader(dataset, multiprocessing_context="fork")
    with pytest.raises(TypeError, match="by name"):
        DataLoader(dataset, 4, True, None, None, 0)
    with pytest.raises(TypeError, match="num_wokers.*num_workers"):
        DataLoader(dataset, num_wokers=2)
    with pytest.raises(ValueError, match="batch_size=0"):
        DataLoader(dataset, batch_size=0)
    with pytest.raises(ValueError, match="both shuffle and a sampler"):
        DataLoader(dataset, shuffle=True, sampler=[1])
    with pytest.raises(ValueError, match="batch_size is a whole number, not 1000+"):
        DataLoader(dataset, batch_size=10**30)
    with pytest.raises(ValueError, match="nmpy.*numpy"):
        DataLoader(dataset, output="nmpy")


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_batch_sampler_gives_the_batches_of_the_epoch(drop_last: bool) -> None:
    loader = DataLoader(Numbers(), 4, shuffle=True, drop_last=drop_last)
    for _ in range(2):
        batches = list(loader.batch_sampler)
        assert len(loader.batch_sampler) == len(batches) == (5 if drop_last else 6)
        assert list(loader.batch_sampler) == batches  # reading moves nothing
        assert epoch(loader) == batches
    assert loader.batch_sampler.batch_size == 4
    assert loader.batch_sampler.drop_last is drop_last
    assert list(DataLoader([], 4).batch_sampler) == []


class Sized(Numbers):
    def __len__(self):
        return self.n


@pytest.mark.parametrize("n", [10**30, -(10**30), "a", 2.0, None, -1])
def test_a_length_that_is_none_is_an_error(n) -> None:
    loader = DataLoader(Sized(n), 2)
    for use in (len, list, lambda x: list(x.batch_sampler)):
        with pytest.raises((TypeError, ValueError), match="__len__|its size is -1"):
            use(loader)


@pytest.mark.parametrize("name", ["shuffle", "drop_last"])
@pytest.mark.parametrize("value", [3, 0, "yes", 1.0])
def test_flags_are_true_or_false(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{name} is True or False"):
        DataLoader(Numbers(), **{name: value})
    loader = DataLoader(Numbers(), **{name: np.bool_(True)})
    assert getattr(loader, name) is True


@pytest.mark.parametrize("once", [iter([1, 2]), (i for i in [1, 2]), map(int, [1])])
def test_a_sampler_that_can_be_iterated_once_is_refused(once) -> None:
    with pytest.raises(TypeError, match="iterated once only"):
        DataLoader(Numbers(), sampler=once)


def test_a_batch_that_is_kept_is_not_written_over() -> None:
    data = np.arange(4000, dtype=np.float32).reshape(400, 10)
    for output in ("numpy", "torch", "native"):
        loader = DataLoader(ArrayDataset(data), 8, num_workers=2, output=output)
        kept = [batch for (batch,) in loader]
        together = np.concatenate([np.asarray(batch) for batch in kept])
        np.testing.assert_array_equal(together, data)


def test_a_slow_sample_runs_into_the_timeout() -> None:
    loader = DataLoader(Numbers(delay=0.6), num_workers=1, timeout=0.1)
    with pytest.raises(RuntimeError, match="timeout=0.1"):
        next(iter(loader))


@KINDS
def test_two_hundred_loaders_leave_no_threads(make) -> None:
    list(DataLoader(make(), 5, num_workers=1))
    settled(0, 0.3)
    before = threads()
    dataset = make(60)
    for i in range(200):
        loader = DataLoader(dataset, 5, True, num_workers=2)
        for _ in zip(loader, range(i % 4), strict=False):
            pass
    del loader
    gc.collect()
    assert settled(before)


def test_cycles_with_a_loader_are_collected() -> None:
    dataset = Numbers()
    dataset.loader = DataLoader(dataset, 5, num_workers=0)
    list(dataset.loader)
    gone = weakref.ref(dataset)
    provider = DataProvider(train=dataset)
    provider.me = provider
    del dataset, provider
    gc.collect()  # the provider's cycle, which held the data set's
    gc.collect()
    assert gone() is None


def test_native_data_loads_while_python_holds_the_interpreter() -> None:
    """A bytes translation of 1 s in C: no other Python thread runs meanwhile."""
    data = np.random.default_rng(0).random((4000, 2000), np.float32)
    loader = DataLoader(ArrayDataset(data), 400, num_workers=1, prefetch_factor=4)
    it = iter(loader)
    next(it)
    next(it)
    start = time.thread_time()
    exponent = 1 << 20
    while time.thread_time() - start < 0.3:  # holds the lock all along
        exponent = int(exponent * 1.5)
        3**exponent  # noqa: B018
    waited = time.perf_counter()
    for _ in range(4):  # loaded ahead meanwhile
        next(it)
    waited = time.perf_counter() - waited
    alone = time.perf_counter()
    list(it)
    alone = time.perf_counter() - alone
    assert waited < 0.05 + alone


def run(
    script: str, tmp_path: Path, *args: str, **kwargs
) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(script)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(
        [sys.executable, str(path), *args],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        **kwargs,
    )


INTERRUPTED = """
import os, signal, threading, time
from ptutils.data import DataLoader, Dataset

class Slow(Dataset):
    def __len__(self): return 9
    def __getitem__(self, i):
        time.sleep(4)
        return i

loader = DataLoader(Slow(), num_workers=1)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    next(iter(loader))
except KeyboardInterrupt:
    print(round(time.monotonic() - start - 0.5, 3), flush=True)
os._exit(0)
"""


def test_ctrl_c_ends_a_wait(tmp_path: Path) -> None:
    done = run(INTERRUPTED, tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) <= 0.3


EXITING = """
import sys
from ptutils.data import DataLoader, Dataset

class Numbers(Dataset):
    def __len__(self): return 10**6
    def __getitem__(self, i): return i

loader = DataLoader(Numbers(), 10, num_workers=2)
it = iter(loader)
next(it)
print("end")
"""


def test_a_process_ends_while_threads_load(tmp_path: Path) -> None:
    for _ in range(3):
        done = run(EXITING, tmp_path)
        assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
        assert "terminate" not in done.stderr


def test_two_python_threads_may_each_have_a_loader() -> None:
    dataset, seen = Numbers(200), []

    def work() -> None:
        seen.append(sum(sum(epoch(DataLoader(dataset, 7, True, num_workers=2)), [])))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seen == [sum(range(200))] * 4
