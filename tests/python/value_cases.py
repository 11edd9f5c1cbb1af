"""Values of every kind, by chance, and what it means that two are the same.

``same`` is written without the core: it compares types, order and bits itself.
"""

from __future__ import annotations

import datetime
import struct
from collections import Counter, OrderedDict
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import ptutils as pt

NUMPY = ["bool", *(f"{k}{n}" for k in ("uint", "int") for n in (8, 16, 32, 64))]
NUMPY += ["float16", "float32", "float64", "complex64", "complex128"]
TORCH = [*NUMPY, "bfloat16"]


def _numpy(name: str, shape: tuple[int, ...], raw: bytes) -> np.ndarray:
    dtype = np.dtype(name)
    count = int(np.prod(shape, dtype=int)) * dtype.itemsize
    content = (raw * (count // len(raw) + 1))[:count] if raw else bytes(count)
    if name == "bool":
        content = bytes(b & 1 for b in content)
    return np.frombuffer(bytearray(content), dtype).reshape(shape)


def _torch(name: str, shape: tuple[int, ...], raw: bytes) -> torch.Tensor:
    dtype = getattr(torch, name)
    if 0 in shape:
        return torch.empty(shape, dtype=dtype)
    bits = _numpy("uint16" if name == "bfloat16" else name, shape, raw)
    return torch.frombuffer(bytearray(bits.tobytes()), dtype=dtype).reshape(shape)


def _strided(array: Any, how: int) -> Any:
    if array.ndim >= 2 and how == 1:
        return array.swapaxes(0, 1)
    if array.ndim >= 1 and how == 2:
        return array[::2]
    return array


shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
raws = st.binary(min_size=0, max_size=24)
arrays = st.builds(
    lambda n, s, r, how: _strided(_numpy(n, s, r), how),
    st.sampled_from(NUMPY),
    shapes,
    raws,
    st.integers(0, 3),
)
scalars = st.builds(
    lambda n, r: _numpy(n, (), r)[()], st.sampled_from(NUMPY), st.binary(max_size=16)
)
torches = st.builds(
    lambda n, s, r, how: _strided(_torch(n, s, r), how),
    st.sampled_from(TORCH),
    shapes,
    raws,
    st.integers(0, 3),
)
natives = torches.map(lambda t: pt.Tensor(t.contiguous().clone()))
tensors = st.one_of(arrays, scalars, torches, natives)

integers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(2**63, 2**80),
    st.integers(-(2**200), -(2**63) - 1),
    st.sampled_from([0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64]),
)
nans = st.sampled_from(
    [0x7FF8000000000000, 0x7FF8000000000001, 0xFFF8000000000000, 0xFFFDEADBEEF00001]
).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
floats = st.one_of(
    st.floats(allow_nan=False), nans, st.sampled_from([0.0, -0.0, 1e-4, 5e-324])
)
naive = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30))
aware = st.builds(
    lambda t, s: t.replace(tzinfo=datetime.timezone(datetime.timedelta(seconds=s))),
    naive,
    st.integers(-86399, 86399),
)
texts = st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
) | st.sampled_from(
    ["no", "1e-4", "~", "$tensor", "12:30:00", "a: b", "- x", "\x00", "\u2028", "#", ""]
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    floats,
    st.builds(complex, floats, floats),
    texts,
    st.binary(max_size=12),
    naive,
    aware,
    tensors,
)
keys = st.one_of(texts, st.integers(-(2**63), 2**63 - 1))


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(keys, inner, max_size=4)
    lists = st.lists(inner, max_size=4)
    return st.one_of(
        lists,
        lists.map(tuple),
        dicts,
        dicts.map(OrderedDict),
        st.dictionaries(keys, st.integers(-9, 9), max_size=4).map(Counter),
        dicts.map(pt.State),
        dicts.map(pt.Configuration),
        inner.map(lambda x: {"first": x, "again": x}),  # shared
    )


def nested(depth: int) -> st.SearchStrategy[Any]:
    """Values with up to ``depth`` levels of containers."""
    out: st.SearchStrategy[Any] = leaves
    for _ in range(depth):
        out = st.one_of(leaves, _containers(out))
    return out


values = nested(3)


def bits_of(value: Any) -> tuple[Any, ...]:
    """Type, dtype, shape and bytes of an array of whatever library."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
        raw = bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
        return torch.Tensor, str(value.dtype), tuple(value.shape), raw
    if isinstance(value, pt.Tensor):
        dtype, shape, raw = value.__reduce_ex__(4)[1]
        return pt.Tensor, str(dtype), tuple(shape), bytes(raw)
    return type(value), str(value.dtype), value.shape, value.tobytes()


def same(a: Any, b: Any, path: str = "value") -> str:
    """What differs first, or nothing."""
    if isinstance(a, (torch.Tensor, pt.Tensor, np.ndarray, np.generic)):
        if not isinstance(b, (torch.Tensor, pt.Tensor, np.ndarray, np.generic)):
            return f"{path}: {type(a)} became {type(b)}"
        return "" if bits_of(a) == bits_of(b) else f"{path}: {a!r} became {b!r}"
    if type(a) is not type(b):
        return f"{path}: {type(a)} became {type(b)}"
    if isinstance(a, dict):
        if [(type(k), k) for k in a] != [(type(k), k) for k in b]:
            return f"{path}: keys {list(a)} became {list(b)}"
        pairs = [(k, dict.__getitem__(a, k), dict.__getitem__(b, k)) for k in a]
    elif isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return f"{path}: {len(a)} items became {len(b)}"
        pairs = [(i, x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        return "" if _scalar(a) == _scalar(b) else f"{path}: {a!r} became {b!r}"
    for key, x, y in pairs:
        difference = same(x, y, f"{path}.{key}")
        if difference:
            return difference
    return ""


def _scalar(value: Any) -> Any:
    if type(value) is float:
        return struct.pack("<d", value)
    if type(value) is complex:
        return struct.pack("<dd", value.real, value.imag)
    if type(value) is datetime.datetime:
        return value.replace(tzinfo=None), value.fold, value.utcoffset()
    return value
