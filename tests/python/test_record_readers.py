"""TFRecord, LMDB and JSON lines as data sets."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from records import example, framed, picture, pixels_of, tfrecord_of, write_lmdb

import ptutils as pt
from ptutils.data import (
    DataLoader,
    Dataset,
    JSONLinesReader,
    LMDBReader,
    TFRecordReader,
)
from ptutils.data import transforms as T

SHAPE = (6, 5, 3)
SPECS = {"image": ("uint8", SHAPE), "label": "int64"}


def images(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *SHAPE), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PTUTILS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Nine images with labels, with a feature that nobody asks for."""
    data = images(9)
    path = tmp_path / "images.tfrecord"
    path.write_bytes(
        tfrecord_of(
            {"image": image.tobytes(), "label": i, "name": b"n%d" % i}
            for i, image in enumerate(data)
        )
    )
    return path, data


# TFRecord.


def test_examples_are_samples(pictures: tuple[Path, np.ndarray]) -> None:
    path, data = pictures
    dataset = Dataset(path, TFRecordReader(SPECS))
    assert len(dataset) == 9 and dataset.field_names == ["image", "label"]
    sample = dataset[7]
    assert sample["label"] == 7 and type(sample["label"]) is int
    np.testing.assert_array_equal(sample["image"], data[7])
    assert sample["image"].dtype == np.uint8
    for output, kind in (("numpy", np.ndarray), ("torch", torch.Tensor)):
        batch = next(iter(DataLoader(dataset, batch_size=9, output=output)))
        assert type(batch["image"]) is kind and type(batch["label"]) is kind
        np.testing.assert_array_equal(np.asarray(batch["image"]), data)
        assert np.asarray(batch["label"]).tolist() == list(range(9))


def test_fields_choose_and_order(pictures: tuple[Path, np.ndarray]) -> None:
    path, data = pictures
    pair = Dataset(path, TFRecordReader(SPECS, fields=["label", "image", "name"]))[3]
    assert type(pair) is tuple and pair[0] == 3 and pair[2] == b"n3"
    np.testing.assert_array_equal(pair[1], data[3])
    assert Dataset(path, TFRecordReader(fields="label"))[4] == 4
    with pytest.raises(KeyError, match=r"did you mean label.*it has: "):
        Dataset(path, TFRecordReader({"labels": "int64"}))


def test_features_come_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    row = {
        "i": -5, "ii": [1, -(2**63), 2**63 - 1], "f": 0.1, "ff": [0.5, 1.5],
        "b": b"\xff", "bb": [b"a", b""], "none": [],
    }  # fmt: skip
    path.write_bytes(tfrecord_of([row]))
    got = Dataset(path)[0]
    assert set(got) == set(row)
    assert got["i"] == -5 and got["b"] == b"\xff" and got["bb"] == [b"a", b""]
    assert type(got["f"]) is np.float32 and got["f"] == np.float32(0.1)
    assert got["ii"].dtype == np.int64 and got["ii"].tolist() == row["ii"]
    assert got["ff"].dtype == np.float32 and got["ff"].tolist() == row["ff"]
    assert got["none"].shape == (0,)


