"""Worker processes: the same batches as with threads, and their faults."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ptutils as pt
from ptutils.data import ArrayDataset, DataLoader, Dataset
from ptutils.data import transforms as T

torch = pytest.importorskip("torch")


class Samples(Dataset):
    """Text, numbers, arrays; a fault at one index."""

    def __init__(self, n: int = 50, fault: int = -1, slow: float = 0) -> None:
        self.n, self.fault, self.slow = n, fault, slow

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if index == self.fault:
            raise ValueError(f"no sample {index}")
        if self.slow:
            time.sleep(self.slow)
        x = np.full((3, index % 2 + 1) if self.n == 51 else (3, 4), index, np.float32)
        return {"x": x, "i": index, "name": f"s{index}", "pid": os.getpid()}


class Drawing(Dataset):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return index, random.random(), np.random.rand(), torch.rand(2)


class Killed(Samples):
    def __getitem__(self, index: int) -> Any:
        if index == 20 and not Path(self.marker).exists():  # type: ignore[attr-defined]
            Path(self.marker).touch()  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def joined(samples: list[Any]) -> Any:
    return [s["i"] for s in samples], len(samples)


def noted(worker: int) -> None:
    os.environ["PTUTILS_TEST_WORKER"] = str(worker)


class Environment(Dataset):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return int(os.environ.get("PTUTILS_TEST_WORKER", "-1"))


def shown(batches: Any) -> str:
    return repr(
        [
            {k: v for k, v in b.items() if k != "pid"} if isinstance(b, dict) else b
            for b in batches
        ]
    )


@pytest.mark.parametrize("method", ["forkserver", "fork", "spawn"])
def test_processes_give_what_threads_give(method: str) -> None:
    options: dict[str, Any] = {"batch_size": 7, "shuffle": True, "seed": 3}
    expected = DataLoader(Samples(), num_workers=0, **options)
    loader = DataLoader(
        Samples(),
        num_workers=2,
        workers="process",
        multiprocessing_context=method,
        **options,
    )
    for _ in range(4):
        ours = list(loader)
        assert shown(ours) == shown(list(expected))
        pids = {pid for batch in ours for pid in batch["pid"].tolist()}
        assert len(pids) <= 2 and os.getpid() not in pids
    loader.close()


def test_torch_data_collate_fn_and_native_chains_work_in_processes() -> None:
    tensors = torch.utils.data.TensorDataset(torch.arange(20.0).reshape(10, 2))
    (x,) = next(iter(DataLoader(tensors, 10, num_workers=1, workers="process")))
    assert torch.equal(x, torch.arange(20.0).reshape(10, 2))

    loader = DataLoader(
        Samples(9), 4, num_workers=2, workers="process", collate_fn=joined
    )
    assert list(loader) == [([0, 1, 2, 3], 4), ([4, 5, 6, 7], 4), ([8], 1)]

    images = np.random.default_rng(0).integers(0, 256, (30, 3, 9, 9), dtype=np.uint8)
    chain = [T.RandomCrop(5), T.RandomHorizontalFlip(), T.ToFloat()]
    data = Dataset((images,), preprocessor=chain)
    runs = [
        [b[0].copy() for _ in range(2) for b in DataLoader(data, 8, seed=1, **options)]
        for options in (
            {"num_workers": 0},
            {"num_workers": 2, "workers": "process"},
        )
    ]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_libraries_generators_depend_on_the_batch_not_on_the_worker() -> None:
    runs = []
    for workers in (1, 3):
        loader = DataLoader(
            Drawing(), 8, num_workers=workers, workers="process", seed=5, shuffle=True
        )
        epochs = [list(loader), list(loader)]
        assert not torch.equal(epochs[0][0][3], epochs[1][0][3])
        runs.append(repr(epochs))
    assert runs[0] == runs[1]


def test_a_run_goes_on_in_mid_epoch_with_other_workers() -> None:
    expected = DataLoader(Samples(), 5, shuffle=True, num_workers=0)
    every = [b["i"].tolist() for _ in range(2) for b in expected]
    for stop in (3, 14):
        loader = DataLoader(
            Samples(), 5, shuffle=True, num_workers=2, workers="process"
        )
        got = []
        while len(got) < stop:
            for batch in loader:
                got.append(batch["i"].tolist())
                if len(got) == stop:
                    break
        state = loader.state_dict()
        again = DataLoader(Samples(), 5, shuffle=True, num_workers=1, workers="process")
        again.load_state_dict(state)
        while len(got) < 20:
            got += [b["i"].tolist() for b in again]
        assert got == every


def test_an_error_comes_with_its_class_its_index_and_its_own_traceback() -> None:
    loader = DataLoader(Samples(fault=37), 10, num_workers=2, workers="process")
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    with pytest.raises(ValueError, match="no sample 37") as caught:
        next(batches)
    notes = "\n".join(caught.value.__notes__)
    assert "in sample 37" in notes and "in worker process" in notes
    assert "__getitem__" in notes
    skipping = DataLoader(
        Samples(fault=37), 10, num_workers=2, workers="process", on_error="skip"
    )
    sizes = [len(batch["i"]) for batch in skipping]
    assert sizes == [10, 10, 10, 9, 10] and skipping.skipped == 1


def test_a_killed_worker_is_an_error_and_the_next_batch_starts_another(
    tmp_path: Path,
) -> None:
    data = Killed()
    data.marker = str(tmp_path / "killed")
    loader = DataLoader(data, 10, num_workers=2, workers="process")
    got: list[int] = []
    failures = 0
    while len(got) < 50:
        try:
            got += next(loader)["i"].tolist()
        except pt.errors.WrongState as error:
            failures += 1
            assert "killed by signal 9" in str(error) and "pid" in str(error)
            assert "a batch of 10 from sample 20 on" in str(error)
    assert failures == 1 and got == list(range(50))


def test_workers_that_are_killed_between_epochs_are_started_again() -> None:
    loader = DataLoader(Samples(), 5, num_workers=2, workers="process")
    pids = {int(p) for batch in loader for p in batch["pid"]}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    again = [(batch["i"].tolist(), batch["pid"].tolist()) for batch in loader]
    assert [i for batch, _ in again for i in batch] == list(range(50))
    assert not pids & {pid for _, batch in again for pid in batch}


def test_worker_init_fn_runs_in_each_worker() -> None:
    loader = DataLoader(
        Environment(), 1, num_workers=2, workers="process", worker_init_fn=noted
    )
    seen: set[int] = set()
    until = time.monotonic() + 20
    while seen != {0, 1} and time.monotonic() < until:
        seen |= {int(batch[0]) for batch in loader}
    assert seen == {0, 1}


def test_what_cannot_be_pickled_says_so() -> None:
    class Local(Samples):
        pass

    with pytest.raises(pt.errors.WrongType, match="define them in a module"):
        next(iter(DataLoader(Local(), 2, num_workers=1, workers="process")))
    with pytest.raises(pt.errors.WrongValue, match="did you mean process"):
        DataLoader(Samples(), workers="proces")
    with pytest.raises(pt.errors.WrongValue, match="multiprocessing_context='thread'"):
        DataLoader(Samples(), multiprocessing_context="thread")


def test_batches_that_are_kept_are_not_written_over() -> None:
    loader = DataLoader(Samples(), 5, num_workers=2, workers="process")
    kept = [batch for _ in range(3) for batch in loader]
    for i, batch in enumerate(kept):
        assert batch["i"].tolist() == list(range(i % 10 * 5, i % 10 * 5 + 5))
        np.testing.assert_array_equal(batch["x"][:, 0, 0], batch["i"])
    assert len({batch["x"].ctypes.data for batch in kept}) == 30


def test_memory_of_batches_is_used_again() -> None:
    loader = DataLoader(Samples(400), 5, num_workers=1, workers="process")
    seen = {batch["x"].ctypes.data for batch in loader}
    assert len(seen) < 12


@pytest.mark.parametrize("collate_fn", [None, joined])
def test_a_loader_closes_in_the_midst_of_a_batch(collate_fn: Any) -> None:
    others = multiprocessing.active_children()
    loader = DataLoader(
        Samples(60, slow=0.1),
        30,
        num_workers=1,
        workers="process",
        collate_fn=collate_fn,
    )
    next(iter(loader))
    (worker,) = (p for p in multiprocessing.active_children() if p not in others)
    begin = time.monotonic()
    loader.close()
    assert time.monotonic() - begin < 1  # the second batch takes 3 s
    worker.join(2)
    assert worker.exitcode == 0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize(
    ("method", "loaders"), [("fork", 10), ("forkserver", 5), ("spawn", 2)]
)
def test_nothing_is_left_of_loaders_that_were_closed_or_dropped(
    method: str, loaders: int, capfd: Any
) -> None:
    def once(stop: int) -> None:
        loader = DataLoader(
            Samples(),
            5,
            num_workers=2,
            workers="process",
            multiprocessing_context=method,
        )
        for i, _ in enumerate(loader):
            if i == stop:
                break
        if stop % 2:
            loader.close()

    once(1)
    gc.collect()
    before, alive = descriptors(), children()
    for i in range(loaders):
        once(i)
    until = time.monotonic() + 20
    while descriptors() > before and time.monotonic() < until:
        gc.collect()
        time.sleep(0.05)
    assert descriptors() <= before
    assert children() <= alive  # no zombies either
    shared = [p for p in os.listdir("/dev/shm") if "ptutils" in p]
    assert not shared
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_closed_loader_has_no_workers(method: str) -> None:
    before, alive = descriptors(), children()
    loader = DataLoader(
        Samples(slow=5),  # longer than anyone waits
        5,
        num_workers=2,
        workers="process",
        multiprocessing_context=method,
        timeout=0.2,
    )
    with pytest.raises(pt.errors.WrongState, match="timeout"):
        next(loader)
    loader.close()
    server = 1 if method == "forkserver" else 0  # and the resource tracker
    assert len(children() - alive) <= 2 * server
    assert descriptors() <= before + 4 * server


def test_ctrl_c_while_waiting_is_noticed_at_once() -> None:
    loader = DataLoader(Samples(slow=1), 5, num_workers=2, workers="process")
    batches = iter(loader)
    timer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -INT {os.getpid()}"])
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    assert time.monotonic() - begin < 2.5
    timer.wait()
    loader.close()


def test_large_batches_cross(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((8, 1 << 20), dtype=np.float32)
    loader = DataLoader(ArrayDataset(x), 4, num_workers=2, workers="process")
    got = np.concatenate([b[0] for b in loader])
    np.testing.assert_array_equal(got, x)


def test_no_worker_is_no_bad_sample() -> None:
    loader = DataLoader(Samples(), 5, num_workers=1, workers="process", on_error="skip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            multiprocessing.current_process()._config,  # type: ignore[attr-defined]
            "daemon",
            True,
        )
        with pytest.raises(pt.errors.WrongState, match="cannot start a worker"):
            list(loader)
    assert loader.skipped == 0


def test_the_report_says_where_the_workers_time_went() -> None:
    data = Dataset(
        np.zeros((64, 40, 40, 3), np.uint8),
        preprocessor={0: [T.ToCHW(), T.Resize(30), T.ToFloat(1 / 255)]},
    )
    loader = DataLoader(data, 16, num_workers=1, workers="process")
    list(loader)
    assert 0 < loader.report().transforming < loader.report().making
