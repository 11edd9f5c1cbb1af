"""Samplers: orders as functions of (n, seed, epoch), and what each promises."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path

import h5py
import numpy as np
import pytest

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    BlockShuffleSampler,
    BucketBatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    HDF5Reader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StratifiedSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

N = 101
LABELS = np.random.default_rng(0).choice(5, N, p=[0.5, 0.3, 0.15, 0.04, 0.01])
SAMPLERS = [
    SequentialSampler(),
    RandomSampler(),
    RandomSampler(True, 30),
    SubsetRandomSampler(range(3, 60, 3)),
    WeightedRandomSampler(np.arange(N), 50),
    WeightedRandomSampler(np.arange(N), 50, replacement=False),
    StratifiedSampler(LABELS, 8),
    BlockShuffleSampler(window=3, block=7),
    DistributedSampler(4, 2),
    DistributedSampler(4, 2, shuffle=False, drop_last=True),
    DistributedSampler(4, 2, seed=5),
]
IDS = [f"{i}-{type(sampler).__name__}" for i, sampler in enumerate(SAMPLERS)]


def indices(loader) -> list[int]:
    return [int(i) for batch in loader for i in batch]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=IDS)
def test_an_order_depends_on_seed_and_epoch_alone(sampler: Sampler) -> None:
    again = copy.deepcopy(sampler)
    draws = sampler.order(N, 1, 0).tolist() != sampler.order(N, 1, 1).tolist()
    fixed = isinstance(sampler, SequentialSampler) or not sampler.to_config().get(
        "shuffle", True
    )
    assert draws != fixed
    wanted = [sampler.order(N, 1, epoch).tolist() for epoch in range(2)]
    for workers in (0, 1, 2, 4):
        loader = DataLoader(range(N), 8, sampler=again, num_workers=workers, seed=1)
        assert [indices(loader), indices(loader)] == wanted
        assert len(loader) == -(-len(wanted[0]) // 8)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=IDS)
def test_a_sampler_is_pickled_and_named_in_a_configuration(sampler: Sampler) -> None:
    wanted = sampler.order(N, 3, 2).tolist()
    config = pt._core.parse_yaml(pt._core.to_yaml(sampler.to_config()))
    made = pt._core.configure(config, path="sampler", slot="sampler")
    for other in (pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler), made):
        assert type(other) is type(sampler)
        assert other.order(N, 3, 2).tolist() == wanted
        assert other.to_config() == sampler.to_config()


def test_weights_are_kept_to() -> None:
    weights = [0, 1, 0, 3, 6, 0]
    drawn = Counter(WeightedRandomSampler(weights, 20_000).order(6).tolist())
    assert set(drawn) == {1, 3, 4}
    for index, share in ((1, 0.1), (3, 0.3), (4, 0.6)):
        assert abs(drawn[index] / 20_000 - share) < 0.015
    once = WeightedRandomSampler([1, 2, 3, 4], 2, replacement=False)
    first = Counter()
    for epoch in range(8000):
        a, b = once.order(4, 0, epoch).tolist()
        assert a != b
        first[a] += 1
    for index in range(4):  # the first drawn is chosen by the weights
        assert abs(first[index] / 8000 - (index + 1) / 10) < 0.02
    assert set(WeightedRandomSampler(weights, 3, False).order(6).tolist()) == {1, 3, 4}


@pytest.mark.parametrize("size", [1, 2, 7, 8, 32, 100, N, 500])
@pytest.mark.parametrize("classes", [1, 2, 5, 40])
def test_every_batch_has_the_classes_in_proportion(size: int, classes: int) -> None:
    labels = np.random.default_rng(size).zipf(1.5, N) % classes
    for epoch in range(3):
        order = StratifiedSampler(labels, size).order(N, 1, epoch)
        assert sorted(order.tolist()) == list(range(N))
        for begin in range(0, N, size):
            batch = labels[order[begin : begin + size]]
            for c in range(classes):
                quota = (labels == c).sum() * len(batch) / N
                assert abs((batch == c).sum() - quota) < 1, (begin, c)


def test_labels_may_be_texts() -> None:
    labels = ["cat", "dog"] * 10
    order = StratifiedSampler(labels, 4).order(20)
    for begin in range(0, 20, 4):
        assert Counter(labels[i] for i in order[begin : begin + 4])["cat"] == 2


def misses(order: np.ndarray, block: int, cache: int) -> int:
    """Blocks that a cache of the last `cache` ones decodes."""
    held: OrderedDict[int, None] = OrderedDict()
    decoded = 0
    for index in order.tolist():
        if index // block in held:
            held.move_to_end(index // block)
            continue
        decoded += 1
        held[index // block] = None
        if len(held) > cache:
            held.popitem(last=False)
    return decoded


def test_each_chunk_of_a_file_is_decoded_once(tmp_path: Path) -> None:
    n, chunk, window = 1000, 16, 4
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = np.arange(2 * n).reshape(n, 2)
        file.create_dataset("x", data=data, chunks=(chunk, 2), compression="gzip")
    data = Dataset([str(tmp_path / "x.h5")] * 2, HDF5Reader("x"))
    loader = DataLoader(data, 8, sampler=BlockShuffleSampler(window), num_workers=0)
    order = np.concatenate(list(loader))[:, 0] // 2
    assert sorted(order.tolist()) == sorted(2 * list(range(n)))
    order = loader._order(0)
    assert sorted(order.tolist()) == list(range(2 * n))
    starts = [*range(0, n, chunk), *range(n, 2 * n, chunk)]
    block_of = np.searchsorted(starts, order, side="right") - 1
    assert misses(block_of, 1, window) == len(starts)
    shuffled = np.searchsorted(starts, RandomSampler().order(2 * n), side="right")
    assert misses(shuffled, 1, window) > 10 * len(starts)
    assert loader._order(1).tolist() != order.tolist()
    # Neither the first window's blocks nor neighbours are those of the file.
    assert set(block_of[: window * chunk]) != set(range(window))
    assert (np.diff(order) == 1).mean() < 0.1
    with pytest.raises(ValueError, match="one by one.*shuffle=True"):
        next(iter(DataLoader(range(5), sampler=BlockShuffleSampler())))
    with pytest.raises(ValueError, match="give block="):
        BlockShuffleSampler().order(5)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 23])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_shares_are_disjoint_and_complete(n: int, shuffle: bool, drop_last: bool):
    world = 4
    shares = [
        DistributedSampler(world, rank, shuffle, drop_last=drop_last).order(n, 2, 1)
        for rank in range(world)
    ]
    assert len({len(share) for share in shares}) == 1
    counts = Counter(np.concatenate(shares).tolist())
    each = len(shares[0]) * world
    if drop_last:
        assert each == n - n % world == len(counts)
        assert set(counts.values()) <= {1}
    else:
        assert each == n + -n % world
        assert set(counts) == set(range(n))
        assert max(counts.values(), default=1) - min(counts.values(), default=1) <= 1


def test_shares_are_torchs() -> None:
    from torch.utils.data.distributed import DistributedSampler as Theirs

    for n in (1, 3, 8, 10):
        for drop_last in (True, False):
            for rank in range(4):
                ours = DistributedSampler(4, rank, shuffle=False, drop_last=drop_last)
                theirs = Theirs(range(n), 4, rank, shuffle=False, drop_last=drop_last)
                assert ours.order(n).tolist() == list(theirs)


def test_rank_and_world_size_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="give num_replicas and rank"):
        DistributedSampler()
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    found = DistributedSampler()
    assert (found.rank, found.num_replicas) == (2, 3)
    assert "rank" not in found.to_config()
    assert DistributedSampler(rank=1).rank == 1
    monkeypatch.setenv("RANK", "3")
    with pytest.raises(ValueError, match="rank=3 of num_replicas=3"):
        DistributedSampler()
    monkeypatch.setenv("RANK", "x")
    with pytest.raises(ValueError, match="RANK='x'"):
        DistributedSampler()


def test_torch_distributed_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch.distributed as dist

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "9")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        found = DistributedSampler()
    finally:
        dist.destroy_process_group()
    assert (found.rank, found.num_replicas) == (0, 1)


def test_a_bucket_s_samples_are_of_similar_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 1000, 500)
    sampler = BucketBatchSampler(lengths, 16, window=10)
    batches = sampler.batches(500, 1, 0)
    assert len(batches) == len(sampler) == 32
    assert sorted(sum(batches, [])) == list(range(500))
    assert sorted(map(len, batches)) == [4] + [16] * 31
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert spread < 1000 / 10 * 2 < np.ptp(lengths[RandomSampler().order(500)[:16]])
    means = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.6  # batches are shuffled
    assert sampler.batches(500, 1, 1) != batches
    dropped = BucketBatchSampler(lengths, 16, drop_last=True, window=10**12)
    assert [len(batch) for batch in dropped.batches(500)] == [16] * 31
    ordered = BucketBatchSampler(lengths, 16, shuffle=False, window=500)
    firsts = [lengths[batch[0]] for batch in ordered.batches(500)]
    assert firsts == sorted(firsts)
    config = pt._core.parse_yaml(pt._core.to_yaml(sampler.to_config()))
    made = pt._core.configure(config, path="batch_sampler", slot="batch_sampler")
    for other in (made, pickle.loads(pickle.dumps(sampler))):
        assert other.batches(500, 1, 0) == batches


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: WeightedRandomSampler([1, -1], 1), r"weights\[1\] is -1"),
        (lambda: WeightedRandomSampler([1, np.nan], 1), r"weights\[1\] is nan"),
        (lambda: WeightedRandomSampler([1, 2], 0), "num_samples=0"),
        (lambda: RandomSampler(num_samples=0), "num_samples=0; give 1 or more"),
        (lambda: WeightedRandomSampler([0, 0], 1), "of 0 samples with a weight"),
        (lambda: WeightedRandomSampler([1, 0], 2, False), "of 1 samples.*replacement"),
        (lambda: WeightedRandomSampler("ab", 2), "no list of numbers"),
        (lambda: WeightedRandomSampler([[1], [2]], 2), "1-d"),
        (
            lambda: WeightedRandomSampler([1, 2], 2).order(3),
            "2 weights .* of 3 samples",
        ),
        (lambda: StratifiedSampler([1, 2], 0), "batch_size=0"),
        (lambda: StratifiedSampler([1, 2], 1).order(3), "2 labels .* of 3 samples"),
        (lambda: SubsetRandomSampler([0.5]), "whole numbers"),
        (lambda: SubsetRandomSampler(3), "no list"),
        (lambda: list(DataLoader([1], sampler=SubsetRandomSampler([1]))), "index 1"),
        (lambda: list(DataLoader([1], sampler=SubsetRandomSampler([-1]))), "index -1"),
        (lambda: BlockShuffleSampler(0), "window=0"),
        (lambda: BlockShuffleSampler(1, -1), "block=-1"),
        (lambda: BlockShuffleSampler(1, 0), "block=0"),
        (lambda: DistributedSampler(2, 2), "rank=2 of num_replicas=2"),
        (lambda: DistributedSampler(0, 0), "num_replicas=0"),
        (lambda: BucketBatchSampler([1], 0), "batch_size=0"),
        (lambda: BucketBatchSampler([1], 1, window=0), "window=0"),
        (lambda: BucketBatchSampler([np.nan], 1), r"lengths\[0\]"),
        (lambda: BucketBatchSampler([1], 1).batches(2), "1 lengths .* of 2"),
        (lambda: DataLoader([1], sampler=BucketBatchSampler([1], 1)), "batch_sampler="),
        (lambda: DataLoader([1], batch_sampler=RandomSampler()), "sampler="),
    ],
)
def test_nonsense_is_refused(make, said: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError), match=said):
        make()


MEMORY = """
import time
from ptutils.data import DataLoader, DistributedSampler
from ptutils.data import RandomSampler, SequentialSampler

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

