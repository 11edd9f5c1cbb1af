"""Tensors that come from and go to NumPy: memory, types, rights, refusals."""

from __future__ import annotations

import gc
import weakref

import pytest

import ptutils as pt
from ptutils import _core

np = pytest.importorskip("numpy")

NAMES = {
    "bool": "bool",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "c64": "complex64",
    "c128": "complex128",
}


@pytest.mark.parametrize(("short", "name"), NAMES.items())
def test_every_dtype_goes_both_ways_in_one_memory(short: str, name: str) -> None:
    source = np.array([[0, 1, 2], [3, 4, 5]]).astype(name)
    t = pt.Tensor(source)
    assert (t.dtype, t.origin) == (short, "numpy")
    back = t.numpy()
    assert back.dtype == source.dtype
    assert np.array_equal(back, source)
    assert np.shares_memory(back, source)
    assert np.asarray(memoryview(t)).dtype == source.dtype
    assert np.shares_memory(np.from_dlpack(t), source)
    for dtype in [short, name, np.dtype(name), source.dtype.type]:
        assert pt.Tensor([1], dtype=dtype).dtype == short
    assert pt.Tensor(source, copy=True).origin in ("numpy", "native")
    assert not np.shares_memory(pt.Tensor(source, copy=True).numpy(), source)


