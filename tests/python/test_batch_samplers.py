"""A loader's batch samplers: ours, torch's, lists."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from numbered import WORKERS, N, Numbers, epoch
from torch.utils import data as torch_data

import ptutils as pt
from ptutils.data import (
    BatchSampler,
    BlockShuffleSampler,
    BucketBatchSampler,
    DataLoader,
    DataProvider,
    DistributedSampler,
    StratifiedSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


class Growing(BatchSampler):
    def batches(self, n: int, seed: int, epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng([seed, epoch]).permutation(n)
        cuts = np.cumsum(np.arange(1, 15))
        return [part for part in np.split(order, cuts) if len(part)]


def torch_batches(shuffle: bool = True) -> torch_data.BatchSampler:
    generator = torch.Generator()
    inner = (
        torch_data.RandomSampler(range(N), generator=generator)
        if shuffle
        else torch_data.SequentialSampler(range(N))
    )
    return torch_data.BatchSampler(inner, 7, drop_last=False)


LISTS = [list(range(i, min(i + 7, N))) for i in range(0, N, 7)]
BATCHES = {
    "ours": Growing,
    "buckets": lambda: BucketBatchSampler(np.arange(N) % 13, 7),
    "torch": torch_batches,
    "lists": lambda: LISTS,
}


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES)
def test_batches_are_the_batch_sampler_s(make) -> None:
    loaders = [
        DataLoader(range(N), batch_sampler=make(), num_workers=workers, seed=3)
        for workers in WORKERS
    ]
    epochs = [[epoch(loader), epoch(loader)] for loader in loaders]
    assert epochs[1:] == epochs[:-1]
    for batches in epochs[0]:
        assert len(batches) == len(loaders[0])
        assert sorted(sum(batches, [])) == list(range(N))
    assert (epochs[0][0] == epochs[0][1]) == (make() is LISTS)
    loader = loaders[0]
    assert (loader.batch_size, loader.drop_last) == (None, False)
    assert "of batches" in repr(loader)


def test_torch_s_batch_sampler_gives_torch_s_batches() -> None:
    ours = DataLoader(range(N), batch_sampler=torch_batches(False))
    theirs = torch_data.DataLoader(range(N), batch_sampler=torch_batches(False))
    assert epoch(ours) == epoch(theirs)
    sampler = torch_batches()
    before = sampler.sampler.generator.get_state()
    epoch(DataLoader(range(N), batch_sampler=sampler))
    assert torch.equal(before, sampler.sampler.generator.get_state())


ORDERS = {
    "shuffle": {"shuffle": True},
    "weighted": {"sampler": WeightedRandomSampler(np.arange(N), 2 * N)},
    "stratified": {"sampler": StratifiedSampler(np.arange(N) % 3, 7)},
    "blocks": {"sampler": BlockShuffleSampler(3, 5)},
    "subset": {"sampler": SubsetRandomSampler(range(0, N, 2))},
    "share": {"sampler": DistributedSampler(2, 1)},
    "plain share": {"sampler": DistributedSampler(2, 1, shuffle=False)},
    "torch's": {"sampler": torch_data.RandomSampler(range(N))},
}


@pytest.mark.parametrize("order", [*ORDERS, *BATCHES])
def test_a_loader_stopped_at_any_batch_goes_on_with_the_next(order: str) -> None:
    """Batches of 7: at every 7th sample of two epochs, with other workers."""

    def make(workers: int) -> DataLoader:
        if order in BATCHES:
            options = {"batch_sampler": BATCHES[order]()}
        else:
            options = {"batch_size": 7, **ORDERS[order]}
        return DataLoader(Numbers(), num_workers=workers, seed=5, **options)

    whole = make(0)
    wanted = [epoch(whole), epoch(whole)]
    flat = wanted[0] + wanted[1]
    assert len(flat) >= 12
    for workers, others in ((0, 2), (2, 0), (1, 4)):
        running = make(workers)
        done = 0
        for _ in range(2):
            for batch in running:
                assert batch.tolist() == flat[done]
                done += 1
                other = make(others)
                other.load_state_dict(running.state_dict())
                rest = epoch(other)
                if done != len(wanted[0]):  # an ended epoch is followed by none
                    first = done < len(wanted[0])
                    end = len(wanted[0]) if first else len(flat)
                    assert rest == flat[done:end], (workers, done)
                    if first and done % 5 == 0:
                        assert epoch(other) == wanted[1]
                running.load_state_dict(running.state_dict())


def test_a_state_without_a_batch_sampler_is_told(caplog) -> None:
    plain = DataLoader(range(N), 7)
    next(iter(plain))
    batched = DataLoader(range(N), batch_sampler=LISTS)
    state = batched.state_dict()
    assert state["given"] is None
    batched.load_state_dict(plain.state_dict())
    assert "without a batch_sampler" in caplog.text
    assert epoch(batched) == LISTS[1:]
    caplog.clear()
    plain.load_state_dict(state)
    assert "with a batch_sampler" in caplog.text


def test_copies_and_configurations_have_the_batch_sampler() -> None:
    loader = DataLoader(range(N), batch_sampler=BATCHES["buckets"](), seed=2)
    iterator = iter(loader)
    first = next(iterator).tolist()
    for other in (pickle.loads(pickle.dumps(loader)), copy.deepcopy(loader)):
        assert [first, *epoch(other)] == epoch(
            DataLoader(range(N), batch_sampler=BATCHES["buckets"](), seed=2)
        )
    provider = DataProvider(
        train=range(N), val=range(9), batch_size=4, batch_sampler=BATCHES["buckets"]()
    )
    assert len(provider.provide("train")) == -(-N // 7)
    assert epoch(provider.provide("val")) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    theirs = provider.get_dataloader("train", as_torch=True)
    ours = provider.provide("train")
    for _ in range(2):
        assert epoch(theirs) == epoch(ours)
    assert len(theirs) == len(ours)
    named = {"func": "BucketBatchSampler", "lengths": [1, 2, 3], "batch_size": 2}
    made = pt._core.configure(
        {"func": "DataLoader", "dataset": Numbers(3), "batch_sampler": named},
        path="loader",
    )
    assert sorted(map(len, made)) == [1, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 2}, "batch_sampler says"),
        ({"batch_size": None}, "batch_sampler says"),
        ({"shuffle": True}, "batch_sampler says"),
        ({"sampler": [0]}, "batch_sampler says"),
        ({"drop_last": True}, "batch_sampler says"),
        ({"batch_sampler": [[0], []]}, "batch 1 is empty"),
        ({"batch_sampler": [0, 1]}, "batch 0 is 0, not a list"),
        ({"batch_sampler": [["a"]]}, "batch 0 has 'a' in it"),
        ({"batch_sampler": [[0], [1000]]}, "index 1000 at place 1"),
        ({"batch_sampler": iter([[0]])}, "iterated once only"),
        ({"batch_sampler": 3}, "nor an iterable of lists"),
    ],
)
def test_wrong_batch_samplers_are_refused(options, said: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError), match=said):
        list(DataLoader(range(N), **{"batch_sampler": LISTS, **options}))
    with pytest.raises(NotImplementedError, match="defines no batches"):
        list(DataLoader(range(N), batch_sampler=BatchSampler()))
