"""What a pickle may build: functions that check their arguments, by the names
that pickles have for them. NumPy's and torch's own trust theirs."""

from __future__ import annotations

import collections
import datetime
import io
import math
import re
import sys
import warnings
from typing import Any

from .errors import Malformed

_MAX_BYTES = (1 << 63) - 1  # of a tensor, strides of 0 written out
_DTYPE = re.compile(r"([<>=|]?)([biufc]\d{1,2}|[USVMm]\d{0,9})\Z")


class Token:
    """Stands for a class that a pickle only passes on as an argument."""

    def __init__(self, name: str) -> None:
        self.name = name


_NDARRAY = Token("numpy.ndarray")


def malformed(what: str) -> Malformed:
    return Malformed(what)


# NumPy.


def _dtype(name: Any, _align: Any = False, _copy: Any = False) -> Any:
    import numpy as np

    if not isinstance(name, str) or not _DTYPE.match(name):
        raise malformed(f"a NumPy dtype {name!r}, which is not read")
    return np.dtype(name)


def with_dtype_state(dtype: Any, state: Any) -> Any:
    import numpy as np

    if not isinstance(state, tuple) or len(state) not in (8, 9):
        raise malformed("a NumPy dtype with an unknown state")
    if any(part is not None for part in state[2:5]):
        raise malformed("a NumPy dtype with fields, which is not read")
    if dtype.kind in "mM" and len(state) == 9:
        unit = state[8][1]
        text = unit[0].decode() if isinstance(unit[0], bytes) else str(unit[0])
        if not re.fullmatch(r"[A-Za-zμ]{1,7}", text):
            raise malformed("a NumPy time of an unknown unit")
        if text != "generic":
            dtype = np.dtype(f"{dtype.kind}8[{int(unit[1])}{text}]")
    return dtype.newbyteorder(">") if state[1] == ">" else dtype


def is_dtype(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.dtype)


def array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
    import numpy as np

    if not is_dtype(dtype) or dtype.hasobject:
        raise malformed("a NumPy array of objects, which is not read")
    if not isinstance(shape, tuple) or len(shape) > 64:
        raise malformed("a NumPy array without a shape")
    if not all(type(n) is int and n >= 0 for n in shape) or order not in ("C", "F"):
        raise malformed("a NumPy array of an impossible shape")
    if not isinstance(content, (bytes, bytearray)):
        raise malformed("a NumPy array without its bytes")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise malformed(
            f"a NumPy array of shape {shape}, {dtype}, with {len(content)} bytes"
        )
    if not content:
        return np.empty(shape, dtype, order)
    flat = np.frombuffer(
        bytearray(content) if type(content) is bytes else content, dtype
    )
    return flat.reshape(shape, order=order)


def _frombuffer(
    content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
) -> Any:
    if order != "K":
        return array(content, dtype, shape, order)
    out = array(content, dtype, shape)
    if axes is None:
        return out
    if not isinstance(axes, (list, tuple)) or sorted(axes) != list(range(out.ndim)):
        raise malformed("a NumPy array with an impossible order of axes")
    return out.transpose(axes)


def _scalar(dtype: Any, content: Any = None) -> Any:
    return array(content, dtype, ())[()]


def array_parts(state: Any) -> tuple[Any, Any, Any, str]:
    """Of the state of an array in a pickle, what ``array`` takes."""
    if not isinstance(state, tuple) or len(state) not in (4, 5):
        raise malformed("a NumPy array with an unknown state")
    shape, dtype, fortran, content = state[-4:]
    if isinstance(content, str):
        content = content.encode("latin1")
    return content, dtype, shape, "F" if fortran else "C"


class Pending:
    """An array whose content comes with BUILD."""


def _reconstruct(cls: Any, _shape: Any, _kind: Any) -> Any:
    if cls is not _NDARRAY:
        raise malformed("an array of a class that is not read")
    return Pending()


# torch.


def _storage(content: Any) -> Any:
    import torch

    if not isinstance(content, bytes):
        raise malformed("a torch storage without its bytes")
    with warnings.catch_warnings():
        # Of a protocol that pickle.load refuses, too, torch only says so.
        warnings.filterwarnings("error", "Detected pickle protocol")
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def _untyped(storage: Any) -> tuple[Any, Any]:
    import torch

    if isinstance(storage, torch.storage.TypedStorage):
        return storage._untyped_storage, storage.dtype
    if isinstance(storage, torch.UntypedStorage):
        return storage, torch.uint8
    raise malformed("a torch tensor without its storage")


def _tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    _hooks: Any = None,
    metadata: Any = None,
) -> Any:
    untyped, dtype = _untyped(storage)
    if metadata:
        raise malformed("a torch tensor with conj or neg bits: save it resolved")
    return _tensor_of(untyped, dtype, offset, size, stride, requires_grad)


def _tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    _hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    if metadata:
        raise malformed("a torch tensor with conj or neg bits: save it resolved")
    return _tensor_of(_untyped(storage)[0], dtype, offset, size, stride, requires_grad)


