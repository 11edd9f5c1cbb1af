"""Data sets made of others: parts, pairs, kept samples."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    BlockShuffleSampler,
    CachedDataset,
    DataLoader,
    Dataset,
    HDF5Reader,
    ImageFolder,
    IterableDataset,
    MapDataset,
    PadCollate,
    Subset,
    ZipDataset,
    random_split,
)
from ptutils.data import transforms as T

X = np.arange(60).reshape(20, 3)
Y = np.arange(20) * 10


class Counted(Dataset):
    def __init__(self, n: int = 20) -> None:
        self.n = n
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self.n:
            raise IndexError(index)
        self.asked.append(index)
        return np.full(2, index), str(index)


def test_a_subset_has_its_samples_in_its_order() -> None:
    part = Subset(ArrayDataset(X, Y), [5, -1, 5, 0])
    assert len(part) == 4
    x, y = next(iter(DataLoader(part, batch_size=4, num_workers=1)))
    np.testing.assert_array_equal(x, X[[5, 19, 5, 0]])
    np.testing.assert_array_equal(y, Y[[5, 19, 5, 0]])
    assert part[-1][1] == 0 and [s[1] for s in part[1:3]] == [190, 50]
    nested = Subset(part, np.array([3, 0], np.uint8))
    assert [int(y) for _, y in nested] == [0, 50]
    assert len(Subset(X, [])) == 0
    with pytest.raises(pt.errors.OutOfBounds, match="20"):
        Subset(ArrayDataset(X), [20])
    with pytest.raises(pt.errors.WrongType, match="whole numbers"):
        Subset(ArrayDataset(X), [0.5])
    with pytest.raises(pt.errors.OutOfBounds):
        part[4]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([0.8, 0.2], [16, 4]),
        ([7, 13], [7, 13]),
        ([0.33, 0.33, 0.34], [7, 7, 6]),
        ([20], [20]),
        ([0.5], [10]),
    ],
)
def test_parts_of_a_split_are_disjoint(lengths: Any, expected: list[int]) -> None:
    parts = random_split(ArrayDataset(Y), lengths, seed=3)
    assert [len(part) for part in parts] == expected
    seen = [int(sample[0]) for part in parts for sample in part]
    assert len(set(seen)) == len(seen)
    again = random_split(ArrayDataset(Y), lengths, seed=3)
    assert all(
        np.array_equal(a.indices, b.indices) for a, b in zip(parts, again, strict=True)
    )
    other = random_split(ArrayDataset(Y), lengths, seed=4)
    assert not np.array_equal(parts[0].indices, other[0].indices)


def test_shares_that_make_no_sense() -> None:
    for lengths in ([0.8, 0.4], [21], [-1, 2], [1.5, 2.5]):
        with pytest.raises(pt.errors.WrongValue):
            random_split(ArrayDataset(Y), lengths)


def test_zipped_data_sets_give_pairs() -> None:
    both = ZipDataset(
        ArrayDataset(X), Dataset({"y": Y}, preprocessor={"y": [T.ToFloat(2)]})
    )
    (x,), y = both[3]
    assert x.tolist() == [9, 10, 11] and y["y"] == 60.0
    for workers in (0, 2):
        loader = DataLoader(both, batch_size=8, num_workers=workers, shuffle=True)
        order = loader._order()
        at = 0
        for (x,), y in loader:
            here = order[at : at + len(x)]
            np.testing.assert_array_equal(x, X[here])
            np.testing.assert_array_equal(y["y"], Y[here] * 2.0)
            at += len(x)
    with pytest.raises(
        pt.errors.WrongValue, match="data set 1 has 3 samples, the first 20"
    ):
        ZipDataset(ArrayDataset(X), range(3))


def test_kept_samples_are_made_once_and_cannot_be_spoilt() -> None:
    source = Counted()
    kept = CachedDataset(source)
    for _ in range(3):
        for x, texts in DataLoader(kept, batch_size=6, num_workers=1):
            assert [str(int(v[0])) for v in x] == texts
            x[:] = -1
    assert sorted(source.asked) == list(range(20))
    sample = kept[4]
    sample[0][:] = 99
    assert kept[4][0].tolist() == [4, 4]
    assert kept.cached_bytes > 20 * 16

    small = CachedDataset(Counted(), max_bytes=500)
    for _ in range(2):
        assert [str(s[0][0]) for s in small] == [s[1] for s in small]
    assert 0 < small.cached_bytes <= 500
    with pytest.raises(ValueError, match="max_bytes=0 keeps nothing"):
        CachedDataset(Counted(), max_bytes=0)
    changed = [lambda v: np.negative(v, out=v)]
    spoilt = Dataset(CachedDataset(Counted()), preprocessor=changed)
    for _ in range(3):
        assert spoilt[2][0].tolist() == [-2, -2]


def test_they_are_pickled_and_copied() -> None:
    for data in (
        Subset(ArrayDataset(X, Y), [3, 1]),
        ZipDataset(ArrayDataset(X), ArrayDataset(Y)),
        CachedDataset(ArrayDataset(X, Y), max_bytes=100),
        ArrayDataset(Y) + [3, 4],
    ):
        for again in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
            assert type(again) is type(data) and len(again) == len(data)
            assert repr(again[1]) == repr(data[1])


def test_a_sum_is_one_after_the_other_and_torchs_too() -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    both = ArrayDataset(Y) + Counted(3)
    assert len(both) == 23 and both[22][1] == "2" and both[5] == (50,)
    three = ArrayDataset(Y) + ArrayDataset(Y) + ArrayDataset(Y)
    assert len(three) == 60 and three[-1] == (190,)
    loader = torch_data.DataLoader(three, batch_size=30)
    assert [len(batch[0]) for batch in loader] == [30, 30]


def test_data_sets_made_of_others_come_back_from_configurations(
    tmp_path: Path,
) -> None:
    for name, array in {"x": X, "y": Y}.items():
        np.save(tmp_path / f"{name}.npy", array)
    x, y = (Dataset(tmp_path / f"{name}.npy") for name in "xy")
    for data in (
        Subset(x, [3, -1]),
        ZipDataset(x, y),
        CachedDataset(x),
        MapDataset(x, T.Cast("float32")),
        MapDataset(x, [T.Cast("float32"), T.Branch({"a": [], "b": []})]),
        CachedDataset(Subset(ZipDataset(datasets=[x, y]), range(7)), max_bytes=999),
    ):
        path = tmp_path / "config.yaml"
        pt.save(path, data.to_config())
        again = pt.Config(pt.read(path)).configure()
        assert type(again) is type(data)
        assert repr(again.to_config()) == repr(data.to_config())
        assert repr(list(again)) == repr(list(data))
    written = {"func": "Subset", "dataset": x.to_config(), "indices": [4, 0]}
    rows = [row.tolist() for row in pt.Config(written).configure()]
    assert rows == X[[4, 0]].tolist()
    for wrong in (
        {"func": "Subset", "dataset": x.to_config(), "indices": [0.5]},
        {"func": "Subset", "dataset": x.to_config(), "indices": 3},
        {"func": "Subset", "indices": [3]},
        {"func": "ZipDataset", "datasets": []},
        {"func": "CachedDataset", "dataset": x.to_config(), "max_bytes": -1},
    ):
        with pytest.raises(pt.errors.Error, match="indices|data ?set|max_bytes"):
            pt.Config(wrong).configure()
    with pytest.raises(pt.errors.WrongType, match="not both"):
        ZipDataset(x, datasets=[y])


def test_counts_of_a_split_are_all_of_it() -> None:
    for shares in ([10, 10], [30, 30], [1.5, 2]):
        with pytest.raises(ValueError, match="numbers of samples that sum to 50"):
            random_split(range(50), shares)
    assert [len(p) for p in random_split(range(50), [20, 30])] == [20, 30]


def total(sample: Any) -> dict[str, Any]:
    return {"sum": sample[0].sum() + len(sample[1]), "text": sample[1]}


def noisy(sample: Any, random: Any) -> Any:
    return {**sample, "noise": random.random()}


def test_a_function_of_the_whole_sample() -> None:
    data = MapDataset(Counted(), [total, noisy])
    assert data[4]["sum"] == 9 and data[4]["text"] == "4" and len(data) == 20
    runs = []
    for options in (
        {"num_workers": 0},
        {"num_workers": 2},
        {"num_workers": 2, "workers": "process"},
    ):
        loader = DataLoader(data, 6, shuffle=True, seed=2, **options)
        runs.append(repr([{**batch} for batch in loader]))
    assert runs[0] == runs[1] == runs[2]
    for again in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert again[4]["sum"] == 9
    with pytest.raises(TypeError, match="a transform is a function"):
        MapDataset(Counted(), 3)

    def failing(sample: Any) -> Any:
        raise RuntimeError("not this one")

    with pytest.raises(RuntimeError, match="not this one"):
        MapDataset(Counted(), failing)[0]


def test_samples_of_different_lengths_are_filled_up() -> None:
    samples = [
        {
            "x": np.arange(n, dtype=np.int16),
            "m": np.ones((n, 3 - n)),
            "n": n,
            "t": "a" * n,
        }
        for n in (2, 0, 1)
    ]
    for options in ({}, {"num_workers": 1, "workers": "process"}):
        loader = DataLoader(samples, 3, collate_fn=PadCollate(-1), **options)
        (batch,) = loader
        assert batch["x"].tolist() == [[0, 1], [-1, -1], [0, -1]]
        assert batch["x"].dtype == np.int16 and batch["m"].shape == (3, 2, 3)
        assert batch["n"].tolist() == [2, 0, 1] and batch["t"] == ["aa", "", "a"]
    torch = pytest.importorskip("torch")
    pairs = [(torch.ones(n), n) for n in (1, 3)]
    (batch,) = DataLoader(pairs, 2, collate_fn=PadCollate(), output="torch")
    assert batch[0].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert PadCollate()([[1, 2], [3]]).tolist() == [[1, 2], [3, 0]]
    assert PadCollate()([1, 2.5]).tolist() == [1, 2.5]
    assert PadCollate(float("nan"))([np.ones(2), np.ones(1)])[1, 1] != 1
    assert PadCollate(0.5)([1, 2]).tolist() == [1, 2]  # nothing to fill
    u1 = [np.ones(2, np.uint8), np.ones(1, np.uint8)]
    for value, samples, said in (
        (0, [np.ones(2), np.ones((2, 2))], "sample 1 of the batch is 2-d float64"),
        (
            0,
            [{"x": np.ones(2)}, {"x": np.ones(2, "f4")}],
            "'x': sample 1 .* 1-d float32",
        ),
        (0, [{"a": 1}, {"a": 1, "b": 2}], "sample 1 of the batch has the fields a, b"),
        (
            0,
            [{"a": 1}, {"b": 1}],
            "sample 1 of the batch has the fields b, .* one .* a",
        ),
        (0, [(1, 2), (1,)], "sample 1 of the batch has a tuple of 1"),
        (-1, u1, "value=-1 is none of 1-d uint8"),
        (300, u1, "value=300 is none of"),
        (0.5, [np.arange(2), np.arange(1)], "value=0.5 is none of 1-d int64"),
        (float("nan"), [np.arange(2), np.arange(1)], "value=nan is none of"),
        (0, [object()], "a object cannot be stacked"),
        (0, [np.array(["a"]), np.array(["b", "c"])], "a ndarray cannot be stacked"),
        (0, [], "no samples were given"),
    ):
        with (
            pytest.raises((ValueError, TypeError), match=said),
            np.errstate(invalid="ignore"),
        ):
            PadCollate(value)(samples)
    with pytest.raises(TypeError, match="value is a number, not 'x'"):
        PadCollate("x")


def drawn(sample: Any, random: np.random.Generator) -> float:
    return random.random()


def test_a_kept_sample_depends_on_its_index_alone() -> None:
    """Not on the epoch, the order or the worker that asked first."""

    def loader(**options: Any) -> DataLoader:
        data = CachedDataset(MapDataset(ArrayDataset(Y), drawn))
        return DataLoader(data, 5, shuffle=True, **options)

    def epochs(it: DataLoader) -> list[list[float]]:
        return [np.concatenate(list(it)).tolist() for _ in range(2)]

    first = epochs(loader(num_workers=0))
    assert sorted(first[0]) == sorted(first[1])
    assert len(set(first[0])) == 20
    assert epochs(loader(num_workers=2)) == first
    assert epochs(loader(num_workers=2, workers="process")) == first


def test_the_blocks_of_a_subset_are_those_of_its_indices(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(40), chunks=(8,))
    data = Dataset(tmp_path / "a.h5", HDF5Reader("x"))
    some = Subset(data, [0, 3, 7, 8, 30, 31, 32])
    assert some._blocks == [0, 3, 4, 6]
    order = DataLoader(some, 7, sampler=BlockShuffleSampler(window=1))
    (batch,) = order
    assert sorted(batch.tolist()) == [0, 3, 7, 8, 30, 31, 32]
    assert Subset(data, [8, 3])._blocks == []
    with pytest.raises(ValueError, match="sorted\\(part.indices\\)"):
        next(iter(DataLoader(Subset(data, [8, 3]), sampler=BlockShuffleSampler())))
    mixed = Dataset([ArrayDataset(np.arange(3)), data])
    assert mixed._blocks == []  # of the first, none are known


def test_samples_without_an_index_are_refused_at_once() -> None:
    source = IterableDataset(ArrayDataset(Y))
    for wrap in (
        lambda: MapDataset(source, abs),
        lambda: CachedDataset(source),
        lambda: ZipDataset(source, source),
        lambda: Subset(source, [0]),
    ):
        with pytest.raises(TypeError, match=r"IterableDataset\(data, preprocessor"):
            wrap()


class Huge(Dataset):
    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> int:
        return index


def test_more_than_64_bits_are_told() -> None:
    with pytest.raises(IndexError, match=r"beyond 2\^63"):
        Subset(range(10), [2**63])
    with pytest.raises(ValueError, match=r"more than 2\^63"):
        Huge() + Huge()


def test_labels_come_through_data_sets_made_of_others(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(3):
            path = tmp_path / "photos" / name / f"{i}.png"
            Image.new("RGB", (8, 8)).save(path)
    photos = ImageFolder(tmp_path / "photos")
    part, _ = random_split(photos, [4, 2])
    assert part.targets.tolist() == photos.targets[part.indices].tolist()
    for data in (part, Dataset(part, preprocessor=[T.Resize(4)]), CachedDataset(part)):
        assert data.classes == ["ant", "bee"]
        assert data.targets.tolist() == part.targets.tolist()
    both = photos + part
    assert both.targets.tolist() == [*photos.targets, *part.targets]
    again = Dataset(tmp_path / "photos")
    assert (
        again.classes == ["ant", "bee"] and again.targets.tolist() == [0] * 3 + [1] * 3
    )
    (tmp_path / "photos" / "cat").mkdir()
    assert not hasattr(photos + ImageFolder(tmp_path / "photos"), "classes")
    assert not hasattr(ArrayDataset(Y), "classes")
    assert not hasattr(Subset(ArrayDataset(Y), [1]), "targets")

    class Own(Dataset):
        def __init__(self) -> None:
            super().__init__()
            self.classes = ["mine"]

        def __len__(self) -> int:
            return 1

    assert Subset(Own(), [0]).classes == ["mine"]
