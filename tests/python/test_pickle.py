"""Pickle by allow-list: exact values come back, nothing is ever run."""

from __future__ import annotations

import datetime
import io
import os
import pickle
import struct
from collections import OrderedDict, deque
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from value_cases import same

import ptutils as pt


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class Evil:
    def __init__(self, function: object, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> object:
        return self.call


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.pkl"


EXACT = [
    {1, 2}, frozenset({3}), bytearray(b"x"), range(3), slice(1, None, 2), 1 << 300,
    datetime.date(2020, 1, 2), datetime.time(1, 2), datetime.timedelta(3),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    np.dtype("float32"), np.dtype(">i4"), np.dtype("datetime64[ns]"),
    np.array(["a", "bc"]), np.array([b"x"]), np.datetime64("2020-01-01T00:00"),
    np.arange(6).reshape(2, 3).T, np.zeros((0, 3)), np.array(5), np.float32(2),
    np.arange(3, dtype=">f8"), np.arange("2020-01", "2020-04", dtype="datetime64[M]"),
    torch.Size([2, 3]), torch.float32, OrderedDict(a=1), [None, ..., True][:1],
]  # fmt: skip


@pytest.mark.parametrize("value", EXACT, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("protocol", range(6))
def test_exact_values_of_any_protocol(value: object, protocol: int, path: Path) -> None:
    path.write_bytes(pickle.dumps({"v": [value]}, protocol))
    back = pt.read(path)["v"][0]
    assert type(back) is type(value)
    if isinstance(value, (np.ndarray, np.generic)):
        assert back.dtype == value.dtype and back.shape == value.shape
        assert back.tobytes() == value.tobytes()
    else:
        assert back == value


@pytest.mark.parametrize("value", EXACT, ids=lambda v: type(v).__name__)
def test_what_we_write_anybody_reads(value: object, path: Path) -> None:
    pt.save(path, {"v": value})
    for back in (pickle.loads(path.read_bytes())["v"], pt.read(path)["v"]):
        if isinstance(value, np.ndarray):
            assert back.dtype == value.dtype and (back == value).all()
        else:
            assert type(back) is type(value) and back == value


def test_torch_as_others_pickle_it(path: Path) -> None:
    net = torch.nn.Linear(3, 2)
    value = {
        "state": net.state_dict(),
        "parameter": net.weight,
        "view": torch.arange(10)[2:8:2],
        "half": torch.ones(2, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "wants": torch.ones(1, requires_grad=True),
    }
    path.write_bytes(pickle.dumps(value))
    back = pt.read(path)
    assert (
        same(
            {k: v for k, v in value.items() if k != "parameter"},
            {k: v for k, v in back.items() if k != "parameter"},
        )
        == ""
    )
    assert type(back["parameter"]) is torch.nn.Parameter
    assert back["wants"].requires_grad and back["state"]._metadata is not None


def test_the_named_classes_come_back(path: Path) -> None:
    path.write_bytes(pickle.dumps({"p": Point(1, 2), "f": Fraction(1, 3)}))
    with pytest.raises(pt.errors.Untrusted, match="Point") as error:
        pt.read(path)
    assert isinstance(error.value, PermissionError)
    assert "allow_class" in str(error.value) and str(path) in str(error.value)
    back = pt.read(path, classes=[Point, Fraction])
    assert back["p"].y == 2 and back["f"] == Fraction(1, 3)
    with pytest.raises(pt.errors.WrongType, match="deque"):
        pt.save(path, deque("aab"))
    pt.files.allow_class(deque)
    pt.save(path, deque("aab"))
    assert pt.read(path) == deque("aab")


TRACE: list[object] = []
CALLS = [
    Evil(os.system, "touch PWNED"),
    Evil(eval, "open('PWNED', 'w')"),
    Evil(exec, "open('PWNED', 'w')"),
    Evil(open, "PWNED", "w"),
    Evil(getattr, Evil(__import__, "os"), "system"),
    Evil(__import__, "antigravity"),
    Evil(type, "X", (), {}),
    Evil(torch.load, "x.pt"),
    Evil(torch.hub.load, "a/b", "c"),
    Evil(np.load, "x.npy"),
    Evil(np.fromfile, "PWNED"),
    Evil(pt._core.write_file, "PWNED", b"x"),
    Evil(pickle.loads, b"N."),
    Evil(map, os.system, ["touch PWNED"]),
    Evil(bytearray, 1 << 40),
    Evil(np.ndarray, (1,), "O", b"A" * 8),
    Evil(pt.State, "/etc/passwd"),
]


@pytest.mark.parametrize("evil", CALLS, ids=lambda e: e.call[0].__name__)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_is_run(
    evil: Evil, protocol: int, path: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path.write_bytes(pickle.dumps([evil], protocol))
    with pytest.raises((pt.errors.Untrusted, pt.errors.Malformed), match="x.pkl"):
        pt.read(path)
    with pytest.raises((pt.errors.Untrusted, pt.errors.Malformed)):
        pt._core.read(path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.pkl"]


def reduced(module: str, name: str, *args: bytes) -> bytes:
    """A pickle that calls a global with arguments given as opcodes."""
    function = b"c" + module.encode() + b"\n" + name.encode() + b"\n"
    return b"\x80\x02" + function + b"(" + b"".join(args) + b"tR."


FORGED = {
    "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tobytes\x93.",
    "dotted2": b"\x80\x04\x8c\x0cptutils._unp\x8c\x0b_core.eval\x93.",
    "ours": reduced("ptutils._unpickle", "loads", b"U\x01."),
    "ours2": reduced("ptutils.state", "State", b"X\x0b\x00\x00\x00/etc/passwd"),
    "builtin": reduced("__builtin__", "eval", b"X\x03\x00\x00\x001+1"),
    "empty": b"",
    "proto": b"\x80\x7f.",
    "nothing": b"\x80\x04.",
    "pop": b"\x80\x040000.",
    "mark": b"\x80\x04t.",
    "memo": b"\x80\x04h\x05.",
    "unhashable": b"\x80\x04}](K\x01K\x02es.",
    "unhashable2": b"\x80\x04}]K\x01s.",
    "big bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "big bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"x.",
    "big text": b"\x80\x04\x8d" + struct.pack("<Q", (1 << 64) - 1) + b"x.",
    "big long": b"\x80\x04\x8b" + struct.pack("<i", 1 << 30) + b"x.",
    "negative long": b"\x80\x04\x8b" + struct.pack("<i", -5) + b"x.",
    "digits": b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    "big frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "buffer": b"\x80\x05\x97.",
    "two": pickle.dumps(1) + pickle.dumps(2),
    "itself": b"\x80\x02]q\x00h\x00a.",
    "deep": b"\x80\x02" + b"](" * 5000 + b"e" * 5000 + b".",
    "lists of lists": b"\x80\x02]q\x00" + b"".join(
        b"](h%ch%ce" % (i, i) + b"q%c" % (i + 1) for i in range(60)) + b".",
    "huge array": reduced(
        "numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n",
        b"(\x8a\x08" + struct.pack("<q", 1 << 60) + b"t", b"U\x01b"),
    "object dtype": reduced("numpy", "dtype", b"U\x02O8", b"\x89", b"\x88"),
    "record dtype": reduced("numpy", "dtype", b"U\x05f4,i4", b"\x89", b"\x88"),
    "storage": reduced("torch.storage", "_load_from_bytes", b"U\x03abc"),
    "unfinished": reduced("numpy.core.multiarray", "_reconstruct",
                          b"cnumpy\nndarray\n", b"(K\x00t", b"U\x01b"),
    "a function": b"\x80\x02cnumpy\ndtype\n.",
    "set class": b"\x80\x02ccollections\nOrderedDict\n)\x81"
                 b"N}U\x09__class__K\x01s\x86b.",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_pickles_are_errors(name: str, path: Path) -> None:
    path.write_bytes(FORGED[name])
    with pytest.raises((pt.errors.Malformed, pt.errors.Untrusted), match="x.pkl"):
        pt.read(path)


def test_a_memo_with_a_hole_takes_no_memory(path: Path) -> None:
    path.write_bytes(b"\x80\x04Nr\xff\xff\xff\xff.")
    assert pt.read(path) is None


def test_an_array_must_fill_its_shape(path: Path) -> None:
    for protocol in (2, 5):
        good = pickle.dumps(np.arange(4, dtype="int32"), protocol)
        for old, new in [(b"K\x04\x85", b"K\x05\x85"), (b"i4", b"i8"), (b"i4", b"O8")]:
            assert old in good
            path.write_bytes(good.replace(old, new))
            with pytest.raises(pt.errors.Malformed):
                pt.read(path)


def test_a_tensor_stays_in_its_storage(path: Path) -> None:
    good = pickle.dumps(torch.arange(4), 2)
    spot = good.index(b"K\x04\x85")
    for new in (b"K\x05\x85", b"K\xff\x85"):
        path.write_bytes(good[:spot] + new + good[spot + 3 :])
        with pytest.raises(pt.errors.Malformed, match="beyond its storage"):
            pt.read(path)


def test_truncation_at_every_byte(path: Path) -> None:
    value = {"a": np.arange(3), "t": torch.ones(2), "x": [1, 2.5, "é", b"b", None]}
    for protocol in (2, 4, 5):
        out = io.BytesIO()
        pickle.Pickler(out, protocol).dump(value)
        whole = out.getvalue()
        for n in range(len(whole)):
            path.write_bytes(whole[:n])
            with pytest.raises((pt.errors.Malformed, pt.errors.Untrusted)):
                pt.read(path)


def test_what_could_not_be_read_is_not_written(path: Path) -> None:
    for bad in (Point(1, 2), lambda: 0, np.array([object()]), os, os.system, Point):
        with pytest.raises(pt.errors.WrongType, match="x.pkl"):
            pt.save(path, {"a": bad})
        assert not path.exists()


def test_the_core_carries_what_it_does_not_know(path: Path) -> None:
    pt._core.save(path, {"s": {1, 2}, "d": datetime.date(2020, 1, 2)})
    assert pt._core.read(path) == {"s": {1, 2}, "d": datetime.date(2020, 1, 2)}


@pytest.mark.parametrize(
    "name", ["float8_e5m2", "float8_e4m3fn", "complex32", "uint16"]
)
def test_torch_dtypes_that_torch_pickles_by_another_way_come_back(tmp_path, name):
    path = tmp_path / "x.pkl"
    bits = torch.arange(12, dtype=torch.int32).reshape(3, 4).to(torch.int8)
    size = getattr(torch, name).itemsize
    x = bits.repeat(1, size).view(getattr(torch, name))
    pt.save(path, {"x": x, "turned": x.t(), "empty": x[:0]})
    back = pt.read(path)
    whole = getattr(torch, f"int{8 * size}")
    for key, value in {"x": x, "turned": x.t(), "empty": x[:0]}.items():
        assert back[key].dtype == x.dtype and back[key].shape == value.shape
        assert torch.equal(back[key].view(whole), value.view(whole))


def test_a_parameter_of_such_a_dtype_comes_back(tmp_path):
    x = torch.nn.Parameter(torch.ones(2).to(torch.float8_e5m2), requires_grad=False)
    pt.save(tmp_path / "x.pkl", {"x": x})
    back = pt.read(tmp_path / "x.pkl")["x"]
    assert type(back) is torch.nn.Parameter and back.dtype == torch.float8_e5m2


def test_a_tensor_without_values_is_refused(tmp_path):
    with pytest.raises(TypeError, match="meta device, which has no values"):
        pt.save(tmp_path / "x.pkl", {"x": torch.zeros(2, device="meta")})


def test_a_torch_tensor_of_a_later_protocol_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    content = pickle.dumps(torch.ones(2), 4)
    # The pickle inside the storage's bytes that holds its protocol version.
    inner = b"\x80\x02M\xe9\x03."
    assert content.count(inner) == 1
    path.write_bytes(content.replace(inner, b"\x80\x06M\xe9\x03."))
    with pytest.raises(pt.errors.Malformed, match=r"x\.pkl: .*protocol"):
        pt.read(path)
