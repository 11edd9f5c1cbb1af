"""Data sets over files: readers beside the formats' own libraries, shards, sources
in memory, and what they are to torch's loader, to pickles and to configurations."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import weakref
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hdf5_layouts import IMAGES, LABELS, N, batches
from hdf5_layouts import h5 as h5  # a fixture
from pictures import folder
from PIL import Image

import ptutils as pt
from ptutils.data import (
    ArrayDataset,
    ArrayReader,
    DataLoader,
    DataReader,
    Dataset,
    HDF5Reader,
    ImageFolder,
    ImageFolderReader,
    JSONLinesReader,
    LMDBReader,
    TFRecordReader,
)
from ptutils.data import transforms as T


def test_one_field_is_a_value_a_list_a_tuple_none_a_dict(h5: Path) -> None:
    assert Dataset(h5, HDF5Reader("labels"))[4] == 12 % 10
    assert Dataset(h5, HDF5Reader(["names"]))[4] == ("sample 4",)
    everything = Dataset(h5, HDF5Reader(["types/f4False", "names"]))
    assert everything[4][1] == "sample 4"
    whole = Dataset(h5, HDF5Reader(group="types"))
    assert set(whole[0]) == set(whole.field_names) and len(whole.field_names) == 7
    assert batches(Dataset(h5, HDF5Reader("names")))[0][3] == "sample 3"


def test_names_that_are_not_there_name_those_that_are(h5: Path, tmp_path: Path) -> None:
    for fields, group, message in (
        (["imags"], "", "no data set 'imags'; it has: contiguous, "),
        (["many/x"], "", "'many' is a data set, not a group"),
        (["x"], "types", "'types' has: "),
        (["types"], "", "'types': is a group"),
        (["number"], "", "no dimension to count samples along"),
        (["never"], "", "no dimension to count samples along"),
    ):
        with pytest.raises(pt.errors.Error, match=message):
            Dataset(h5, HDF5Reader(fields, group=group))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["a"], file["b"] = np.zeros(3), np.zeros(5)
    with pytest.raises(pt.errors.WrongValue, match="'b' has 5 rows, 'a' 3"):
        Dataset(tmp_path / "b.h5")


def test_shards_and_patterns_are_one_data_set(tmp_path: Path) -> None:
    for i, (a, b) in enumerate([(0, 40), (40, 41), (41, 41), (41, N)]):
        pt.save(tmp_path / f"part-{i}.npz", {"x": IMAGES[a:b], "y": LABELS[a:b]})
    reader = ArrayReader(["x", "y"])
    one = Dataset(tmp_path / "part-*.npz", reader)
    many = Dataset([tmp_path / f"part-{i}.npz" for i in range(4)], reader)
    mixed = Dataset([tmp_path / "part-0.npz", str(tmp_path / "part-[123].npz")], reader)
    for data in (one, many, mixed):
        assert len(data) == N
        x, y = (np.concatenate(c) for c in zip(*batches(data), strict=True))
        np.testing.assert_array_equal(x, IMAGES)
        np.testing.assert_array_equal(y, LABELS)
        np.testing.assert_array_equal(data[40][0], IMAGES[40])
    pt.save(tmp_path / "part-4.npz", {"x": IMAGES[:2], "y": LABELS[:2] * 0.5})
    with pytest.raises(
        ValueError, match=r"part-4.npz: 'y' is f64, in the first .* i64"
    ):
        Dataset(tmp_path / "part-*.npz", reader)
    cast = Dataset(tmp_path / "part-*.npz", reader, {"y": [T.Cast("float32")]})
    assert len(cast) == N + 2 and cast[N][1] == LABELS[0] * 0.5
    with pytest.raises(pt.errors.IOFailed, match="no file matches"):
        Dataset(tmp_path / "none-*.npz")
    with pytest.raises(pt.errors.IOFailed, match="no such file"):
        Dataset(tmp_path / "none.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".h5", ".lmdb", ".csv"])
def test_the_reader_is_found_by_the_files_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    y = LABELS.astype(np.float64) if suffix == ".csv" else LABELS
    pt.save(path, {"y": y, "z": y + 1})
    data = Dataset(path)
    assert len(data) == N
    assert data[5] == {"y": y[5], "z": y[5] + 1}
    np.testing.assert_array_equal(
        np.concatenate([b["z"] for b in batches(data)]), y + 1
    )
    with pytest.raises(pt.errors.UnknownName, match="no (array|data set) 'w'"):
        Dataset(path, HDF5Reader("w") if suffix == ".h5" else ArrayReader("w"))


def test_a_single_array_gives_its_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    data = Dataset(tmp_path / "a.npy", preprocessor=[T.ToCHW()])
    assert data[7].shape == (3, 12, 10)
    np.testing.assert_array_equal(batches(data)[1][0], IMAGES[16].transpose(2, 0, 1))


class Lines(DataReader):
    def read(self, source: str) -> Any:
        return Path(source).read_text().splitlines()


class Columns(DataReader):
    def __init__(self, times: int) -> None:
        self.times = times

    def read(self, source: str) -> Any:
        return {"a": np.loadtxt(source) * self.times}


def test_readers_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1\n2\n3\n")
    data = Dataset(tmp_path / "a.txt", Lines(), preprocessor=[float])
    assert [data[i] for i in range(3)] == [1.0, 2.0, 3.0]
    for workers in (0, 1, 2):
        (batch,) = DataLoader(data, batch_size=3, num_workers=workers)
        assert batch.tolist() == [1.0, 2.0, 3.0]
    columns = Dataset([tmp_path / "a.txt"] * 2, Columns(3))
    assert len(columns) == 6 and columns[4] == {"a": 6.0}
    assert pickle.loads(pickle.dumps(columns))[4] == {"a": 6.0}

    class Nothing(DataReader):
        def read(self, source: str) -> Any:
            return None

    class Missing(DataReader):
        pass

    with pytest.raises(pt.errors.WrongType, match="is no data set"):
        Dataset(tmp_path / "a.txt", Nothing())
    with pytest.raises(NotImplementedError, match=r"defines no read\(self, source\)"):
        Dataset(tmp_path / "a.txt", Missing())
    with pytest.raises(pt.errors.WrongType, match="a class: call it"):
        Dataset(tmp_path / "a.txt", Lines)  # type: ignore[arg-type]


def test_sources_in_memory_are_mapped() -> None:
    arrays = Dataset(
        (IMAGES, LABELS), preprocessor={"0": [T.ToCHW()], "1": [T.OneHot(10)]}
    )
    image, label = arrays[3]
    assert image.shape == (3, 12, 10) and label.tolist() == np.eye(10)[9].tolist()
    again = Dataset(arrays, preprocessor=[T.ToFloat(1 / 255)])
    np.testing.assert_allclose(
        batches(again)[0][0], IMAGES[:16].transpose(0, 3, 1, 2) / 255, atol=1e-6
    )
    both = Dataset([ArrayDataset(LABELS), ArrayDataset(LABELS + 100)])
    assert len(both) == 2 * N and both[N + 4] == (LABELS[4] + 100,)
    ours = Dataset(range(5), preprocessor=[lambda i: i * i])
    assert [ours[i] for i in range(-2, 2)] == [9, 16, 0, 1]


class Own(Dataset):
    """Its own samples out of a file's."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__(data_source=path, data_reader=HDF5Reader(["many", "labels"]))
        self.times = times

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image[:2].astype(np.float32) * self.times, label


