"""Worker processes: the same batches as with threads, and their faults."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
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


SCRIPT = """
import os, sys, time
sys.path.insert(0, {tests!r})
from test_process_workers import Samples
from ptutils.data import DataLoader
if __name__ == "__main__":
    loader = DataLoader(
        Samples(slow=0.2), 5, num_workers=2, workers="process",
        multiprocessing_context={method!r},
    )
    batches = iter(loader)
    print("pids", *{{int(p) for p in next(batches)["pid"]}}, flush=True)
    {then}
"""


@pytest.mark.parametrize(
    ("then", "code", "method"),
    [
        ("pass", 0, "forkserver"),
        ("os.kill(os.getpid(), 9)", -9, "forkserver"),
        ("os.kill(os.getpid(), 9)", -9, "fork"),
        ("os.kill(os.getpid(), 9)", -9, "spawn"),
    ],
)
def test_workers_end_with_the_process(
    tmp_path: Path, then: str, code: int, method: str
) -> None:
    script = tmp_path / "run.py"
    tests = str(Path(__file__).parent)
    script.write_text(SCRIPT.format(tests=tests, then=then, method=method))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    pids = [int(p) for p in done.stdout.split()[1:]]
    assert pids
    until = time.monotonic() + 10
    while any(Path(f"/proc/{p}").exists() for p in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [p for p in pids if Path(f"/proc/{p}").exists()]


class SlowToCome(Samples):
    """Its process's id goes to a file while it is unpickled."""

    def __getstate__(self) -> Any:
        return dict(vars(self))

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)
        Path(self.marker + ".new").write_text(str(os.getpid()))  # type: ignore[attr-defined]
        os.rename(self.marker + ".new", self.marker)  # type: ignore[attr-defined]
        time.sleep(1)


KILLED_EARLY = """
import os, sys, threading, time
sys.path.insert(0, {tests!r})
from test_process_workers import SlowToCome
from ptutils.data import DataLoader
if __name__ == "__main__":
    data = SlowToCome()
    data.marker = {marker!r}
    loader = DataLoader(data, 5, num_workers=1, workers="process",
                        multiprocessing_context="fork")
    threading.Thread(target=next, args=(loader,), daemon=True).start()
    while not os.path.exists(data.marker):
        time.sleep(0.01)
    os.kill(os.getpid(), 9)
"""


def test_a_worker_that_starts_as_its_parent_dies_ends(tmp_path: Path) -> None:
    script, marker = tmp_path / "run.py", tmp_path / "pid"
    tests = str(Path(__file__).parent)
    script.write_text(KILLED_EARLY.format(tests=tests, marker=str(marker)))
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, str(script)], stdout=out, stderr=out)
    worker = Path("/proc") / marker.read_text()
    until = time.monotonic() + 10
    while worker.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not worker.exists()


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


PRELOADED = """
import sys, time
sys.path.insert(0, {tests!r})
import multiprocessing
from test_process_workers import Samples
from ptutils.data import DataLoader
if __name__ == "__main__":
    {before}
    for _ in range(2):
        begin = time.monotonic()
        next(iter(DataLoader(Samples(), 5, num_workers=1, workers="process")))
        print(time.monotonic() - begin)
    print(vars(multiprocessing.forkserver)["_forkserver"]._preload_modules)
"""


@pytest.mark.parametrize(
    "before", ["pass", "multiprocessing.set_forkserver_preload(['json'])"]
)
def test_what_is_slow_to_import_is_imported_once(tmp_path: Path, before: str) -> None:
    script = tmp_path / "run.py"
    tests = str(Path(__file__).parent)
    script.write_text(PRELOADED.format(tests=tests, before=before))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    first, second, modules = done.stdout.splitlines()
    if before == "pass":
        assert float(second) < float(first) / 2
        assert "torch" in modules and "ptutils.data" in modules
    else:
        assert modules == "['json']"


UNGUARDED = """
import numpy as np
from ptutils.data import ArrayDataset, DataLoader
data = ArrayDataset(np.arange(10))
for batch in DataLoader(data, batch_size=5, num_workers=1, workers="process"):
    pass
"""

FORKED_SERVER = """
import os, numpy as np
from ptutils.data import ArrayDataset, DataLoader

def count():
    data = ArrayDataset(np.arange(10))
    loader = DataLoader(data, 5, num_workers=1, workers="process")
    batches = len(list(loader))
    loader.close()
    return batches

if __name__ == "__main__":
    assert count() == 2
    pid = os.fork()
    if pid == 0:
        os._exit(count())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert count() == 2
"""


def script(text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    done = script(UNGUARDED, tmp_path)
    assert done.returncode == 1
    told = "once belongs below `if __name__ == '__main__':`) (worker 0, pid"
    assert told in done.stderr


def test_a_forks_child_starts_workers_of_its_own(tmp_path: Path) -> None:
    done = script(FORKED_SERVER, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_report_says_where_the_workers_time_went() -> None:
    data = Dataset(
        np.zeros((64, 40, 40, 3), np.uint8),
        preprocessor={0: [T.ToCHW(), T.Resize(30), T.ToFloat(1 / 255)]},
    )
    loader = DataLoader(data, 16, num_workers=1, workers="process")
    list(loader)
    assert 0 < loader.report().transforming < loader.report().making