LAYOUTS = {
    "row-major": lambda a: a,
    "fortran": np.asfortranarray,
    "transposed": lambda a: a.T,
    "strided": lambda a: a[:, ::2],
    "negative": lambda a: a[::-1, ::-1],
    "expanded": lambda a: np.broadcast_to(a, (2, 3, 4)),
    "0-d": lambda a: a[0, 0:1].reshape(()),
    "zero-size": lambda a: a[:, 4:],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_keep_their_elements(layout: str) -> None:
    source = LAYOUTS[layout](np.arange(12.0).reshape(3, 4))
    t = pt.Tensor(source)
    assert t.shape == source.shape
    assert np.array_equal(t.numpy(), source)
    assert np.array_equal(np.from_dlpack(t), source)
    assert np.array_equal(np.asarray(memoryview(t)), source)
    assert (t + 0).tolist() == source.tolist()
    shared = layout not in ("negative", "zero-size")
    assert np.shares_memory(t.numpy(), source) is shared
    back = _core._roundtrip({"a": source})["a"]
    assert type(back) is np.ndarray
    assert np.array_equal(back, source)


def test_unaligned_arrays_are_read_and_written() -> None:
    raw = np.zeros(4 * 8 + 1, np.uint8)
    source = raw[1:].view("f8")
    source[:] = [1, 2, 3, 4]
    assert not source.flags.aligned
    t = pt.Tensor(source)
    assert (t * 2).tolist() == [2, 4, 6, 8]
    t[1] = 7
    assert source[1] == 7
    assert np.array_equal(np.from_dlpack(t), source)
    record = np.zeros(3, dtype=[("a", "i1"), ("b", "i4")])
    record["b"] = [1, 2, 3]
    assert pt.Tensor(record["b"]).tolist() == [1, 2, 3]


def test_read_only_stays_read_only() -> None:
    source = np.arange(3.0)
    source.setflags(write=False)
    t = pt.Tensor(source)
    assert t.read_only
    for view in [t.numpy(), t[1:].numpy(), np.from_dlpack(t), np.asarray(t)]:
        assert not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        t[0] = 1
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__()
    assert t.__dlpack__(copy=True) is not None
    torch = pytest.importorskip("torch")
    copy = t.torch()
    copy[0] = 9
    assert source[0] == 0
    assert torch.equal(copy[1:], torch.tensor([1.0, 2.0], dtype=torch.float64))


def test_memory_lives_as_long_as_either_side() -> None:
    source = np.arange(1000.0)
    seen = weakref.ref(source)
    t = pt.Tensor(source)
    row = t.reshape(10, 100)[3]
    del source, t
    gc.collect()
    assert seen() is not None
    assert row[0].item() == 300
    del row
    gc.collect()
    assert seen() is None

    t = pt.Tensor([1.0, 2.0, 3.0])
    views = [t.numpy()[1:], np.from_dlpack(t)[1:], np.asarray(memoryview(t))[1:]]
    del t
    gc.collect()
    [pt.ops.full(3, 9.0) for _ in range(100)]  # would take freed memory
    for view in views:
        assert view.tolist() == [2.0, 3.0]


def test_a_capsule_that_nobody_takes_is_freed() -> None:
    source = np.arange(10)
    seen = weakref.ref(source)
    t = pt.Tensor(source)
    capsules = [t.__dlpack__(), t.__dlpack__(max_version=(1, 0))]
    del t, source
    gc.collect()
    assert seen() is not None
    del capsules
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array(["a"]), "<U1"),
        (np.array([b"a"]), "S1"),
        (np.array([1], dtype=">i4"), ">i4"),
        (np.array([1.0], dtype=">f8"), ">f8"),
        (np.array(["2020-01-01"], dtype="M8[D]"), r"datetime64\[D\]"),
        (np.array([1], dtype="m8[s]"), r"timedelta64\[s\]"),
        (np.array([object()]), "object"),
        (np.zeros(2, dtype=[("a", "i4")]), "fields"),
        (np.zeros(1, dtype=np.longdouble), "float128|longdouble"),
        (np.zeros(1, dtype=np.clongdouble), "complex256|clongdouble"),
        (np.ma.array([1, 2], mask=[0, 1]), "masked.*filled"),
    ],
)
def test_what_has_no_counterpart_is_named(array: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        pt.Tensor(array)
    with pytest.raises(TypeError, match=words):
        pt.ops.exp(array)
    back = _core._roundtrip({"x": array})["x"]
    assert back is array  # carried as it is, never changed in silence


def test_subclasses_of_arrays() -> None:
    matrix = np.matrix([[1, 2], [3, 4]])
    assert pt.Tensor(matrix).tolist() == [[1, 2], [3, 4]]
    assert _core._roundtrip({"x": matrix})["x"] is matrix
    with pytest.raises(TypeError, match="matrix"):
        pt.Tensor([1, 2]) + matrix


def test_memory_maps_count_as_arrays(tmp_path: object) -> None:
    source = np.memmap(f"{tmp_path}/m", dtype="f4", mode="w+", shape=(3,))
    source[:] = [1, 2, 3]
    assert _core._roundtrip(source).tolist() == [1, 2, 3]
    assert np.shares_memory(pt.Tensor(source).numpy(), source)


@pytest.mark.parametrize("name", NAMES.values())
def test_numpy_scalars_keep_their_type(name: str) -> None:
    scalar = np.dtype(name).type(1)
    back = _core._roundtrip({"x": scalar, "y": np.array(1, dtype=name)})
    assert type(back["x"]) is type(scalar)
    assert back["x"] == scalar
    assert type(back["y"]) is np.ndarray
    assert pt.Tensor(scalar).numpy().shape == ()


def test_native_tensors_come_back_native() -> None:
    shared = pt.Tensor(np.arange(3))
    back = _core._roundtrip({"t": shared, "n": np.arange(3)})
    assert type(back["t"]) is pt.Tensor
    assert back["t"].tolist() == [0, 1, 2]
    assert type(back["n"]) is np.ndarray


def test_array_follows_numpys_protocol() -> None:
    t = pt.Tensor([1, 2])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    assert t.__array__(np.float32).dtype == np.float32
    assert np.shares_memory(t.__array__(copy=False), t.numpy())
    with pytest.raises(ValueError, match="copy"):
        t.__array__(np.float32, copy=False)
    with pytest.raises(TypeError, match="bfloat16"):
        np.asarray(pt.Tensor([1], dtype="bf16"))
    with pytest.raises(TypeError, match="bfloat16"):
        pt.Tensor([1], dtype="bf16").numpy()
    assert np.exp(t).tolist() == np.exp(np.array([1, 2])).tolist()


def test_dlpack_arguments_are_checked() -> None:
    t = pt.Tensor([1.0, 2.0])
    assert t.__dlpack_device__() == (1, 0)
    assert np.from_dlpack(t, copy=True).tolist() == [1, 2]
    with pytest.raises(BufferError, match="streams"):
        t.__dlpack__(stream=3)
    with pytest.raises(BufferError, match="CPU"):
        t.__dlpack__(dl_device=(2, 0))


def test_objects_with_a_protocol_of_their_own() -> None:
    class Old:  # DLPack before 1.0
        def __dlpack__(self) -> object:
            return np.arange(3).__dlpack__()

    class Array:
        def __array__(self, dtype: object = None, copy: object = None) -> object:
            return np.arange(4)

    class Broken:
        def __dlpack__(self, **options: object) -> object:
            return 3

    assert pt.Tensor(Old()).tolist() == [0, 1, 2]
    assert pt.Tensor(Array()).tolist() == [0, 1, 2, 3]
    with pytest.raises(TypeError, match="no DLPack capsule"):
        pt.Tensor(Broken())


def test_arrays_and_tensors_mix_into_tensors() -> None:
    t, a = pt.Tensor([1.0, 2.0]), np.array([10, 20])
    for mixed in [t + a, a + t, a * t, np.float32(2) * t, t - np.int8(1)]:
        assert type(mixed) is pt.Tensor
    assert (a - t).tolist() == [9, 18]
    assert (a > t).tolist() == [True, True]