def test_a_subclass_changes_the_samples_of_its_files(h5: Path) -> None:
    data = Own(h5, 2)
    for copied in (data, pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert len(copied) == N
        images, labels = batches(copied, num_workers=1)[1]
        np.testing.assert_array_equal(images, IMAGES[16:32, :2] * np.float32(2))
        np.testing.assert_array_equal(labels, LABELS[16:32])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_torchs_loader_gives_equal_samples(
    h5: Path, tmp_path: Path, workers: int, context: str
) -> None:
    data = pytest.importorskip("torch.utils.data")
    if workers == 0 and context == "spawn":
        pytest.skip("no process is made")
    root = folder(tmp_path / "photos", {"a": [(40, 50)] * 3, "b": [(50, 40)] * 4})
    for ours in (
        Dataset(h5, HDF5Reader(["many", "labels"]), {"many": [T.ToCHW(), T.ToFloat()]}),
        Own(h5, 3),
        ImageFolder(root, preprocessor=[T.Resize(20), T.CenterCrop(16), T.ToFloat()]),
    ):
        theirs = data.DataLoader(
            ours,
            batch_size=16,
            num_workers=workers,
            multiprocessing_context=context if workers else None,
        )
        for a, b in zip(theirs, batches(ours, num_workers=workers), strict=True):
            np.testing.assert_array_equal(a[0].numpy(), b[0])
            np.testing.assert_array_equal(a[1].numpy(), b[1])


def test_data_sets_of_files_come_back_from_configurations(
    h5: Path, tmp_path: Path
) -> None:
    root = folder(tmp_path / "photos", {"a": [(40, 50)], "b": [(50, 40)]})
    for data in (
        Dataset(
            [h5, h5],
            HDF5Reader(["many", "labels"], cache_bytes=10**6),
            {"many": [T.ToCHW(), T.RandomCrop(8)], "labels": [T.OneHot(10)]},
        ),
        Dataset(h5, HDF5Reader(group="types")),
        ImageFolder(root, preprocessor=[T.Resize((8, 9))], dct_scaling=True),
    ):
        config = data.to_config()
        again = pt.Config(config).configure()
        assert type(again) is type(data) and again.to_config() == config
        assert len(again) == len(data)
    with pytest.raises(pt.errors.Error, match="did you mean"):
        pt.Config({"func": "Dataset", "data_sorce": "x"}).configure()
    unsaid = Dataset(h5, HDF5Reader("many"), preprocessor=[lambda x: x])
    with pytest.raises(pt.errors.WrongState, match="code"):
        unsaid.to_config()


@pytest.mark.parametrize(
    "reader",
    [
        HDF5Reader(["a", "b"], group="g", cache_bytes=5),
        ArrayReader("x"),
        TFRecordReader({"image": ["uint8", [2, 3]], "y": "int64"}, fields=["y"]),
        LMDBReader(decode="text", keys=True),
        JSONLinesReader(["a"]),
        ImageFolderReader(dct_scaling=True),
    ],
)
def test_readers_come_back_from_configurations_and_pickles(reader: Any) -> None:
    config = reader.to_config()
    again = pt.Config(config).configure()
    assert type(again) is type(reader) and again.to_config() == config
    assert pickle.loads(pickle.dumps(reader)).to_config() == config


def test_a_run_from_a_file_trains_on_pictures(tmp_path: Path) -> None:
    folder(tmp_path / "photos", {"a": [(30, 40)] * 6, "b": [(40, 30)] * 6})
    config = {
        "exp_id": "photos",
        "model": {
            "net": {
                "func": "Sequential",
                "layers": [
                    {"func": "Flatten"},
                    {"func": "Linear", "in_features": 192, "out_features": 2},
                ],
            },
            "criterion": {"func": "CrossEntropyLoss"},
            "optimizer": {"func": "SGD", "lr": 0.1},
        },
        "dataprovider": {
            "datasets": {
                "train": {
                    "func": "ImageFolder",
                    "root": str(tmp_path / "photos"),
                    "preprocessor": [
                        {"func": "RandomResizedCrop", "size": 8},
                        {"func": "ToFloat", "scale": 1 / 255},
                    ],
                }
            },
            "batch_size": 4,
        },
        "dbinterface": str(tmp_path / "runs.db"),
        "train_params": {"num_epochs": 2},
    }
    pt.save(tmp_path / "photos.yaml", config)
    session = pt.Session.from_file(tmp_path / "photos.yaml")
    session.run()
    assert session.status.outcome == "success"
    assert len(session.history.to_pandas("train/loss")) == 6


def test_a_cycle_through_a_preprocessor_is_collected() -> None:
    class Augmented(Dataset):
        def __init__(self) -> None:
            super().__init__(data_source=(LABELS,), preprocessor=[self.change])

        def change(self, value: Any) -> Any:
            return value + 1

    data = Augmented()
    assert data[2] == (LABELS[2] + 1,)
    seen = weakref.ref(data)
    loader = DataLoader(data, batch_size=4, num_workers=1)
    next(iter(loader))
    loader.close()
    del data, loader
    for _ in range(3):
        gc.collect()
    assert seen() is None


def test_what_does_not_fit_says_so(h5: Path, tmp_path: Path) -> None:
    with pytest.raises(pt.errors.UnknownName, match="did you mean labels"):
        Dataset(h5, HDF5Reader(["labels"]), preprocessor={"lables": [T.OneHot(3)]})
    with pytest.raises(pt.errors.WrongType, match="without data_source"):
        Dataset(preprocessor=[T.ToFloat()])
    with pytest.raises(pt.errors.WrongType, match="did you mean preprocessor"):
        Dataset(h5, preproces=[T.ToFloat()])  # type: ignore[call-arg]
    with pytest.raises(pt.errors.WrongType, match="reads files"):
        Dataset((LABELS,), HDF5Reader("x"))
    with pytest.raises(NotImplementedError, match="no data_source"):
        len(Dataset())
    root = folder(tmp_path / "photos", {"a": [(40, 50)], "b": [(50, 40)]})
    with pytest.raises(pt.errors.WrongValue, match="make samples alike"):
        batches(ImageFolder(root))
    (tmp_path / "empty").mkdir()
    with pytest.raises(pt.errors.WrongValue, match="holds no folders"):
        ImageFolder(tmp_path / "empty")
    (tmp_path / "empty" / "a").mkdir()
    with pytest.raises(pt.errors.WrongValue, match="without pictures"):
        ImageFolder(tmp_path / "empty")
    with pytest.raises(pt.errors.IOFailed, match="No such file"):
        ImageFolder(tmp_path / "none")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(h5.read_bytes()[:3000])
    with pytest.raises(pt.errors.Malformed):
        Dataset(cut, HDF5Reader("many"))


def test_random_transforms_differ_in_torchs_epochs_and_workers() -> None:
    torch = pytest.importorskip("torch")
    x = np.arange(4 * 400, dtype=np.uint8).reshape(4, 1, 20, 20)
    data = Dataset((x,), preprocessor=[T.RandomCrop(3)])
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2)
    torch.manual_seed(0)
    epochs = [next(iter(loader))[0] for _ in range(3)]
    assert not torch.equal(epochs[0], epochs[1])
    torch.manual_seed(0)
    assert torch.equal(epochs[0], next(iter(loader))[0])


