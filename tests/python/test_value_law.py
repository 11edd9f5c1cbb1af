"""Saved and loaded is equal: types, dtypes, order, bits; in every format and in
the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from value_cases import arrays, bits_of, natives, same, tensors, values

import ptutils as pt
from ptutils.database import SQLiteInterface

SUFFIXES = ["json", "yaml", "npz", "safetensors", "safetensors.index.json", "lmdb"]
SUFFIXES += ["tfrecord", "hdf5", "pkl", "pt"]
law = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(value: object, back: object) -> None:
    assert same(value, back) == ""
    assert pt._core._identical(value, back)


@pytest.mark.parametrize("suffix", SUFFIXES)
@law
@given(value=values)
def test_a_file_gives_back_what_was_saved(
    suffix: str, tmp_path: Path, value: object
) -> None:
    path = tmp_path / f"x.{suffix}"
    pt.save(path, value, durable=False)
    check(value, pt.read(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(law, max_examples=40)
@given(value=values)
def test_the_core_reads_the_same(suffix: str, tmp_path: Path, value: object) -> None:
    path = tmp_path / f"x.{suffix}"
    pt._core.save(path, value, False)
    check(value, pt._core.read(path))


@law
@given(value=values)
def test_through_the_core_nothing_changes(value: object) -> None:
    check(value, pt._core._roundtrip(value))


@law
@given(value=values)
def test_the_database_gives_back_what_was_saved(tmp_path: Path, value: object) -> None:
    with SQLiteInterface(tmp_path / "x.db") as db:
        id = db.save({"value": value})
        check(value, db.load_from_id(id)["value"])
        db.delete(id)
        other = db.save({"value": value}, background=True)
        check(value, db.load_from_id(other)["value"])


@law
@given(value=arrays)
def test_npy_holds_an_array(tmp_path: Path, value: np.ndarray) -> None:
    pt.save(tmp_path / "x.npy", value, durable=False)
    back = pt.read(tmp_path / "x.npy")
    check(value, back)
    theirs = np.load(tmp_path / "x.npy")
    assert bits_of(theirs) == bits_of(np.asarray(value))


@settings(law, max_examples=60)
@given(value=tensors)
def test_npy_is_exact_or_refuses(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.npy"
    path.unlink(missing_ok=True)
    try:
        pt.save(path, value, durable=False)
    except pt.errors.WrongType:
        assert not path.exists()
    else:
        check(value, pt.read(path))


@settings(law, max_examples=60)
@given(value=natives)
def test_a_tensor_goes_to_torch_and_back_in_bits(value: pt.Tensor) -> None:
    assert bits_of(pt._core._as([value], "torch")[0])[2:] == bits_of(value)[2:]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_shared_is_shared(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    array, tensor = np.ones(5, "float32"), torch.ones(5)
    pt.save(path, {"a": array, "b": [array], "c": tensor, "d": {"e": tensor}})
    back = pt.read(path)
    back["a"][0] = 7
    back["c"][0] = 8
    assert back["b"][0][0] == 7 and back["d"]["e"][0] == 8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reading_does_not_alias_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    pt.save(path, {"a": np.ones(5), "b": torch.ones(5)})
    before = path.read_bytes()
    back = pt.read(path)
    back["a"][:] = 3
    back["b"].zero_()
    assert path.read_bytes() == before
    assert pt.read(path)["a"][0] == 1


def test_what_is_saved_is_not_changed(tmp_path: Path) -> None:
    inner = {"w": np.arange(3)}
    value = {"inner": inner, "net": torch.nn.Linear(1, 1)}
    for suffix in SUFFIXES:
        pt.save(tmp_path / f"x.{suffix}", value)
    with SQLiteInterface(tmp_path / "x.db") as db:
        db.save(value)
    assert list(value) == ["inner", "net"] and value["inner"] is inner
    assert isinstance(value["net"], torch.nn.Linear)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "npy"])
@pytest.mark.parametrize(
    "bad, name",
    [
        (np.array([object()]), "numpy.ndarray"),
        (np.datetime64("2020-01-01"), "datetime64"),
        (object(), "object"),
        (lambda: 0, "function"),
        ("\ud800", "surrogate"),
    ],
    ids=["objects", "datetime64", "object", "function", "surrogate"],
)
def test_what_cannot_be_saved_is_refused_before_the_file_is_touched(
    suffix: str, bad: object, name: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "pkl" and name in ("datetime64", "surrogate"):
        pytest.skip("pickle holds it")
    pt.save(path, np.ones(1) if suffix == "npy" else {"old": 1})
    before = path.read_bytes()
    with pytest.raises(
        (pt.errors.WrongType, pt.errors.WrongValue, pt.errors.Untrusted)
    ) as e:
        pt.save(path, {"layer": [bad]})
    assert path.name in str(e.value) or "layer" in str(e.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_value_that_holds_itself_is_an_error(tmp_path: Path) -> None:
    ring: list[object] = []
    ring.append(ring)
    for suffix in SUFFIXES:
        with pytest.raises((pt.errors.WrongValue, pt.errors.WrongType)):
            pt.save(tmp_path / f"x.{suffix}", ring)
