"""Objects that several Python threads use at once."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ptutils import nn
from ptutils.data import ArrayDataset, DataLoader, Dataset
from ptutils.errors import WrongState


def together(*works: Callable[[], Any]) -> list[BaseException]:
    """Runs each on its thread; the errors that ended them."""
    errors: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(w,), daemon=True) for w in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return errors


@pytest.mark.parametrize("workers", [0, 1, 2, None])
def test_threads_share_an_iteration(workers: int | None) -> None:
    loader = DataLoader(ArrayDataset(np.arange(2000)), 2, num_workers=workers)
    for turn in range(2):
        iterator, got = iter(loader), []

        def draw(iterator: Any = iterator, got: list[Any] = got) -> None:
            for (batch,) in iterator:
                got.append(batch)

        assert together(*[draw] * 4) == []
        assert sorted(sum((batch.tolist() for batch in got), [])) == list(range(2000))
        assert next(iterator, None) is None
        assert (loader.epoch, loader.batch) == (turn + 1, 0)


class Bad(Dataset):
    def __len__(self) -> int:
        return 400

    def __getitem__(self, index: int) -> int:
        if index == 200:
            raise ValueError("sample 200")
        return index


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_reaches_one_thread_and_ends_the_others(workers: int) -> None:
    iterator, got = iter(DataLoader(Bad(), 2, num_workers=workers)), []
    errors = together(*[lambda: got.extend(iterator)] * 4)
    assert [type(error) for error in errors] == [ValueError]
    assert "sample 200" in str(errors[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_draws_may_be_closed_and_saved(workers: int) -> None:
    loader = DataLoader(ArrayDataset(np.arange(4000)), 2, num_workers=workers)
    iterator, got, states = iter(loader), [], []

    def draw() -> None:
        for (batch,) in iterator:
            got.append(batch.tolist())

    def save() -> None:
        while (states or [{"epoch": 0}])[-1]["epoch"] == 0:
            states.append(loader.state_dict())

    def close() -> None:
        for _ in range(20):
            loader.close()
            time.sleep(0.001)

    assert together(draw, draw, save, close) == []
    assert sorted(sum(got, [])) == list(range(4000))
    places = [(state["epoch"], state["batch"]) for state in states]
    assert places == sorted(places)
    assert places[-1] == (1, 0)


def test_a_data_set_that_draws_from_its_loader_is_an_error() -> None:
    class Loop(Bad):
        def __getitem__(self, index: int) -> Any:
            return next(loader)

    loader = DataLoader(Loop(), 2, num_workers=0)
    with pytest.raises(RuntimeError, match="asks it for a batch"):
        next(iter(loader))


def until(end: float, work: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        while time.monotonic() < end:
            work()

    return run


def test_a_variable_is_used_by_several_threads() -> None:
    w = nn.Variable(np.ones((60, 60), "f"), requires_grad=True)
    shared: list[nn.Variable] = [(w * w).sum()]

    def drop() -> None:
        w.grad = None
        shared[0] = ((w * w) * w).sum()

    def replace() -> None:
        w.data = np.ones((60, 60), "f")

    def backward(loss: nn.Variable) -> None:
        try:
            loss.backward()
        except WrongState as error:  # replaced, or another thread was first
            assert "modified" in str(error) or "freed" in str(error)

    works: list[Callable[[], Any]] = [
        lambda: backward((w @ w).sum()),
        lambda: backward(shared[0]),
        lambda: backward(shared[0]),
        drop,
        replace,
        lambda: w.grad is not None and w.grad.numpy().sum(),
    ]
    end = time.monotonic() + 0.5
    assert together(*[until(end, work) for work in works]) == []


def test_gradients_of_several_threads_add_up() -> None:
    w = nn.Variable(np.ones((30, 30), "f"), requires_grad=True)

    def work() -> None:
        for _ in range(200):
            (w @ w).sum().backward()

    assert together(*[work] * 3) == []
    grad = w.grad
    assert grad is not None
    assert (grad.numpy() == 3 * 200 * 60).all()
