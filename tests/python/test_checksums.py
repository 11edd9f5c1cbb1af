"""Checksums of files, their options, and files of other versions."""

from __future__ import annotations

import datetime
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt

torch = pytest.importorskip("torch")
OLDER = Path(__file__).parent.parent / "data"  # files of earlier layouts
FORMATS = ["json", "yaml", "npz", "safetensors", "pt", "pkl"]
ALL = [*FORMATS, "lmdb", "tfrecord", "hdf5"]


def value() -> dict:
    return {
        "net": {
            "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "bias": np.zeros((0,), np.int8),
            "half": torch.arange(4).to(torch.bfloat16),
            "z": np.array([1 + 2j], np.complex64),
        },
        "step": 2**70,
        "lr": 1e-3,
        "none": None,
        "flags": (True, [False]),
        3: "three",
        "when": datetime.datetime(2026, 11, 27, 12, 0, 5),
        "raw": b"\x00\xff",
        "nan": float("nan"),
    }


def same(a, b) -> bool:
    return pt._core._identical(a, b)


@pytest.mark.parametrize("path", sorted(OLDER.glob("version*/value.*")), ids=str)
def test_files_of_earlier_versions_are_read(path: Path) -> None:
    assert same(pt.read(path), value()) and same(pt.read(path, verify=True), value())


def test_an_array_of_the_first_version_is_read() -> None:
    array = pt.read(OLDER / "version1" / "array.npy", verify=True)
    assert same(array, torch.arange(4).to(torch.bfloat16))


@pytest.mark.parametrize("suffix", ALL)
def test_a_flipped_bit_is_found_or_changes_nothing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"value.{suffix}"
    pt.save(path, value())
    assert same(pt.read(path, verify=True), value())
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = rng.choice(len(content), min(len(content), 400), replace=False)
    damaged = tmp_path / f"damaged.{suffix}"
    found = 0
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(flipped)
        try:
            back = pt.read(damaged, verify=True)
        except pt.Error:
            found += 1
            continue
        if not same(back, value()):
            # Without the name of the skeleton it is another program's file.
            marks = [b"__ptutils__", b"__metadata__"]
            assert any(flipped.count(m) < content.count(m) for m in marks), place
    # The pages of a .lmdb have free space.
    assert found > (0.1 if suffix == "lmdb" else 0.3) * len(places)


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    pt.save(path, {"a": np.zeros(3), "b": np.ones(64)})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert pt.read(path)["b"].shape == (64,)
    with pytest.raises(pt.errors.Malformed, match=r"'b'.*its checksum differs"):
        pt.read(path, verify=True)


def test_a_file_of_a_newer_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"__ptutils__": 4, "value": 1}))
    with pytest.raises(pt.errors.Malformed, match="newer ptutils"):
        pt.read(path)


def test_npz_is_compressed_when_asked(tmp_path: Path) -> None:
    rows = {f"layer{i}": np.full((100, 1000), i, np.float32) for i in range(9)}
    rows["strided"] = np.arange(10.0)[::3]
    path = tmp_path / "x.npz"
    pt.save(path, rows, compress=True)
    assert path.stat().st_size < 100_000
    assert same(pt.read(path, verify=True), rows)
    with np.load(path) as theirs:
        assert all(np.array_equal(theirs[name], rows[name]) for name in rows)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    np.savez_compressed(path, **rows)
    assert same(pt.read(path), {k: np.ascontiguousarray(v) for k, v in rows.items()})


def test_an_option_that_a_format_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"unknown 'compres' \(did you mean compress"):
        pt.save(tmp_path / "x.npz", {}, compres=True)
    for suffix in ("safetensors", "json", "pt", "pkl"):
        with pytest.raises(KeyError, match="compress"):
            pt.save(tmp_path / f"x.{suffix}", {}, compress=True)
        assert not list(tmp_path.iterdir())
