"""What a session costs: a step of its loop, beside the loop without it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Absent, Benchmark, Row, Work

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataLoader, DataProvider

try:
    import torch
except ImportError as error:
    torch = None
    no_torch = str(error)

STEPS = 1000
LOGS = 10_000
RARELY = {"every": "1 h"}


class Batches:
    """An iterable of STEPS batches an epoch."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat(self.batch, STEPS)


# ---- ptutils' own model and loop ------------------------------------------


def data(rows: int) -> ArrayDataset:
    rng = np.random.default_rng(0)
    return ArrayDataset(
        rng.random((rows, 8), dtype=np.float32), rng.integers(0, 2, rows)
    )


def small_model() -> pt.Model:
    net = nn.Sequential(nn.Linear(8, 2))
    return pt.Model(
        net,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(net.parameters(), lr=1e-3),
    )


def native_session(folder: Path, callbacks: int) -> pt.Session:
    """Steps of a run are taken from it, its beginning and end apart."""
    session = pt.Session(
        f"native-{callbacks}",
        model=small_model(),
        dataprovider=DataProvider(train=data(8 * STEPS), batch_size=8),
        dbinterface=str(folder / "native.db"),
        train_params={"num_steps": 10**9},
        save_params=RARELY,
    )
    for _ in range(callbacks):
        session.callbacks.on("end_of_training_step", lambda: None)
    session._set_progress_output(False)
    session.step(1)
    return session


def native_bare() -> Work:
    model = small_model()
    loader = DataLoader(data(8 * STEPS), batch_size=8, shuffle=True, output="native")

    def run() -> None:
        for batch in loader:
            model.step(batch)

    return run


# ---- a loop of one's own --------------------------------------------------


class OwnLoop:
    """Takes STEPS batches at a time from a session's loop that goes on."""

    def __init__(self, folder: Path, name: str, batch: Any, **parts: Any) -> None:
        self.session = pt.Session(
            name, dbinterface=str(folder / "own.db"), save_params=RARELY, **parts
        )
        self.session._set_progress_output(False)
        self.session.__enter__()
        self.batches = self.session.loop(Batches(batch), steps=10**9)

    def empty(self) -> None:
        for _ in itertools.islice(self.batches, STEPS):
            pass

    def logging(self) -> None:
        log = self.session.log
        for _ in itertools.islice(self.batches, STEPS):
            log(loss=0.5)


def empty_bare() -> None:
    for _ in Batches(None):
        pass


def torch_mlp() -> tuple[Any, Any, Any]:
    """The step of an MLP, its net and optimizer."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)
    )
    opt = torch.optim.AdamW(net.parameters(), 1e-3)
    criterion = torch.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        loss = criterion(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, net, opt


def torch_session(folder: Path, batch: Any, n: int) -> Work:
    step, net, opt = torch_mlp()
    loop = OwnLoop(folder, "torch", batch, net=net, opt=opt)

    def run() -> None:
        for x, y in itertools.islice(loop.batches, n):
            loop.session.log(loss=step(x, y))

    return run


def torch_bare(batch: Any, n: int) -> Work:
    step, _, _ = torch_mlp()

    def run() -> None:
        for x, y in itertools.repeat(batch, n):
            step(x, y)

    return run


def compare_torch(bench: Benchmark, folder: Path) -> None:
    case = "own loop, torch MLP 784-512-10"
    who = ("ptutils, s.log(loss=loss)", "bare loop")
    if torch is None:
        bench.compare(case, dict.fromkeys(who, Absent(no_torch)))
        return
    torch.set_num_threads(1)
    batch = (torch.rand(64, 784), torch.arange(64) % 10)
    n = 100
    rows = bench.compare(
        case,
        {who[0]: torch_session(folder, batch, n), who[1]: torch_bare(batch, n)},
        number=1,
        items=n,
        targets={who[1]: 1 / 1.02},
    )
    say_cost(bench, rows, *who, n)


# ---- ten thousand logs, durable -------------------------------------------


def whole_loop(folder: Path, logs: bool) -> Work:
    """A session from its beginning to its end: all is durable then."""
    numbers = itertools.count()

    def run() -> None:
        name = f"log-{logs}-{next(numbers)}"
        with pt.Session(
            name, dbinterface=str(folder / f"{name}.db"), save_params=RARELY
        ) as s:
            s._set_progress_output(False)
            for _ in s.loop(Batches(None), steps=LOGS):
                if logs:
                    s.log(loss=0.5)

    return run


def check_logs(folder: Path) -> None:
    whole_loop(folder, True)()
    history = pt.open(str(folder / "log-True-0.db"))["log-True-0"].history
    steps = [record["step"] for record in history.records("train/loss")]
    assert steps == list(range(1, LOGS + 1)), f"{len(steps)} records of {LOGS}"


def say_cost(bench: Benchmark, rows: dict[str, Row], who: str, bare: str, n: int):
    if rows[who].times and rows[bare].times:
        cost = (rows[who].median - rows[bare].median) / n
        bench.note(f"  {who}: {cost * 1e6:+.2f} us a step over the bare loop")


def main() -> None:
    bench = Benchmark("session", "the cost of a session")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        none, ten = (native_session(folder, n) for n in (0, 10))
        work: dict[str, Work | Absent] = {
            "run, no callback": lambda: none.step(STEPS),
            "run, ten callbacks": lambda: ten.step(STEPS),
            "bare loop": native_bare(),
        }
        rows = bench.compare(
            f"native Linear(8, 2), {STEPS} steps", work, number=1, items=STEPS
        )
        for who in ("run, no callback", "run, ten callbacks"):
            say_cost(bench, rows, who, "bare loop", STEPS)
        for session in (none, ten):
            session.pause()
            session.step(1)  # which ends the run
        rows = bench.compare(
            f"own loop, empty, {STEPS} steps",
            {
                "no log": OwnLoop(folder, "empty", None).empty,
                "s.log(loss=0.5)": OwnLoop(folder, "logging", None).logging,
                "bare loop": empty_bare,
            },
            number=1,
            items=STEPS,
        )
        for who in ("no log", "s.log(loss=0.5)"):
            say_cost(bench, rows, who, "bare loop", STEPS)
        compare_torch(bench, folder)
        who = (f"{LOGS} s.log", "the same without")
        rows = bench.compare(
            "a whole session, durable",
            {who[0]: whole_loop(folder, True), who[1]: whole_loop(folder, False)},
            check=lambda _: check_logs(folder),
            number=1,
            items=LOGS,
        )
        if rows[who[0]].times:
            more = rows[who[0]].median - rows[who[1]].median
            bench.note(f"  {LOGS} durable logs: {more:+.3f} s (bar: 1 s)")
    bench.finish()


if __name__ == "__main__":
    main()