def _tensor_of(
    untyped: Any, dtype: Any, offset: Any, size: Any, stride: Any, requires_grad: Any
) -> Any:
    import torch

    numbers = (offset, *size, *stride)
    if not isinstance(dtype, torch.dtype) or len(size) != len(stride):
        raise malformed("a torch tensor without dtype or strides")
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise malformed("a torch tensor of an impossible shape")
    if math.prod(size) * dtype.itemsize > _MAX_BYTES:
        raise malformed("a torch tensor of an impossible shape")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if math.prod(size) and (last + 1) * dtype.itemsize > untyped.nbytes():
        raise malformed("a torch tensor that reaches beyond its storage")
    out = torch.empty(0, dtype=dtype)
    if math.prod(size):
        out.set_(untyped, offset, tuple(size), tuple(stride))
    else:
        out = torch.empty(tuple(size), dtype=dtype)
    return out.requires_grad_(bool(requires_grad)) if requires_grad else out


def _parameter(data: Any, requires_grad: Any, _hooks: Any = None) -> Any:
    import torch

    if not isinstance(data, torch.Tensor):
        raise malformed("a torch Parameter without its tensor")
    return torch.nn.Parameter(data, requires_grad=bool(requires_grad))


def is_viewed(name: str) -> bool:
    """Whether torch's own pickles lose this dtype, or ours cannot read them."""
    return re.fullmatch(r"uint(16|32|64)|float8_\w+|complex32", name) is not None


def unsigned(signed: Any, name: Any, requires_grad: Any = False) -> Any:
    """A tensor of such a dtype, from the integers of its bits."""
    import torch

    known = isinstance(name, str) and is_viewed(name)
    dtype = getattr(torch, name, None) if known else None
    if not isinstance(dtype, torch.dtype) or not isinstance(signed, torch.Tensor):
        raise malformed(f"a torch tensor of {name!r} without its bits")
    if signed.dtype.itemsize != dtype.itemsize:
        raise malformed(f"a torch tensor of {name!r} with bits of {signed.dtype}")
    out = signed.view(dtype)
    return out.requires_grad_(True) if requires_grad else out


def _size(content: Any = ()) -> Any:
    import torch

    _check_items(content)
    return torch.Size(tuple(int(n) for n in content))


def torch_name(name: str) -> Any:
    """torch.float32, torch.FloatStorage …: dtypes and storage classes."""
    import torch

    found = getattr(torch, name, None) if name.isidentifier() else None
    if isinstance(found, torch.dtype):
        return found
    return Token(f"torch.{name}") if name.endswith("Storage") and found else None


# Plain Python.


def _check_items(items: Any) -> None:
    """Not a range, and not a tensor of strides of 0: a few bytes of a file would
    be items without end."""
    if not isinstance(items, (list, tuple, dict, set, frozenset)):
        raise malformed("a collection that is not made of a list")


def check_collection(cls: Any, args: Any) -> None:
    """What set, frozenset, OrderedDict and Counter are made of."""
    for items in args:
        _check_items(items)
        if cls is collections.OrderedDict and not isinstance(items, dict):
            for pair in items:
                _check_items(pair)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise malformed(f"bytes in the encoding {encoding!r}")
    return str(text).encode("latin1")


def _bytes(*args: Any) -> bytes:
    if args and not isinstance(args[0], bytes):
        raise malformed("bytes that are not made of bytes")
    return args[0] if args else b""


def _bytearray(*args: Any) -> bytearray:
    if args and isinstance(args[0], str) and len(args) == 2:
        return bytearray(_encode(*args))
    if args and not isinstance(args[0], (bytes, bytearray)):
        raise malformed("a bytearray that is not made of bytes")
    return bytearray(*args[:1])


def _out_of_band(content: Any) -> Any:
    try:
        return memoryview(content)
    except TypeError:
        raise malformed("a tensor without its bytes") from None


def dotted(cls: Any, items: Any) -> Any:
    """A State or Configuration with keys that would lead into its nested ones."""
    from ._dot_dict import DotDict

    if not (isinstance(cls, type) and issubclass(cls, DotDict)):
        raise malformed("a State of a class that is not read")
    _check_items(items)
    out = cls.__new__(cls)
    for item in items:
        _check_items(item)
        key, value = item
        dict.__setitem__(out, key, value)
    return out


def native(dtype: Any, shape: Any, content: Any) -> Any:
    from . import _core

    """A ptutils.Tensor of a pickle: its bytes, or a buffer beside the pickle."""
    if not isinstance(shape, tuple):
        raise malformed("a tensor without its shape")
    if not isinstance(content, (bytes, bytearray)):
        content = _out_of_band(content)
    if not all(type(n) is int and n >= 0 for n in shape):
        raise malformed("a tensor of an impossible shape")
    size = memoryview(content).nbytes
    if math.prod(shape) > size:
        raise malformed(f"a tensor of shape {shape} with {size} bytes")
    return _core._rebuild_tensor(str(dtype), shape, content)


_NUMPY = {
    ("multiarray", "_reconstruct"): _reconstruct,
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _frombuffer,
}
CALLS: dict[tuple[str, str], Any] = {
    **{
        (f"numpy.{core}.{module}", name): made
        for (module, name), made in _NUMPY.items()
        for core in ("core", "_core")
    },
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _NDARRAY,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "date"): datetime.date,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("datetime", "timezone"): datetime.timezone,
    ("builtins", "complex"): complex,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "range"): range,
    ("builtins", "slice"): slice,
    ("_codecs", "encode"): _encode,
    ("ptutils._rebuild", "dotted"): dotted,
    ("ptutils._rebuild", "native"): native,
    ("ptutils._rebuild", "unsigned"): unsigned,
}
FUNCTION_IDS = {id(call) for call in CALLS.values() if not isinstance(call, type)}
CALL_IDS = {id(call) for call in CALLS.values()}
