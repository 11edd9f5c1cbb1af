"""TFRecord and CSV beside the libraries that others use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ptutils as pt

pandas = pytest.importorskip("pandas")


def same(a, b) -> bool:
    return pt._core._identical(a, b)


# TFRecord.


def test_the_library_reads_our_tfrecord(tmp_path: Path) -> None:
    reader = pytest.importorskip("tfrecord.reader")
    path = tmp_path / "ours.tfrecord"
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    pt.save(path, {"weight": weight, "step": 3})
    first, second = reader.tfrecord_loader(str(path), None, None)
    assert bytes(first["__ptutils__"]).startswith(b'{"version":3')
    assert bytes(second["name"]) == b"weight" and bytes(second["dtype"]) == b"f32"
    assert list(second["shape"]) == [2, 3]
    assert bytes(second["data"]) == weight.tobytes()


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("tfrecord")
    path = tmp_path / "theirs.tfrecord"
    writer = library.TFRecordWriter(str(path))
    rows = [(b"\x00\xff", i, [0.5 * i, -1.0]) for i in range(-1, 3)]
    for image, label, floats in rows:
        writer.write(
            {"image": (image, "byte"), "label": (label, "int"), "x": (floats, "float")}
        )
    writer.close()
    back = pt.read(path)
    assert len(back) == 4
    for example, (image, label, floats) in zip(back, rows, strict=True):
        assert example["image"] == [image]
        assert example["label"].tolist() == [label]
        assert same(example["x"], np.array(floats, np.float32))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    pt.save(path, {"a": np.zeros(100), "b": np.ones(100)})
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(pt.errors.Malformed, match=r"record 2: damaged: the CRC-32C"):
        pt.read(path)
    path.write_bytes(content[:-200])
    with pytest.raises(pt.errors.Malformed, match=r"record 2: truncated"):
        pt.read(path)


# CSV.

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ROWS = st.integers(1, 5)


@st.composite
def columns(draw: st.DrawFn) -> dict:
    rows = draw(ROWS)
    kinds = {
        "i": st.integers(-(2**63), 2**63 - 1),
        "f": st.floats(allow_nan=False) | st.just(float("nan")),
        "b": st.booleans(),
        "t": TEXT,
    }
    out = {}
    for name in draw(st.lists(TEXT, max_size=4, unique=True)):
        kind = draw(st.sampled_from(sorted(kinds)))
        values = draw(st.lists(kinds[kind], min_size=rows, max_size=rows))
        dtype = {"i": np.int64, "f": np.float64, "b": np.bool_}.get(kind)
        out[name] = values if dtype is None else np.array(values, dtype)
    return out


@settings(deadline=None, max_examples=150)
@given(columns())
def test_columns_come_back_as_they_were(tmp_path_factory, value) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    pt.save(path, value)
    assert same(pt.read(path), value)


def test_csv_beside_pandas(tmp_path: Path) -> None:
    value = {
        "step": np.arange(3),
        "loss, mean": np.array([0.1, np.inf, 2.0]),
        "done": np.array([True, False, True]),
        "name": ["a", 'b "c"', "x\ny"],
    }
    pt.save(tmp_path / "ours.csv", value)
    frame = pandas.read_csv(tmp_path / "ours.csv")
    for name, column in value.items():
        assert frame[name].tolist() == list(column)
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    assert same(pt.read(tmp_path / "theirs.csv"), value)
    (tmp_path / "gaps.csv").write_text("a,b\r\n1,\r\n,x\r\n\r\n")
    gaps = pt.read(tmp_path / "gaps.csv")
    assert gaps["b"] == ["", "x"]
    assert gaps["a"][0] == 1.0 and np.isnan(gaps["a"][1])


@pytest.mark.parametrize(
    "value, said",
    [
        ({"a": np.arange(3, dtype="f4")}, r"'a' is a NumPy array of f32\(3,\)"),
        ({"a": np.zeros((2, 2))}, r"'a' is a NumPy array of f64\(2, 2\)"),
        ({"a": 1}, "'a' is of type int"),
        ({"a": [1]}, "'a' holds 1"),
        ({"a": np.arange(3), "b": ["x"]}, "'b' has 1 rows"),
        ({1: ["a"]}, "'1' is no text"),
        ({"a": []}, "'a' is empty"),
        ([1], "a plain dict"),
    ],
)
def test_what_a_csv_cannot_give_back_is_refused(value, said, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=said):
        pt.save(tmp_path / "x.csv", value)
    assert not list(tmp_path.iterdir())


def test_numbers_are_names_where_they_count_or_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for text, names in (("0,1\n5,6\n", ["0", "1"]), ('"1.5","7"\n5,6\n', ["1.5", "7"])):
        path.write_text(text)
        assert list(pt.read(path)) == names
    path.write_text("a,b\n1e999,1\n-1e999,1e-999\n")
    columns = pt.read(path)
    assert columns["a"].tolist() == [np.inf, -np.inf] and columns["b"].tolist() == [
        1,
        0,
    ]


@pytest.mark.parametrize(
    "text, said",
    [
        ("a,b\n1\n", "line 2 has 1 fields, the first line 2"),
        ("a,a\n1,2\n", "'a' is there twice"),
        ("5.1,3.5\n4.9,3\n", "line 1 is of numbers \\(5.1, …\\), .* a line of names"),
        ("7,2,1\n3,2,0\n", "line 1 is of numbers"),
        ('a\n"x', "line 2: a quote that never ends"),
        ('a\n"x"y\n', "behind a closing quote"),
        ("a\n\xff\n", "not UTF-8"),
    ],
)
def test_a_malformed_csv_says_where(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(pt.errors.Malformed, match=said):
        pt.read(tmp_path / "x.csv")
