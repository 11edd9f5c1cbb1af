"""Objects that several Python threads use at once."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ptutils.data import ArrayDataset, DataLoader, Dataset


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
