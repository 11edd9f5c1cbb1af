"""Samples that come one after another: generators, iterables, torch's own."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils.data import (
    DataLoader,
    DataProvider,
    Dataset,
    IterableDataset,
    Subset,
    batch_info,
)
from ptutils.data import transforms as T

pytestmark = pytest.mark.usefixtures("in_tmp_path")


def numbers() -> Iterator[tuple[np.ndarray, int]]:
    """Ten samples, which say their epoch."""
    info = batch_info()
    for i in range(10):
        yield np.full(2, i + 100 * (info.epoch if info else 0), np.float32), i


class Squares(IterableDataset):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        for i in range(self.n):
            yield i * i


class Torchs(torch.utils.data.IterableDataset):
    def __iter__(self) -> Iterator[torch.Tensor]:
        yield from (torch.full((2,), float(i)) for i in range(5))


class Counter:
    """An endless source that can be put back."""

    made = 0

    def __init__(self) -> None:
        self.n = 0

    def __iter__(self) -> Counter:
        return self

    def __next__(self) -> int:
        Counter.made += 1
        self.n += 1
        return self.n

    def state_dict(self) -> dict[str, int]:
        return {"n": self.n}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.n = state["n"]


def drawn(loader: DataLoader) -> list[list[int]]:
    return [y.tolist() for _, y in loader]


@pytest.mark.parametrize("workers", [None, 0, 1, 2, 4])
def test_a_generator_function_is_a_source_begun_anew_each_epoch(workers: Any) -> None:
    loader = DataLoader(numbers, batch_size=4, num_workers=workers)
    assert drawn(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    x, _ = next(iter(loader))
    np.testing.assert_array_equal(x[:, 0], [100, 101, 102, 103])
    assert x.dtype == np.float32
    with pytest.raises(TypeError, match="one after another"):
        len(loader)
    short = DataLoader(numbers, batch_size=4, num_workers=workers, drop_last=True)
    assert drawn(short) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    one = DataLoader(numbers, batch_size=None, num_workers=workers)
    assert [y for _, y in one] == list(range(10))


@pytest.mark.parametrize("workers", [0, 1])
def test_it_resumes_at_the_very_next_sample(workers: int) -> None:
    whole = DataLoader(numbers, batch_size=3, num_workers=workers)
    expected = [[x.tolist() for x, _ in whole] for _ in range(2)]
    for stop in range(4):
        loader = DataLoader(numbers, batch_size=3, num_workers=workers)
        batches = iter(loader)
        for _ in range(stop):
            next(batches)
        again = DataLoader(numbers, batch_size=3, num_workers=1 - workers)
        again.load_state_dict(loader.state_dict())
        assert [x.tolist() for x, _ in again] == expected[0][stop:]
        assert [x.tolist() for x, _ in again] == expected[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_source_with_a_state_is_put_back_without_making_samples(workers: int) -> None:
    loader = DataLoader(Counter(), batch_size=3, num_workers=workers)
    batches = iter(loader)
    for _ in range(50):
        next(batches)
    state = loader.state_dict()
    assert state["stream"] == {"n": 150}  # behind the batch given, not those ahead
    again = DataLoader(Counter(), batch_size=3, num_workers=workers)
    again.load_state_dict(state)
    Counter.made = 0
    assert next(iter(again)).tolist() == [151, 152, 153]
    again.close()
    assert Counter.made < 30  # not 150


def test_iterables_of_all_kinds() -> None:
    assert [b.tolist() for b in DataLoader(Squares(5), 2)] == [[0, 1], [4, 9], [16]]
    out = list(DataLoader(Torchs(), batch_size=3))
    assert isinstance(out[0], torch.Tensor) and out[1][:, 0].tolist() == [3, 4]
    assert [b.tolist() for b in DataLoader({3: 0}.keys(), 2)] == [[3]]
    once = DataLoader(numbers(), batch_size=8)
    assert len(list(once)) == 2
    with pytest.raises(pt.errors.WrongState, match="gives its samples once"):
        next(iter(once))
    with pytest.raises(pt.errors.WrongType, match="cannot be iterated"):
        next(iter(DataLoader(lambda: 7)))
    assert list(DataLoader(lambda: iter(()))) == []


def test_torchs_loader_iterates_the_same_class() -> None:
    data = pickle.loads(pickle.dumps(Squares(5)))
    assert isinstance(data, torch.utils.data.IterableDataset)
    theirs = torch.utils.data.DataLoader(data, batch_size=2)
    ours = DataLoader(data, batch_size=2)
    assert [b.tolist() for b in theirs] == [b.tolist() for b in ours]
    theirs = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1)
    assert [b.tolist() for b in theirs] == [[0, 1], [4, 9], [16]]
    provider = DataProvider(train=data, batch_size=2)
    theirs = provider.get_dataloader("train", as_torch=True)
    assert [b.tolist() for b in theirs] == [[0, 1], [4, 9], [16]]


def test_sources_with_and_without_indices_follow_each_other() -> None:
    chain = [T.ToFloat(0.5)]
    data = IterableDataset([Squares(3), range(10, 13)], preprocessor=chain)
    for stop in range(6):
        loader = DataLoader(data, batch_size=1, num_workers=1)
        batches = iter(loader)
        got = [next(batches).item() for _ in range(stop)]
        again = DataLoader(data, batch_size=1)
        again.load_state_dict(loader.state_dict())
        got += [batch.item() for batch in again]
        assert got == [0, 0.5, 2, 5, 5.5, 6], stop
    assert [float(x) for x in data] == [0, 0.5, 2, 5, 5.5, 6]
    over = Dataset(numbers, preprocessor={"0": [T.ToFloat(2)]})
    x, y = next(iter(DataLoader(over, batch_size=3)))
    assert x[:, 0].tolist() == [0, 2, 4] and y.tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="no indices"):
        over[0]


def test_what_they_draw_does_not_depend_on_threads_or_batches() -> None:
    images = np.arange(12 * 3 * 8 * 8, dtype=np.uint8).reshape(12, 3, 8, 8)
    source = IterableDataset((images,), preprocessor=[T.RandomCrop(4)])
    mapped = Dataset((images,), preprocessor=[T.RandomCrop(4)])
    expected = np.concatenate([x for (x,) in DataLoader(mapped, 5, seed=3)])
    for workers, size in ((0, 5), (1, 5), (1, 1), (0, 7)):
        loader = DataLoader(source, size, num_workers=workers, seed=3)
        got = np.concatenate([x for (x,) in loader])
        np.testing.assert_array_equal(got, expected)


def test_errors_keep_their_traceback_and_say_which_sample() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise ValueError("no more")

    for workers in (0, 1):
        loader = DataLoader(broken, batch_size=2, num_workers=workers)
        batches = iter(loader)
        assert next(batches).tolist() == [0, 1] and next(batches).tolist() == [2, 3]
        with pytest.raises(ValueError, match="no more") as caught:
            next(batches)
        assert caught.value.__notes__[0] == "in sample 5"
        assert caught.traceback[-1].name == "broken"
        with pytest.raises(ValueError):  # it tries that batch again
            next(batches)
    skipping = DataLoader(
        Dataset(lambda: iter([1, "x", 3]), preprocessor=[T.ToFloat()]),
        batch_size=3,
        on_error="skip",
    )
    assert [b.tolist() for b in skipping] == [[1, 3]] and skipping.skipped == 1


@pytest.mark.parametrize(
    "options",
    [{"shuffle": True}, {"sampler": range(3)}, {"workers": "process"}],
)
def test_what_wants_an_index_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(pt.errors.WrongValue, match="one after another"):
        DataLoader(numbers, **options)
    with pytest.raises(pt.errors.WrongType, match="come one after another"):
        Subset(Squares(3), [0])
    with pytest.raises(pt.errors.NotDefined, match="__iter__"):
        next(iter(DataLoader(IterableDataset())))


def test_a_session_trains_on_a_generator_and_resumes() -> None:
    def samples() -> Iterator[tuple[np.ndarray, int]]:
        info = batch_info()
        assert info is not None
        draw = np.random.default_rng((info.seed, info.epoch))
        for _ in range(20):
            label = int(draw.integers(3))
            yield (draw.normal(size=4) + label).astype(np.float32), label

    def session(db: str, steps: int) -> pt.Session:
        pt.seed(0)
        net = pt.nn.Linear(4, 3)
        optimizer = pt.optim.SGD(net.parameters(), lr=0.1)
        model = pt.Model(net, pt.nn.CrossEntropyLoss(), optimizer)
        provider = DataProvider(train=samples, batch_size=3, num_workers=1)
        return pt.Session(
            "stream",
            model=model,
            dataprovider=provider,
            dbinterface=db,
            train_params={"num_steps": steps},
        )

    whole = session("whole.db", 17)
    whole.run()
    assert whole.status.epoch == 2  # seven batches an epoch
    parts = session("parts.db", 5)
    parts.run()
    for steps in (9, 17):
        parts = session("parts.db", steps)
        parts.run()
    a, b = whole.model.net.state_dict(), parts.model.net.state_dict()
    for name in a:
        np.testing.assert_array_equal(np.asarray(a[name]), np.asarray(b[name]))


def test_copies_and_configurations(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
    data = IterableDataset("a.jsonl", preprocessor={"x": [T.ToFloat()]})
    built = pt.Configuration(data.to_config()).configure()
    assert type(built) is IterableDataset
    assert isinstance(built, torch.utils.data.IterableDataset)
    assert [s["x"] for s in built] == [s["x"] for s in data] == [1, 2]
    loader = DataLoader(data, 2)
    for again in (
        pickle.loads(pickle.dumps(loader)),
        pt.Configuration(loader.to_config()).configure(),
    ):
        assert [b["x"].tolist() for b in again] == [[1, 2]]
    provider = pickle.loads(pickle.dumps(DataProvider(train=Squares(3), batch_size=2)))
    assert [b.tolist() for b in provider.provide("train")] == [[0, 1], [4]]
    both = Squares(2) + Squares(3)
    assert list(both) == [0, 1, 0, 1, 4]
    provider = DataProvider(train=numbers, batch_size=8)
    theirs = provider.get_dataloader("train", as_torch=True)
    assert [len(y) for _, y in theirs] == [8, 2]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_was_closed_goes_on_at_its_position(workers: int) -> None:
    loader = DataLoader(numbers, batch_size=2, num_workers=workers)
    batches = iter(loader)
    got = [next(batches)[1].tolist()]
    for _ in range(4):
        loader.close()  # drops what was drawn ahead
        got.append(next(batches)[1].tolist())
    assert got == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


class Shared(IterableDataset):
    """Divides its samples itself, as torch's users do."""

    def __init__(self) -> None:
        super().__init__(np.arange(95).reshape(95, 1))

    def __iter__(self) -> Iterator[Any]:
        info = torch.utils.data.get_worker_info()
        for i, sample in enumerate(super().__iter__()):
            if info is None or i % info.num_workers == info.id:
                yield sample


class Within(torch.utils.data.Dataset):
    """A data set that goes through another for each sample."""

    def __init__(self, inner: IterableDataset) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return len(list(self.inner))


def test_torchs_workers_share_what_we_iterate(in_tmp_path: Path) -> None:
    def of_torch(data: Any, workers: int) -> list[float]:
        loader = torch.utils.data.DataLoader(data, 10, num_workers=workers)
        seen = [b if torch.is_tensor(b) else b[0] for b in loader]
        return sorted(torch.cat([b.reshape(-1) for b in seen]).tolist())

    np.save("a.npy", np.arange(95))
    file = IterableDataset("a.npy", preprocessor=[T.Cast("float32")])
    for workers in (0, 2):
        assert of_torch(file, workers) == [*range(95)]
        assert of_torch(Shared(), workers) == [*range(95)]
        assert len(of_torch(file + IterableDataset("a.npy"), workers)) == 190
        assert of_torch(Within(file), workers) == [95, 95]
