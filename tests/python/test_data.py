"""Data sets, samplers and the provider, as Python extends and copies them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils import nn
from ptutils.data import (
    ArrayDataset,
    DataLoader,
    DataProvider,
    Dataset,
    FashionMNIST,
    RandomSampler,
    Sampler,
    SequentialSampler,
)


class Squares(Dataset):
    """No super().__init__()."""

    def __init__(self, n: int = 10) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[int, float]:
        if not 0 <= index < self.n:
            raise IndexError(index)
        return index, index**2 / 2


class Both(Dataset, torch.utils.data.Dataset):
    def __init__(self, n: int = 10) -> None:
        self.values = torch.arange(n, dtype=torch.float32)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.values[index], index


class TorchOnly(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((2,), float(index)), index


class Duck:
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, float]:
        return {"x": float(index)}


def copies() -> list:
    return [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]


def test_a_data_set_in_python_iterates_and_loads() -> None:
    assert [i for i, _ in Squares(4)] == [0, 1, 2, 3]
    batches = list(DataLoader(Squares(5), batch_size=2))
    assert [x.tolist() for x, _ in batches] == [[0, 1], [2, 3], [4]]
    assert batches[0][0].dtype == np.int64
    assert batches[0][1].dtype == np.float64


def test_a_data_set_without_its_methods_says_so() -> None:
    class Empty(Dataset):
        def __len__(self) -> int:
            return 3

    with pytest.raises(NotImplementedError, match="Empty.*__getitem__"):
        next(iter(DataLoader(Empty())))
    with pytest.raises(NotImplementedError, match="__len__"):
        len(Dataset())


@pytest.mark.parametrize("kind", ["fork", "spawn"])
@pytest.mark.parametrize(
    "dataset",
    [Squares(8), Both(8), ArrayDataset(np.arange(8), np.arange(8) * 2.0)],
    ids=["python", "both", "arrays"],
)
def test_ours_is_a_torch_data_set_in_worker_processes(dataset, kind: str) -> None:
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=4, num_workers=1, multiprocessing_context=kind
    )
    x, y = next(iter(loader))
    assert isinstance(y, torch.Tensor)
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("copied", copies())
def test_data_sets_are_copied(copied) -> None:
    dataset = Squares(7)
    dataset.note = ["a"]
    other = copied(dataset)
    assert (type(other), len(other), other[3], other.note) == (
        Squares,
        7,
        (3, 4.5),
        ["a"],
    )
    arrays = copied(ArrayDataset({"x": np.arange(3), "y": np.ones((3, 2))}))
    assert arrays[1]["x"] == 1
    images = copied(FashionMNIST(train=False))
    np.testing.assert_array_equal(images[5][0], FashionMNIST(train=False)[5][0])


def test_arrays_of_every_kind() -> None:
    x, y = np.arange(12.0).reshape(4, 3), np.arange(4)
    a, b = ArrayDataset(x, y)[-1]
    np.testing.assert_array_equal(a, x[-1])
    assert b == 3
    assert ArrayDataset(x).arrays[0] is not None
    np.testing.assert_array_equal(ArrayDataset({"x": x})[2]["x"], x[2])
    (t,) = ArrayDataset(torch.arange(3))[1]
    assert isinstance(t, torch.Tensor)
    with pytest.raises(ValueError, match="first dimensions"):
        ArrayDataset(x, np.arange(5))
    with pytest.raises(IndexError, match="4"):
        ArrayDataset(x)[4]
    with pytest.raises(TypeError, match="str"):
        ArrayDataset("x")


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        (Squares(), np.ndarray),
        (Both(), torch.Tensor),
        (TorchOnly(), torch.Tensor),
        (ArrayDataset(np.arange(9), np.arange(9)), np.ndarray),
        (ArrayDataset(torch.arange(9), torch.arange(9)), torch.Tensor),
        ([(np.float32(1), 2)] * 4, np.ndarray),
    ],
)
def test_batches_are_of_the_data_set_s_library(dataset, kind: type) -> None:
    for output, expected in (
        (None, kind),
        ("numpy", np.ndarray),
        ("torch", torch.Tensor),
    ):
        for part in next(iter(DataLoader(dataset, batch_size=2, output=output))):
            assert isinstance(part, expected)


def test_batches_of_native_tensors_stay_native() -> None:
    class Native(Squares):
        def __getitem__(self, index: int):
            return nn.Variable([float(index)]).data, index

    for part in next(iter(DataLoader(Native(), batch_size=2))):
        assert isinstance(part, pt.Tensor)
    native = next(iter(DataLoader(Squares(), batch_size=2, output="native")))
    assert all(isinstance(part, pt.Tensor) for part in native)


def test_any_object_with_length_and_items_loads() -> None:
    (batch,) = DataLoader(Duck(), batch_size=5)
    assert batch["x"].tolist() == [0, 1, 2, 3, 4]
    duck = Duck()
    assert DataLoader(duck).dataset is duck
    with pytest.raises(TypeError, match="int.*__len__"):
        DataLoader(3)
    assert [b.tolist() for b in DataLoader(iter([1]))] == [[1]]


def test_getitems_is_used_where_there_is_one() -> None:
    class Many(Squares):
        calls = 0

        def __getitems__(self, indices: list[int]) -> list:
            self.calls += 1
            return [self[i] for i in indices]

    dataset = Many(10)
    assert len(list(DataLoader(dataset, batch_size=4))) == 3
    assert dataset.calls == 3
    dataset.__class__.__getitems__ = lambda self, indices: []
    with pytest.raises(ValueError, match="0 samples for 4"):
        next(iter(DataLoader(dataset, batch_size=4)))


def test_samplers_give_their_order() -> None:
    assert SequentialSampler().order(4).tolist() == [0, 1, 2, 3]
    sampler = RandomSampler()
    assert sorted(sampler.order(50)) == list(range(50))
    assert sampler.order(50, seed=1).tolist() == sampler.order(50, seed=1).tolist()
    assert sampler.order(50, seed=1).tolist() != sampler.order(50, epoch=1).tolist()
    drawn = RandomSampler(replacement=True, num_samples=200).order(5)
    assert len(drawn) == 200
    assert set(drawn.tolist()) == set(range(5))
    assert len(copy.deepcopy(RandomSampler(True, 7)).order(5)) == 7


class Backwards(Sampler):
    def order(self, n: int, seed: int, epoch: int):
        return range(n - 1, -1, -1)


class Thirds(Backwards):
    def __len__(self) -> int:
        return 4

    def order(self, n: int, seed: int, epoch: int):
        return np.arange(0, n, 3, dtype=np.int32)


def test_a_sampler_in_python() -> None:
    loader = DataLoader(Squares(5), batch_size=2, sampler=Backwards())
    assert [x.tolist() for x, _ in loader] == [[4, 3], [2, 1], [0]]
    thirds = DataLoader(Squares(10), sampler=Thirds())
    assert len(thirds) == 4
    assert [int(x[0]) for x, _ in thirds] == [0, 3, 6, 9]

    class Wrong(Sampler):
        def order(self, n: int, seed: int, epoch: int):
            return [n]

    with pytest.raises(IndexError, match="10"):
        next(iter(DataLoader(Squares(10), sampler=Wrong())))


def order_of(loader) -> list[int]:
    return [int(i) for x, _ in loader for i in x]


@pytest.mark.parametrize("generator", [None, 5])
def test_torch_s_samplers_give_an_order_by_seed_and_epoch(generator) -> None:
    def make() -> DataLoader:
        own = torch.Generator().manual_seed(5) if generator else None
        sampler = torch.utils.data.RandomSampler(range(20), generator=own)
        return DataLoader(Squares(20), 4, sampler=sampler, seed=3)

    torch.manual_seed(0)
    before = torch.get_rng_state()
    loader = make()
    first, second = order_of(loader), order_of(loader)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert torch.equal(torch.get_rng_state(), before)
    for batch in range(5):
        other = make()
        other.load_state_dict({"seed": 3, "epoch": 1, "batch": batch})
        assert order_of(other) == second[batch * 4 :]
    weighted = torch.utils.data.WeightedRandomSampler([0.0, 1.0, 1.0], 8)
    assert set(order_of(DataLoader(Squares(3), 2, sampler=weighted))) == {1, 2}
    with pytest.raises(TypeError, match="not an index"):
        next(iter(DataLoader(Squares(3), sampler=["a"])))


CONCATENATE = """
import sys
from ptutils.data import ArrayDataset, DataLoader
import numpy as np
data = ArrayDataset(np.arange(3)) + ArrayDataset(np.arange(0)) + ["a", "b"]
assert "torch" not in sys.modules
assert len(data) == 5
assert [data[i] for i in (3, -1)] == ["a", "b"]
assert [int(data[i][0]) for i in (0, 2, -5)] == [0, 2, 0]
assert len([x for x in data]) == 5
for beyond in (5, -6):
    try:
        data[beyond]
    except IndexError as error:
        assert f"no sample {beyond}" in str(error)
    else:
        raise AssertionError(beyond)
