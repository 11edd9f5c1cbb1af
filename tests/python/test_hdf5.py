"""HDF5 beside h5py: both ways, links, malformed files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt

h5py = pytest.importorskip("h5py")

DTYPES = ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
DTYPES += ["c8", "c16"]


def same(a: object, b: object) -> bool:
    return pt._core._identical(a, b)


def run(code: str, *args: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stderr, done.stderr[-3000:]
    return done.stdout


def refused(path: Path, match: str) -> None:
    with pytest.raises(pt.errors.Malformed, match=match) as error:
        pt.read(path)
    assert path.name in str(error.value)


# Both ways.


@pytest.mark.parametrize("compress", [False, True])
def test_h5py_reads_ours(tmp_path: Path, compress: bool) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.h5"
    rng = np.random.default_rng(0)
    value = {d: (rng.random((300, 7)) * 100).astype(d) for d in DTYPES}
    value["zero"] = np.zeros((0, 3))
    value["0d"] = np.array(2.5)
    value["strided"] = np.arange(10_000.0).reshape(100, 100).T[::2]
    tree = {"net": {"a": value, "half": torch.ones(300).bfloat16()}, "n": 3}
    pt.save(path, tree, compress=compress)
    with h5py.File(path) as file:
        assert set(file) == {"__ptutils__", "net"} and set(file["net/a"]) == set(value)
        for name, array in value.items():
            theirs = file["net/a"][name]
            assert theirs.dtype == array.dtype and theirs.shape == array.shape, name
            assert np.array_equal(theirs[()], array), name
        assert file["net/half"].dtype == "u2"
        big = file["net/a/f8"]
        assert (big.compression == "gzip") == (big.shuffle) == compress
        assert bytes(file["__ptutils__"][()]).startswith(b'{"version":3')
    back = pt.read(path, verify=True)
    assert all(np.array_equal(back["net"]["a"][k], v) for k, v in value.items())
    assert torch.equal(back["net"]["half"], tree["net"]["half"])


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rows", [1, 32, 1000])
def test_rows_lie_together_in_chunks(tmp_path: Path, rows: int, compress: bool) -> None:
    path = tmp_path / "x.h5"
    value = {
        "images": np.random.default_rng(0).integers(0, 255, (70, 9, 8), "u1"),
        "labels": np.arange(70),
        "none": np.zeros((0, 3)),
        "scalar": np.float64(2),
    }
    pt.save(path, value, chunks=rows, compress=compress)
    with h5py.File(path) as file:
        assert file["images"].chunks == (min(rows, 70), 9, 8)
        assert file["labels"].chunks == (min(rows, 70),)
        assert file["images"].compression == ("gzip" if compress else None)
        assert np.array_equal(file["images"][()], value["images"])
        assert np.array_equal(file["labels"][33:], value["labels"][33:])
    back = pt.read(path, verify=True)
    assert all(np.array_equal(back[name], array) for name, array in value.items())


@pytest.mark.parametrize("rows", [0, -1, 2.5, True, (32, 9, 8)])
def test_chunks_that_cannot_be_are_errors(tmp_path: Path, rows: object) -> None:
    path = tmp_path / "x.h5"
    with pytest.raises(pt.errors.WrongValue, match="chunks is how many rows"):
        pt.save(path, {"a": np.ones(3)}, chunks=rows)
    assert not path.exists()


def test_arrays_of_others_are_numpys_read_at_once_or_late(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.ones((9, 9)), compression="gzip")
        file["v"] = np.ones(3)
    whole, late = pt.read(path), pt.State(path)
    for name in ("w", "v"):
        assert type(whole[name]) is type(late[name]) is np.ndarray


def test_names_that_collide_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    ones = [np.full(2, i) for i in range(9)]
    value = {
        "a": ones[0],
        "a.b": ones[1],
        ".": ones[2],
        "..": ones[3],
        "": ones[4],
        "c": {"d": ones[5]},
        "c.d": ones[6],
        "x..y": ones[7],
        "/": ones[8],
    }
    pt.save(path, value)
    assert same(pt.read(path, verify=True), value)
    with h5py.File(path) as file:
        assert file["a"][0] == 0 and file["c/d"][0] == 5


@pytest.mark.parametrize("libver", ["earliest", "v108", "v110"])
def test_we_read_h5pys(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "x.h5"
    rng = np.random.default_rng(0)
    arrays = {d: (rng.random((30, 7)) * 100).astype(d) for d in DTYPES}
    arrays |= {d: np.arange(5).astype(d) for d in (">i2", ">f4", ">f2", ">u8")}
    with h5py.File(path, "w", libver=(libver, "v110"), userblock_size=1024) as file:
        for name, array in arrays.items():
            file[f"g/h/{name}"] = array
        file["never"] = h5py.Empty("f4")
        file.create_dataset("unwritten", (3,), "i4", fillvalue=7)
        file["text"], file["bytes"] = "é", np.bytes_(b"\xff\x00x")
        file["texts"] = [["a", "bb"], ["", "c"]]
        file["fixed"] = np.array([b"ab", b"c"])
        file["colour"] = h5py.Empty("i1")
        file.create_dataset("enum", (2,), h5py.enum_dtype({"RED": 1, "BLUE": 5}, "i2"))
        file["enum"][:] = [5, 1]
        file.create_group("empty")
    back = pt.read(path)
    assert list(back["g"]["h"]) == sorted(arrays)
    for name, array in arrays.items():
        theirs = back["g"]["h"][name]
        assert theirs.dtype == array.dtype.newbyteorder("="), name
        assert np.array_equal(theirs, array), name
    assert back["never"] is None and back["unwritten"].tolist() == [7, 7, 7]
    assert back["text"] == "é" and back["bytes"] == b"\xff\x00x"
    assert back["texts"] == [["a", "bb"], ["", "c"]] and back["fixed"] == ["ab", "c"]
    assert back["enum"].tolist() == [5, 1] and back["empty"] == {}


def test_attributes_go_there_and_back(tmp_path: Path) -> None:
    path, again = tmp_path / "x.h5", tmp_path / "again.h5"
    with h5py.File(path, "w") as file:
        file.attrs["epoch"] = 3
        images = file.create_dataset("data/images", data=np.zeros((2, 3), "u1"))
        kept = {
            "scale": 0.5,
            "on": True,
            "z": 1 + 2j,
            "unit": "px",
            "f": np.float32(2),
            "names": ["a", "é"],
            "mean": np.arange(3.0),
            "n": np.int8(-1),
        }
        images.attrs.update(kept)
        images.attrs["ref"] = images.ref
        file["data"].attrs["e"] = h5py.Empty("f4")
    back = pt.read(path)
    assert back["__attributes__"] == {".": {"epoch": 3}}
    attributes = back["data"]["__attributes__"]
    assert attributes["."] == {"e": None}
    read = attributes["images"]
    assert set(read) == set(kept)
    for name, value in kept.items():
        assert np.array_equal(read[name], value), name
    assert type(read["scale"]) is float and type(read["on"]) is bool
    assert read["f"].dtype == "f4" and read["n"].dtype == "i1"
    pt.save(again, back)
    assert same(pt.read(again, verify=True), back)
    with h5py.File(again) as file:
        assert file.attrs["epoch"] == 3
        attrs = file["data/images"].attrs
        assert set(attrs) == set(kept)
        for name, value in kept.items():
            assert np.array_equal(attrs[name], value), name
            assert np.asarray(attrs[name]).dtype.kind == np.asarray(
                value
            ).dtype.kind or (name == "names")


CHUNKED = [
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True, "fletcher32": True},
    {"compression": "lzf", "shuffle": True},
    {"shuffle": True},
    {"fletcher32": True},
    {"scaleoffset": 0},
    {},
]


@pytest.mark.parametrize("options", CHUNKED, ids=lambda o: "-".join(o) or "plain")
@pytest.mark.parametrize("dtype", ["i4", "u1", "i2", ">i8", "c16"])
def test_chunks_are_put_together(tmp_path: Path, options: dict, dtype: str) -> None:
    if "scaleoffset" in options and dtype == "c16":
        pytest.skip("scale and offset of integers")
    path = tmp_path / "x.h5"
    array = np.arange(50 * 33 * 3).reshape(50, 33, 3) % 100
    array = array.astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=array, chunks=(8, 10, 2), **options)
        holes = file.create_dataset(
            "holes",
            (40, 40),
            dtype,
            chunks=(7, 9),
            fillvalue=None if dtype == "c16" else 5,
            maxshape=(None, 40),
            **options,
        )
        holes[3:20, 5:6] = 9
        expected = holes[()]
        odd = file.create_dataset("one", (101,), dtype, chunks=(101,), **options)
        odd[:] = np.arange(101).astype(dtype)
    back = pt.read(path)
    assert np.array_equal(back["a"], array)
    assert np.array_equal(back["holes"], expected)
    assert np.array_equal(back["one"], np.arange(101))
    state = pt.State(path)
    path.unlink()
    assert np.array_equal(state.holes, expected) and np.array_equal(state.a, array)


def test_a_checksum_of_a_chunk_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.arange(1001, dtype="u1"), fletcher32=True)
    content = path.read_bytes()
    at = content.index(bytes(range(100)))
    path.write_bytes(content[:at] + b"\x07" + content[at + 1 :])
    refused(path, r"data set '/a': damaged: the Fletcher-32")


def test_contiguous_data_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    pt.save(path, {"a": np.arange(1000.0), "b": np.ones((50, 50), "f4")})
    state = pt.State(path)
    path.unlink()
    assert state.a.sum() == 499500 and state.b.sum() == 2500
    state.a[0] = 7  # a private page


def test_a_state_of_packed_arrays_unpacks_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    value = {"net": {"a": np.arange(100_000.0), "b": np.ones(100_000)}, "n": 1}
    pt.save(path, value, compress=True)
    with h5py.File(path) as file:
        at = file["net/a"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[at : at + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(pt.errors.Malformed, match="'/net/a': damaged"):
        pt.read(path)
    state = pt.State(path)
    path.unlink()
    unread = pt._core._Deferred
    assert {type(a) for a in dict.values(state.net)} == {unread}
    assert state.n == 1 and state.net.b.sum() == 100_000
    assert type(dict.get(state.net, "a")) is unread
    with pytest.raises(pt.errors.Malformed, match="'/net/a': damaged"):
        _ = state.net.a
    assert "b" in state.net and state.net.b.shape == (100_000,)


def test_equal_values_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        pt.save(tmp_path / name, {"m": {"w": np.arange(9.0)}, "n": 1})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


# Links, and what is not represented.


def test_links_are_followed_inside_the_file_only(tmp_path: Path) -> None:
    path, other = tmp_path / "x.h5", tmp_path / "other.h5"

    def made(make) -> Path:
        with h5py.File(path, "w") as file:
            file["a/b"] = np.ones(2)
            make(file)
        return path

    def hard(file):
        file["a/again"], file["c"] = file["a/b"], h5py.SoftLink("/a")

    back = pt.read(made(hard))
    assert back["c"]["again"].tolist() == [1, 1]
    back["a"]["b"][0] = 5
    assert back["a"]["again"][0] == 5  # one array
    loops = [
        lambda f: f["a"].__setitem__("loop", f["/"]),
        lambda f: f["a"].__setitem__("loop", h5py.SoftLink("/a")),
    ]
    for loop in loops:
        refused(made(loop), r"'/a/loop': is a link to a group that it is in")
    soft = [("/nowhere", "which is not in this file"), ("/s", "not in this file")]
    for target, match in soft:
        refused(made(lambda f, t=target: f.__setitem__("s", h5py.SoftLink(t))), match)
    with h5py.File(other, "w") as file:
        file["w"] = np.ones(3)
    link = h5py.ExternalLink(str(other), "/w")
    refused(made(lambda f: f.__setitem__("e", link)), r"'/e': leads to another file")

    def through(file):
        file["e"] = h5py.ExternalLink(str(other), "/")
        file["a/w"] = h5py.SoftLink("/e/w")

    refused(made(through), "'/a/w'")
    source = h5py.VirtualLayout((3,), "f8")
    source[:] = h5py.VirtualSource(str(other), "w", (3,))
    refused(
        made(lambda f: f.create_virtual_dataset("v", source)), "'/v': .*other files"
    )
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(24))
    outside = {"external": [(str(secret), 0, 24)]}
    refused(
        made(lambda f: f.create_dataset("x", (3,), "f8", **outside)),
        "'/x': .*other files",
    )


def test_a_ladder_of_groups_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(40):
            below = group.create_group("a")
            group["b"] = below
            group = below
    refused(path, "the same ones over and over")


def test_what_has_no_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    compound = np.zeros(2, [("x", "f4"), ("y", "i4"), ("z", "S3")])
    cases = [
        (compound, "a compound of 3 members"),
        (np.array([np.void(b"abc")]), "opaque"),
    ]
    for value, match in cases:
        with h5py.File(path, "w") as file:
            file["g/it"] = value
        refused(path, f"data set '/g/it': holds {match}.*read it with h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset("it", (2,), h5py.vlen_dtype(compound.dtype))
    refused(path, "'/it': holds lists of varying length")
    with h5py.File(path, "w") as file:
        file["it"] = file.create_group("g").ref
    refused(path, "'/it': holds references")
    with pytest.raises(pt.errors.WrongType, match="33 dimensions.*npz"):
        pt.save(path, np.ones((1,) * 33))


def test_lists_of_varying_length_are_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    lists = [np.arange(n, dtype="i2") for n in (3, 0, 5, 1)]
    with h5py.File(path, "w") as file:
        for name, dtype in (("i", "i2"), ("big", ">f4"), ("bool", "?")):
            it = file.create_dataset(name, (4,), h5py.vlen_dtype(dtype), chunks=(2,))
            for i, one in enumerate(lists):
                it[i] = one.astype(dtype)
        file.create_dataset("none", (0,), h5py.vlen_dtype("f8"))
        square = file.create_dataset("square", (2, 2), h5py.vlen_dtype("u1"))
        square[1, 0] = [7, 8]
        file.attrs.create("a", lists[0], dtype="i2")
    for got in (pt.read(path), pt.State(path)):
        for name, dtype in (("i", np.int16), ("big", np.float32), ("bool", np.bool_)):
            assert [x.dtype for x in got[name]] == [dtype] * 4
            for a, b in zip(got[name], lists, strict=True):
                np.testing.assert_array_equal(a, b.astype(dtype))
        assert got["none"] == [] and got["square"][1][0].tolist() == [7, 8]
        assert got["square"][0][1].shape == (0,)


# Malformed files.


def test_a_file_of_a_newer_hdf5_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=("v114", "v114")) as file:
        file["b"] = np.array([True, False])
    refused(path, r"newer HDF5 than the one ptutils was built with \(1\.\d+\.\d+\)")


def test_claims_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1 << 40,), "f8", chunks=(1 << 20,))
        file["a"][0] = 1
    refused(path, "'/a': claims 8796093022208 bytes of memory")
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (60_000_000,), "u1", chunks=(1,))
    refused(path, "60000000 chunks, of which 0 were written")
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(1000.0)
        file["a"].id.get_offset()
    content = bytearray(path.read_bytes())
    # The size of the one dimension, and its maximum.
    size = (1000).to_bytes(8, "little")
    content = content.replace(size, (1 << 61).to_bytes(8, "little"))
    path.write_bytes(content)
    with pytest.raises(pt.errors.Malformed):
        pt.read(path)
    path.write_bytes(
        path.read_bytes().replace(
            (1 << 61).to_bytes(8, "little"), (1 << 30).to_bytes(8, "little")
        )
    )
    with pytest.raises(pt.errors.Malformed):
        pt.read(path)


FLIPS = """
import random, sys
import ptutils as pt
path = sys.argv[1]
whole = open(path, 'rb').read()
chance = random.Random(1)
errors = 0
for i in range(int(sys.argv[2])):
    content = bytearray(whole)
    for _ in range(chance.choice([1, 1, 3])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    with open(path, 'wb') as file:
        file.write(content)
    try:
        repr(pt.read(path, isolate=True))
    except pt.Error as error:
        assert path in str(error), str(error)
        errors += 1
print(errors)
"""


@pytest.mark.parametrize("libver", ["earliest", "v110"])
def test_flipped_bits_of_others_files(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=(libver, "v110")) as file:
        file["a/b"], file["t"] = np.arange(9.0), ["x", "yy"]
        file.create_dataset("c", data=np.arange(99), chunks=(10,), compression="gzip")
        file["c"].attrs["n"] = "text"
    assert int(run(FLIPS, path, 100)) > 5