def test_each_format_of_a_feature(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    photo = picture(1)
    memory = np.arange(6, dtype="<f4")
    row = {
        "image": photo, "text": "é".encode(), "raw": memory.tobytes(),
        "many": [1, 0, 1, 1], "one": 7, "x": 2.5, "flags": b"\0\1",
    }  # fmt: skip
    path.write_bytes(tfrecord_of([row]))
    specs = {
        "image": "image", "text": "text", "raw": ("float32", (2, -1)),
        "many": ("uint8", (2, 2)), "one": ("int64", (1,)), "x": "float64",
        "flags": ("bool", (2,)),
    }  # fmt: skip
    got = Dataset(path, TFRecordReader(specs))[0]
    np.testing.assert_array_equal(got["image"], pixels_of(photo))
    assert got["text"] == "é"
    np.testing.assert_array_equal(got["raw"], memory.reshape(2, 3))
    assert got["many"].dtype == np.uint8 and got["many"].tolist() == [[1, 0], [1, 1]]
    assert got["one"].tolist() == [7]
    assert type(got["x"]) is np.float64 and got["x"] == 2.5
    assert got["flags"].tolist() == [False, True]
    resized = Dataset(path, TFRecordReader(specs), {"image": T.Resize((4, 4))})[0]
    assert resized["image"].shape == (3, 4, 4)


@pytest.mark.parametrize(
    "spec, kind, says",
    [
        (
            ("uint8", (5,)),
            ValueError,
            r"record 0 \(at byte 0\): 4 bytes, where u8 .* 5",
        ),
        (("float32", (-1, 3)), ValueError, "4 bytes"),
        ("int64", TypeError, "has bytes, no numbers"),
        ("image", ValueError, "record 0"),
        ("text", ValueError, "UTF-8"),
        ("bool8", ValueError, "no dtype"),
        ("pickle", ValueError, "refused"),
        (("uint8",), TypeError, "dtype, shape"),
        (("uint8", 3), TypeError, "list of sizes"),
        (("uint8", (-1, -1)), ValueError, "one may be -1"),
        (("uint8", (1 << 62, 1 << 62)), ValueError, "overflow"),
        (7, TypeError, "image"),
    ],
)
def test_a_format_that_does_not_fit_says_so(
    tmp_path: Path, spec: object, kind: type[Exception], says: str
) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(tfrecord_of([{"x": b"\xff\xfe\xfd\2"}]))
    with pytest.raises(kind, match=says):
        Dataset(path, TFRecordReader({"x": spec}))[0]
    with pytest.raises(TypeError, match="no bytes"):
        path.write_bytes(tfrecord_of([{"x": 1}]))
        Dataset(path, TFRecordReader({"x": "image"}))[0]


def test_a_record_without_the_feature_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    path.write_bytes(tfrecord_of([{"a": 1, "b": 2}, {"b": 1, "a": 2}, {"b": 3}]))
    dataset = Dataset(path)
    assert list(dataset[1]) == list(dataset[0])  # protobuf's maps have no order
    with pytest.raises(KeyError, match="record 2 .*has no feature 'a'"):
        dataset[2]


@pytest.mark.parametrize("where", ["first", "length", "cut"])
def test_a_file_with_a_damaged_record_gives_the_others(
    tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.tfrecord"
    whole = tfrecord_of({"i": i, "pad": b"x" * 20} for i in range(8))
    size = len(whole) // 8
    damaged = bytearray(whole)
    if where == "first":
        damaged[20] ^= 1
    elif where == "length":
        damaged[5 * size] ^= 1
    else:
        del damaged[-5:]
    path.write_bytes(damaged)
    good = {"first": [*range(1, 8)], "length": [*range(5)], "cut": [*range(7)]}[where]
    bad = {"first": 0, "length": 5, "cut": 7}[where]
    for _ in range(2):  # by the index, too
        data = Dataset(path)
        loader = DataLoader(data, 3, num_workers=1, on_error="skip")
        assert [int(i) for batch in loader for i in batch["i"]] == good
        assert loader.skipped == 1
        with pytest.raises(pt.errors.Malformed, match=f"record {bad} "):
            data[bad]
        with pytest.raises(pt.errors.Malformed, match=f"record {bad} "):
            list(DataLoader(data, 3))
    if where != "first":
        assert f"{bad} records before it are there" in caplog.text


def test_a_gzip_file_is_read_as_a_plain_one(
    pictures: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, data = pictures
    for name in ("x.tfrecord.gz", "y.tfrecord"):
        packed = tmp_path / name
        packed.write_bytes(gzip.compress(path.read_bytes()))
        np.testing.assert_array_equal(
            Dataset(packed, TFRecordReader(SPECS))[8]["image"], data[8]
        )
        assert Dataset(packed)[8]["label"] == 8
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"y.tfrecord.*gzip data"):
        Dataset(packed)


def test_shards_are_one_data_set(
    pictures: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, _ = pictures
    for i in range(3):
        shutil.copy(path, tmp_path / f"s.tfrecord-{i}-of-3")
    for _ in range(2):  # the second time beside their indices
        dataset = Dataset(str(tmp_path / "s.tfrecord-*"), TFRecordReader(SPECS))
        assert len(dataset) == 27 and dataset[20]["label"] == 2


def test_readers_are_copied_and_configured(pictures: tuple[Path, np.ndarray]) -> None:
    path, data = pictures
    reader = TFRecordReader(SPECS, fields=["image", "label"])
    dataset = pickle.loads(pickle.dumps(Dataset(path, reader)))
    np.testing.assert_array_equal(dataset[2][0], data[2])
    for each in (reader, LMDBReader(("uint8", (3,)), keys=True), JSONLinesReader("x")):
        again = pickle.loads(pickle.dumps(each))
        assert again.to_config() == each.to_config()


# Their index.


def index_of(path: Path) -> Path:
    return path.with_name(path.name + ".index")


def test_an_index_is_kept_beside_the_file(pictures: tuple[Path, np.ndarray]) -> None:
    path, _ = pictures
    Dataset(path)
    kept = index_of(path).read_bytes()
    assert len(kept) == 40 + 8 * 9
    at = struct.unpack_from("<9Q", kept, 40)
    assert at[0] == 0 and at[1] == len(framed(path.read_bytes()[12 : at[1] - 4]))
    index_of(path).touch()
    Dataset(path)
    assert index_of(path).read_bytes() == kept


@pytest.mark.parametrize("which", ["byte", "cut", "empty", "longer"])
def test_a_damaged_index_is_made_again(
    pictures: tuple[Path, np.ndarray], which: str
) -> None:
    path, data = pictures
    Dataset(path)
    kept = index_of(path).read_bytes()
    for at in range(8, len(kept)) if which == "byte" else [0]:
        bad = bytearray(kept)
        if which == "byte":
            bad[at] ^= 0x40
        elif which == "cut":
            bad = bad[:-8]
        elif which == "longer":
            bad += bytes(8)
        else:
            bad = bytearray()
        index_of(path).write_bytes(bad)
        dataset = Dataset(path, TFRecordReader(SPECS))
        np.testing.assert_array_equal(dataset[8]["image"], data[8])
        assert index_of(path).read_bytes() == kept


def test_an_index_of_other_content_is_made_again(
    pictures: tuple[Path, np.ndarray],
) -> None:
    path, _ = pictures
    Dataset(path)
    path.write_bytes(tfrecord_of({"label": i * 2, "more": b"x" * i} for i in range(5)))
    assert [s["label"] for s in Dataset(path)] == [0, 2, 4, 6, 8]
    # Even one that seems to fit is no way out of the records.
    head = os.stat(path)
    path.write_bytes(bytes(head.st_size))
    os.utime(path, ns=(head.st_atime_ns, head.st_mtime_ns))
    with pytest.raises(ValueError, match="record 0"):
        Dataset(path, TFRecordReader())


def test_another_program_s_index_is_left_alone(
    pictures: tuple[Path, np.ndarray], cache: Path
) -> None:
    path, _ = pictures
    index_of(path).write_text("0 100\n100 200\n")
    assert Dataset(path)[3]["label"] == 3
    assert index_of(path).read_text() == "0 100\n100 200\n"
    (kept,) = cache.iterdir()
    before = kept.read_bytes()
    assert Dataset(path)[3]["label"] == 3 and kept.read_bytes() == before


def test_without_a_place_for_an_index_the_file_is_read(
    pictures: tuple[Path, np.ndarray], cache: Path
) -> None:
    path, _ = pictures
    index_of(path).mkdir()  # as a folder that cannot be written
    assert Dataset(path)[3]["label"] == 3
    assert len(list(cache.iterdir())) == 1
    shutil.rmtree(cache)
    cache.write_text("a file")
    assert Dataset(path)[3]["label"] == 3


# LMDB.

VALUES = {b"%06d" % i: bytes([i]) * (4 if i % 2 else 5_000) for i in range(40)}


@pytest.mark.parametrize("subdir", [False, True])
def test_values_come_in_the_order_of_keys(tmp_path: Path, subdir: bool) -> None:
    path = tmp_path / "x.lmdb"
    write_lmdb(path, dict(reversed(VALUES.items())), subdir)
    dataset = Dataset(path)
    assert list(dataset) == list(VALUES.values())
    pairs = Dataset(path, LMDBReader(keys=True))
    assert list(pairs) == list(VALUES.items())
    assert pairs.field_names == ["key", "value"]


def test_values_are_decoded(tmp_path: Path) -> None:
    photos = {b"%d" % i: picture(i) for i in range(3)}
    write_lmdb(tmp_path / "p.lmdb", photos)
    dataset = Dataset(tmp_path / "p.lmdb", LMDBReader("image"), T.Resize((4, 4)))
    assert next(iter(DataLoader(dataset, batch_size=3))).shape == (3, 3, 4, 4)
    np.testing.assert_array_equal(
        Dataset(tmp_path / "p.lmdb", LMDBReader("image"))[1], pixels_of(photos[b"1"])
    )
    data = images(5)
    write_lmdb(
        tmp_path / "a.lmdb", {b"%d" % i: x.tobytes() for i, x in enumerate(data)}
    )
    arrays = Dataset(tmp_path / "a.lmdb", LMDBReader(("uint8", SHAPE)))
    np.testing.assert_array_equal(next(iter(DataLoader(arrays, batch_size=5))), data)
    lengths = Dataset(tmp_path / "a.lmdb", preprocessor=len)
    assert lengths[2] == data[0].nbytes
    with pytest.raises(ValueError, match="refused"):
        LMDBReader("pickle")
    with pytest.raises(TypeError, match="preprocessor"):
        LMDBReader(len)
    with pytest.raises(ValueError, match="record 0.*90 bytes"):
        Dataset(tmp_path / "a.lmdb", LMDBReader(("uint8", (7,))))[0]


def test_what_is_no_database_of_records_says_so(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    env = lmdb.open(
        str(tmp_path / "n.lmdb"), subdir=False, map_size=1 << 24, max_dbs=2, lock=False
    )
    with env.begin(write=True) as t:
        t.put(b"k", b"v", db=env.open_db(b"train", txn=t))
    env.close()
    with pytest.raises(ValueError, match="named database 'train'"):
        Dataset(tmp_path / "n.lmdb", LMDBReader())


def test_a_database_that_is_written_meanwhile(tmp_path: Path) -> None:
    """Its values are copies, or an error: never what was written over them."""
    lmdb = pytest.importorskip("lmdb")
    env = lmdb.open(str(tmp_path / "x.lmdb"), subdir=False, map_size=1 << 24)
    with env.begin(write=True) as t:
        for key in VALUES:
            t.put(key, b"old!" * 500)
    dataset = Dataset(tmp_path / "x.lmdb", LMDBReader(("uint8", (2000,))))
    first = dataset[0]
    for _ in range(6):
        with env.begin(write=True) as t:
            for key in VALUES:
                t.put(key, b"new!" * 500)
    env.close()
    assert bytes(first) == b"old!" * 500
    with pytest.raises(RuntimeError, match="written while it is read"):
        dataset[1]


# JSON lines.


def test_lines_are_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"x": i, "text": "é" * i, "more": [i, None]} for i in range(4)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = f"\n{lines[0]}\r\n  \n{lines[1]}\n{lines[2]}\n\n{lines[3]}"
    path.write_text(text, encoding="utf-8", newline="")
    dataset = Dataset(path)
    assert list(dataset) == rows
    assert list(Dataset(path, JSONLinesReader("x"))) == [0, 1, 2, 3]
    pairs = Dataset(path, JSONLinesReader(["text", "x"]))
    assert pairs[3] == ("ééé", 3) and pairs.field_names == ["text", "x"]
    texts, xs = next(iter(DataLoader(pairs, batch_size=4)))
    assert list(texts) == ["", "é", "éé", "ééé"] and xs.tolist() == [0, 1, 2, 3]
    packed = tmp_path / "y.ndjson.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(Dataset(packed)) == rows


@pytest.mark.parametrize("line", ['{"x": 1', "{}}", "nul", '"\xff"', '{"x":1,"x":2}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\n{"x": 1}\n\n' + line.encode("latin-1") + b"\n3\n")
    dataset = Dataset(path)
    assert dataset[0] == {"x": 1} and dataset[2] == 3
    with pytest.raises(ValueError, match=r"\[json\] .*x.jsonl: line 4: (?!line 1)"):
        dataset[1]
    fields = Dataset(path, JSONLinesReader("y"))
    with pytest.raises(KeyError, match="line 2 has no 'y'.*it has: x"):
        fields[0]
    with pytest.raises(KeyError, match="line 5 holds"):
        fields[2]


# Which reader.


def save_arrays(path: Path) -> None:
    pt.save(path, {"x": np.arange(6).reshape(3, 2), "y": np.arange(3)})


@pytest.mark.parametrize(
    "name", ["x.npz", "x.safetensors", "x.tfrecord", "x.lmdb", "x.h5"]
)
def test_what_ptutils_saved_is_read_as_arrays(tmp_path: Path, name: str) -> None:
    save_arrays(tmp_path / name)
    dataset = Dataset(tmp_path / name)
    assert len(dataset) == 3
    assert dataset[2]["x"].tolist() == [4, 5] and dataset[2]["y"] == 2


def test_csv_is_read_as_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x,name\n1.5,a\n2.5,b\n")
    dataset = Dataset(tmp_path / "x.csv")
    assert dataset[1]["x"] == 2.5 and dataset[1]["name"] == "b"


def test_no_records_are_no_samples(tmp_path: Path) -> None:
    readers: dict[str, Callable[[], object]] = {
        "x.jsonl": JSONLinesReader,
        "x.tfrecord": TFRecordReader,
    }
    for name, reader in readers.items():
        (tmp_path / name).write_bytes(b"")
        assert len(Dataset(tmp_path / name, reader())) == 0
    write_lmdb(tmp_path / "x.lmdb", {})
    assert len(Dataset(tmp_path / "x.lmdb")) == 0
    (tmp_path / "y.tfrecord").write_bytes(framed(example({})))
    assert Dataset(tmp_path / "y.tfrecord", TFRecordReader())[0] == {}


def test_an_index_of_another_file_of_the_same_size_and_time(tmp_path: Path) -> None:
    def write(name: str, values: list[int]) -> Path:
        path = tmp_path / name
        path.write_bytes(tfrecord_of({"x": v, "s": b"t" * (v % 7)} for v in values))
        return path

    a = write("a.tfrecord", [*range(100)])
    b = write("b.tfrecord", [*range(50, 100), *range(50)])
    assert a.stat().st_size == b.stat().st_size
    assert len(Dataset(a)) == 100
    shutil.copy(f"{a}.index", f"{b}.index")
    os.utime(b, ns=(a.stat().st_atime_ns, a.stat().st_mtime_ns))
    data = Dataset(b)
    assert [data[i]["x"] for i in (0, 3, 99)] == [50, 53, 49]
    assert Path(f"{a}.index").read_bytes() != Path(f"{b}.index").read_bytes()