both = ArrayDataset(np.arange(3)) + ArrayDataset(np.arange(4))
batches = [b.tolist() for (b,) in DataLoader(both, 4)]
assert batches == [[0, 1, 2, 0], [1, 2, 3]], batches
"""


def test_data_sets_are_added_without_torch() -> None:
    subprocess.run([sys.executable, "-c", CONCATENATE], check=True, timeout=60)


def test_data_sets_are_added_with_torch() -> None:
    both = Squares(3) + ArrayDataset(np.arange(2))
    assert len(torch.utils.data.DataLoader(both)) == 5
    assert len(both) == 5 and both[2] == (2, 2.0)
    for wrong in (3, None, "text", {}):
        with pytest.raises(TypeError, match="unsupported operand"):
            Squares() + wrong


def leaves(batch: object) -> list:
    if isinstance(batch, dict):
        return [leaves(item) for item in batch.values()]
    if isinstance(batch, (list, tuple)):
        return [leaves(item) for item in batch]
    return [str(batch.dtype), batch.tolist()]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(
    "dataset",
    [
        Squares(),
        ArrayDataset({"x": np.arange(7.0), "y": np.ones((7, 2), "float32")}),
        ArrayDataset(nn.Variable(np.arange(6.0).reshape(3, 2)).data),
    ],
)
def test_as_torch_gives_torch_s_loader_with_the_same_batches(
    dataset, drop_last: bool, shuffle: bool
) -> None:
    provider = DataProvider(
        train=dataset,
        batch_size=2,
        drop_last=drop_last,
        shuffle=shuffle,
        output="torch",
    )
    ours = provider.get_dataloader("train")
    theirs = provider.get_dataloader("train", as_torch=True)
    assert type(theirs) is torch.utils.data.DataLoader
    assert len(theirs) == len(ours)
    for _ in range(2):
        batches = list(theirs)
        assert all(isinstance(b, (list, dict)) for b in batches)
        assert [leaves(b) for b in batches] == [leaves(b) for b in ours]


def test_as_torch_keeps_collate_workers_and_torch_s_own_loaders() -> None:
    mine = torch.utils.data.DataLoader(Squares(4))
    provider = DataProvider(train=mine, val=DataLoader(Squares(4), 2, collate_fn=len))
    assert provider.get_dataloader("train", as_torch=True) is mine
    assert list(provider.get_dataloader("val", as_torch=True)) == [2, 2]
    provider = DataProvider(val=Squares(4), batch_size=2, timeout=5)
    assert len(list(provider.get_dataloader("val", as_torch=True))) == 2
    provider = DataProvider(val=Squares(4), batch_size=2, num_workers=1)
    loader = provider.get_dataloader("val", as_torch=True)
    assert loader.num_workers == 1
    assert [index.tolist() for index, _ in loader] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_as_torch_goes_on_in_mid_epoch(position: int) -> None:
    def loader() -> object:
        data = DataProvider(train=Squares(6), batch_size=2)
        return DataProvider(train=data.get_dataloader("train", as_torch=True))

    first, second = loader(), loader()
    train = first.provide("train")
    list(train)
    batches = iter(train)
    for _ in range(position):
        next(batches)
    second.load_state_dict(first.state_dict())
    rest = [leaves(batch) for batch in batches]
    assert [leaves(batch) for batch in second.provide("train")] == rest


def test_phases_over_one_data_set_have_positions_of_their_own() -> None:
    data = Squares(4)
    provider = DataProvider(train=data, val=data, batch_size=2, shuffle=False)
    train, val = provider.provide("train"), provider.provide("val")
    batches = iter(train)
    first = next(batches)[0].tolist()
    assert [index.tolist() for index, _ in val] == [[0, 1], [2, 3]]
    assert first + next(batches)[0].tolist() == [0, 1, 2, 3]


def test_a_provider_gives_loaders_by_phase() -> None:
    train, val = Squares(20), Squares(6)
    for provider in (
        DataProvider(train=train, val=val, batch_size=4),
        DataProvider(datasets={"train": train, "val": val}, batch_size=4),
        DataProvider({"train": train, "val": val}, batch_size=4),
    ):
        assert provider.phases == ["train", "val"]
        loader = provider.provide("train")
        assert provider.get_dataloader({"phase": "train"}) is loader
        assert loader.dataset is train
        assert order_of(loader) != sorted(order_of(loader))
        assert order_of(provider.provide("val")) == list(range(6))
    with pytest.raises(KeyError, match="train"):
        provider.provide("trian")
    with pytest.raises(TypeError, match="batch_size"):
        DataProvider(train=train, batchsize=3)
    with pytest.raises(ValueError, match="twice"):
        DataProvider({"train": train}, train=train)


def test_a_provider_takes_loaders() -> None:
    mine = DataLoader(Squares(4), batch_size=4)
    provider = DataProvider(train=mine, val=Squares(3))
    assert provider.provide("train") is mine


def test_a_provider_in_python() -> None:
    class Mine(DataProvider):
        def __init__(self) -> None:  # no super().__init__()
            self.loader = DataLoader(Squares(3), batch_size=3)
            self.asked: list = []

        def provide(self, request):
            self.asked.append(request)
            return self.loader

    provider = Mine()
    assert provider.get_dataloader("anything") is provider.loader
    assert provider.asked == ["anything"]

    class Wrapped(DataProvider):
        def provide(self, request):
            return super().provide("train")

    wrapped = Wrapped(train=Squares(4))
    assert wrapped.get_dataloader("val") is wrapped.provide("train")


@pytest.mark.parametrize("copied", copies()[1:])
def test_positions_are_a_provider_s_state(copied) -> None:
    provider = DataProvider(train=Squares(20), val=Squares(6), batch_size=4)
    provider.set_seed(9)
    it = iter(provider.provide("train"))
    seen = [next(it)[0].tolist() for _ in range(2)]
    assert seen
    state = provider.state_dict()
    other = DataProvider(train=Squares(20), val=Squares(6), batch_size=4)
    other.load_state_dict(state)
    third = copied(provider)
    rest = [x.tolist() for x, _ in it]
    assert len(rest) == 3
    assert [x.tolist() for x, _ in other.provide("train")] == rest
    assert [x.tolist() for x, _ in third.provide("train")] == rest
