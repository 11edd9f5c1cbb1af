"""Rows of HDF5 files beside h5py: layouts, dtypes, elements of any length, damage."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hdf5_layouts import IMAGES, LABELS, LAYOUTS, N, batches
from hdf5_layouts import h5 as h5  # a fixture
from PIL import Image

import ptutils as pt
from ptutils.data import (
    DataLoader,
    Dataset,
    HDF5Reader,
)
from ptutils.data import transforms as T


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("workers", [0, 2])
def test_rows_are_those_of_h5py(h5: Path, layout: str, workers: int) -> None:
    data = Dataset(h5, HDF5Reader([layout, "labels"]))
    assert len(data) == N and data.field_names == [layout, "labels"]
    for shuffle in (False, True):
        loader = DataLoader(data, batch_size=16, shuffle=shuffle, num_workers=workers)
        order = loader._order()
        images, labels = (np.concatenate(c) for c in zip(*loader, strict=True))
        np.testing.assert_array_equal(images, IMAGES[order])
        np.testing.assert_array_equal(labels, LABELS[order])
        assert images.dtype == np.uint8 and labels.dtype == np.int64
    image, label = data[-1]
    np.testing.assert_array_equal(image, IMAGES[-1])
    assert isinstance(label, np.int64) and label == LABELS[-1]


def test_every_dtype_and_what_was_never_written(h5: Path) -> None:
    with h5py.File(h5) as file:
        for name, values in file["types"].items():
            data = Dataset(h5, HDF5Reader(name, group="types"))
            got = np.concatenate(batches(data))
            np.testing.assert_array_equal(got, values[:])
            assert got.dtype == values.dtype.newbyteorder("=")
        np.testing.assert_array_equal(
            np.concatenate(batches(Dataset(h5, HDF5Reader("sparse")))),
            file["sparse"][:],
        )


def test_a_small_cache_gives_the_same(h5: Path) -> None:
    for size in (1, 5000, 10**9):
        data = Dataset(h5, HDF5Reader("many", cache_bytes=size))
        for _ in range(2):
            for i in (0, 50, 7, 102, 0, 51):
                np.testing.assert_array_equal(data[i], IMAGES[i])


def test_fields_without_rows_of_numbers_are_left_out(
    tmp_path: Path, caplog: Any
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(4)
        file["table"] = np.zeros(4, [("a", "i4"), ("b", "f4")])
    data = Dataset(tmp_path / "x.h5")
    assert data[3] == {"x": 3} and "'/table': holds a compound" in caplog.text
    with pytest.raises(pt.errors.Malformed, match="'/table': holds a compound"):
        Dataset(tmp_path / "x.h5", HDF5Reader(["x", "table"]))


def test_a_shortened_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1_000_000).reshape(10, -1)
    data = Dataset(path, HDF5Reader("x"))
    assert data[9][-1] == 999_999
    os.truncate(path, 4_000_000)
    assert data[0][3] == 3
    with pytest.raises(ValueError, match="'/x': ends before byte .* become shorter"):
        data[9]


def test_picture_files_in_hdf5_are_decoded(tmp_path: Path) -> None:
    pictures = []
    for i in range(5):
        file = io.BytesIO()
        Image.fromarray(IMAGES[i].repeat(4, 0).repeat(4, 1)).save(file, "JPEG")
        pictures.append(file.getvalue())
    pictures[3] = pictures[3][:100]
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        it = h5.create_dataset("jpeg", (5,), h5py.vlen_dtype("u1"))
        for i, one in enumerate(pictures):
            it[i] = np.frombuffer(one, np.uint8)
    chain = [T.DecodeImage(), T.Resize(4), T.ToFloat(1 / 255)]
    data = Dataset(tmp_path / "x.h5", HDF5Reader("jpeg"), chain)
    with Image.open(io.BytesIO(pictures[1])) as image:
        whole = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_allclose(
        data[1], T.Resize(4)(np.ascontiguousarray(whole)) / 255, atol=1e-6
    )
    loader = DataLoader(data, 5, num_workers=2, on_error="skip")
    assert [len(batch) for batch in loader] == [4] and loader.skipped == 1
    with pytest.raises(pt.errors.Malformed, match="a picture: "):
        data[3]
    for wrong in (3, "x", np.zeros(4), np.zeros((2, 2), np.uint8), [1]):
        with pytest.raises(TypeError, match="bytes of a picture file are wanted"):
            T.DecodeImage()(wrong)
    with pytest.raises(pt.errors.Malformed, match="neither JPEG, PNG nor any other"):
        T.DecodeImage()(b"no picture")
    config = T.DecodeImage(dct_scaling=True).to_config()
    assert config == {
        "func": "ptutils.data.transforms.DecodeImage",
        "dct_scaling": True,
    }


def of_any_length(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        a = file.create_dataset("a", (40,), h5py.vlen_dtype("u1"), chunks=(8,))
        b = file.create_dataset("b", (40,), h5py.vlen_dtype(">f4"))
        t = file.create_dataset("t", (40,), h5py.string_dtype())
        z = file.create_dataset(
            "z", (40,), h5py.vlen_dtype("u1"), chunks=(8,), compression="gzip"
        )
        for i in range(39):  # the last is never written
            a[i], z[i] = np.arange(100 + i, dtype="u1"), [i] * i
            b[i], t[i] = np.arange(i), f"text {i}"


def test_elements_of_any_length_are_h5pys(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    of_any_length(path)
    data = Dataset(path)
    with h5py.File(path) as file:
        for i in (0, 7, 38, 39):
            for name in "az":
                np.testing.assert_array_equal(data[i][name], file[name][i])
                assert data[i][name].dtype == file[name][i].dtype
            assert data[i]["t"] == file["t"].asstr()[i]
            # h5py takes the other order of bytes for its own.
            assert data[i]["b"].dtype == np.float32
            assert data[i]["b"].tolist() == list(range(i if i < 39 else 0))


@pytest.mark.parametrize("index", [4_000_000_000, 60_000, 0])
def test_a_reference_to_nowhere_is_an_error(tmp_path: Path, index: int) -> None:
    path = tmp_path / "x.h5"
    of_any_length(path)
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    at = content.find(struct.pack("<IQ", 100, heap - 512))
    content[at + 12 : at + 16] = struct.pack("<I", index)
    path.write_bytes(content)
    data = Dataset(path, HDF5Reader("a"))
    with pytest.raises(pt.errors.Malformed, match="'/a': damaged: the global heap has"):
        data[0]
    assert len(data[1]) == 101


def test_damaged_heaps_are_errors_or_values(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    of_any_length(path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    errors = 0
    for _ in range(100):
        content = bytearray(whole)
        for at in random.integers(len(whole) // 3, len(whole), 6):
            content[at] = int(random.integers(256))
        path.write_bytes(content)
        try:
            data = Dataset(path)
            for i in range(len(data)):
                data[i]
        except (ValueError, OSError, KeyError):
            errors += 1
    assert errors > 10