def test_members_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, y=np.arange(4), names=np.array(["a", "b", "c", "d"]))
    assert Dataset(path, ArrayReader("y"))[1] == 1
    with pytest.raises(ValueError, match="names"):
        Dataset(path, ArrayReader(["y", "names"]))


class Loaded(DataReader):
    def read(self, source: str) -> np.ndarray:
        return np.load(source)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff.npy"
    with open(path, "wb") as file:
        np.save(file, np.arange(3))
    for name in (path, os.fsdecode(path)):
        data = Dataset(name)
        assert pickle.loads(pickle.dumps(data))[2] == 2
        assert "xff" in repr(data)
        assert Dataset(name, Loaded())[1] == 1
    folder = os.fsencode(tmp_path) + b"/photos/c\xff"
    os.makedirs(folder)
    with open(folder + b"/1.png", "wb") as file:
        Image.new("RGB", (8, 8)).save(file, "PNG")
    photos = ImageFolder(tmp_path / "photos")
    assert [os.fsencode(name) for name in photos.classes] == [b"c\xff"]
    assert os.fsencode(photos.samples[0][0]) == folder + b"/1.png"
    assert photos.class_to_idx == {photos.classes[0]: 0}
    with pytest.raises(OSError, match="no such file"):
        Dataset(path + b"2")