list(DataLoader([1, 2]))
seen = []
for sampler in (None, SequentialSampler(), DistributedSampler(4, 1, shuffle=False),
                RandomSampler(), DistributedSampler(4, 1, seed=5)):
    shuffles = type(sampler) is RandomSampler or (
        type(sampler) is DistributedSampler and sampler.to_config()["shuffle"])
    for workers in (0, 2):
        before, begin = resident(), time.perf_counter()
        loader = DataLoader(range(10**9), 64, sampler=sampler, num_workers=workers)
        first = next(iter(loader)).tolist()
        assert time.perf_counter() - begin < 0.1, time.perf_counter() - begin
        step = first[1] - first[0]
        begin = time.perf_counter()
        loader.set_position(0, 10**9 // 8 // 64)
        there = next(iter(loader)).tolist()
        if shuffles:
            seen += first + there
        else:
            assert there[0] == first[0] + 10**9 // 8 // 64 * 64 * step
        assert time.perf_counter() - begin < 0.1, time.perf_counter() - begin
        assert resident() - before < 50, resident() - before
        loader.close()
# 0 and 2 workers give the same, else an index comes once; and from everywhere
# (the shares of two samplers may have one in common by chance).
assert 250 <= len(set(seen)) <= 256 and 4e8 < sum(seen) / len(seen) < 6e8
"""


def test_a_billion_samples_in_order_take_no_memory() -> None:
    subprocess.run([sys.executable, "-c", MEMORY], check=True, timeout=60)


@pytest.mark.parametrize("n", [2**20 + 1, 3 * 2**20 // 2, 2**21, 2**21 + 7])
def test_a_computed_shuffle_has_every_sample_once(n: int) -> None:
    order = RandomSampler().order(n, 3, 1)
    assert np.array_equal(np.sort(order), np.arange(n))
    assert not np.array_equal(order, RandomSampler().order(n, 3, 2))
    assert np.array_equal(RandomSampler(num_samples=100).order(n, 3, 1), order[:100])
    shares = [DistributedSampler(2, rank, seed=3).order(n, 9, 1) for rank in (0, 1)]
    np.testing.assert_array_equal(shares[0][:50], order[:100:2])
    np.testing.assert_array_equal(shares[1][:50], order[1:100:2])
    # As of a uniform shuffle: no place keeps its sample's neighbourhood, and
    # neighbours' distances are those of any two.
    assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 5 / np.sqrt(n)
    steps = np.abs(np.diff(order)) / n
    assert abs(steps.mean() - 1 / 3) < 0.002
    counts = np.histogram(order[: n // 2], bins=64, range=(0, n))[0]
    assert np.abs(counts - n / 128).max() < 6 * np.sqrt(n / 256)


def test_weights_of_any_size_are_kept_to() -> None:
    for weights in ([1e308] * 4, [5e-324] * 4, [1e-300] * 4):
        for replacement in (True, False):
            sampler = WeightedRandomSampler(weights, 1, replacement)
            drawn = Counter(int(sampler.order(4, seed)[0]) for seed in range(400))
            assert set(drawn) == {0, 1, 2, 3} and min(drawn.values()) > 60
    rare = Counter(WeightedRandomSampler([1, 1, 1.7e308], 100).order(3).tolist())
    assert rare == {2: 100}


def test_random_sampler_keeps_the_order_that_saved_sessions_have() -> None:
    assert RandomSampler().order(10, 1, 2).tolist() == [4, 1, 8, 7, 6, 0, 9, 2, 5, 3]
    assert RandomSampler(True, 5).order(10, 1, 2).tolist() == [6, 5, 7, 1, 8]
    several = RandomSampler(False, 13).order(5, 1, 2).tolist()
    assert several == [3, 4, 0, 2, 1, 0, 3, 1, 4, 2, 0, 3, 4]


@pytest.mark.parametrize("wrong", [1.5, "a", None, np.float64(1), [1]])
def test_what_is_no_index_is_named_wherever_it_stands(wrong: object) -> None:
    data = ArrayDataset(np.arange(4))
    with pytest.raises(TypeError, match="sampler list gives .* at place 2, not"):
        list(DataLoader(data, sampler=[0, np.int32(1), wrong]))
    with pytest.raises(TypeError, match="batch 1 has .* in it, not an index"):
        list(DataLoader(data, batch_sampler=[[0], [1, wrong]]))
    with pytest.raises(IndexError, match=r"gives index 4 at place 1; .* 4 samples"):
        list(DataLoader(data, sampler=[0, 4]))


class Lying:
    def __len__(self) -> int:
        return 100

    def __iter__(self):
        return iter(range(5))


def test_what_makes_no_sense_together_is_told(caplog: pytest.LogCaptureFixture) -> None:
    data = ArrayDataset(np.arange(5))
    list(DataLoader(data, 2, sampler=Lying()))
    assert "Lying gives 5 samples in epoch 0, and its length says 100" in caplog.text
    caplog.clear()
    DataLoader(data, 4, sampler=StratifiedSampler([0, 1, 0, 1, 0], 2))
    assert "batches of 4, and a StratifiedSampler for batches of 2" in caplog.text
    for make, said in (
        (lambda: StratifiedSampler([None] * 4, 2), "NoneType.*; give one list"),
        (lambda: WeightedRandomSampler(["a"], 1), "'a'.*; give one list of numbers"),
        (lambda: RandomSampler(data), "replacement is a bool.*take no data set"),
        (lambda: data[np.array([1, 2])], r"not a numpy.ndarray.*Subset\(data"),
        (lambda: list(DataLoader(data, sampler=[2**64])), "gives 184.* at place 0"),
        (lambda: list(DataLoader(data, batch_sampler=[[2**63]])), "has 922.* in it"),
        (lambda: list(DataLoader(data, sampler=[9])), "the sampler, a list] gives"),
    ):
        with pytest.raises((TypeError, IndexError), match=said):
            make()


def test_samplers_show_their_arguments() -> None:
    assert repr(RandomSampler(True, 3)).startswith("RandomSampler(replacement=true")
    long = repr(WeightedRandomSampler(np.ones(1000), 3))
    assert "num_samples=3" in long and len(long) < 150


DRAWS = """
import numpy as np
from ptutils.data import DataLoader
class Drawing:
    def __iter__(self):
        return iter(np.random.permutation(20).tolist())
    def __len__(self):
        return 20
loader = DataLoader(range(20), 4, sampler=Drawing())
begun = next(iter(loader)).tolist()
again = DataLoader(range(20), 4, sampler=Drawing())
again.load_state_dict(loader.state_dict())
rest = [int(i) for batch in again for i in batch]
assert sorted(begun + rest) == list(range(20)), (begun, rest)
"""


def test_numpys_draws_resume_though_it_is_imported_late() -> None:
    subprocess.run([sys.executable, "-c", DRAWS], check=True, timeout=60)


def test_an_order_that_no_memory_holds_is_told_at_once() -> None:
    with pytest.raises(MemoryError, match="BlockShuffleSampler.*RandomSampler"):
        BlockShuffleSampler(block=100).order(2**62, 0, 0)
