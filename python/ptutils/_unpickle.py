"""Pickle by allow-list: what is not on the list is never looked up, called or
changed.

The reader is the standard library's, in Python, so that each step that could
run something (REDUCE, NEWOBJ, BUILD, …) goes through a check here. Arrays,
dtypes and tensors are made by functions of this file, whose arguments are
checked: NumPy's own trust theirs.
"""

from __future__ import annotations

import _compat_pickle
import collections
import datetime
import io
import math
import pickle
import re
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .errors import Malformed, Untrusted, WrongValue

_MAX_DEPTH = 500
_DTYPE = re.compile(r"([<>=|]?)([biufc]\d{1,2}|[USVMm]\d{0,9})\Z")


class _Token:
    """Stands for a class that a pickle only passes on as an argument."""

    def __init__(self, name: str) -> None:
        self.name = name


_NDARRAY = _Token("numpy.ndarray")


def _malformed(what: str) -> Malformed:
    return Malformed(what)


# NumPy.


def _dtype(name: Any, _align: Any = False, _copy: Any = False) -> Any:
    import numpy as np

    if not isinstance(name, str) or not _DTYPE.match(name):
        raise _malformed(f"a NumPy dtype {name!r}, which is not read")
    return np.dtype(name)


def _with_dtype_state(dtype: Any, state: Any) -> Any:
    import numpy as np

    if not isinstance(state, tuple) or len(state) not in (8, 9):
        raise _malformed("a NumPy dtype with an unknown state")
    if any(part is not None for part in state[2:5]):
        raise _malformed("a NumPy dtype with fields, which is not read")
    if dtype.kind in "mM" and len(state) == 9:
        unit = state[8][1]
        text = unit[0].decode() if isinstance(unit[0], bytes) else str(unit[0])
        if not re.fullmatch(r"[A-Za-zμ]{1,7}", text):
            raise _malformed("a NumPy time of an unknown unit")
        if text != "generic":
            dtype = np.dtype(f"{dtype.kind}8[{int(unit[1])}{text}]")
    return dtype.newbyteorder(">") if state[1] == ">" else dtype


def _is_dtype(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.dtype)


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> Any:
    import numpy as np

    if not _is_dtype(dtype) or dtype.hasobject:
        raise _malformed("a NumPy array of objects, which is not read")
    if not isinstance(shape, tuple) or len(shape) > 64:
        raise _malformed("a NumPy array without a shape")
    if not all(type(n) is int and n >= 0 for n in shape) or order not in ("C", "F"):
        raise _malformed("a NumPy array of an impossible shape")
    if not isinstance(content, (bytes, bytearray)):
        raise _malformed("a NumPy array without its bytes")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise _malformed(
            f"a NumPy array of shape {shape}, {dtype}, with {len(content)} bytes"
        )
    if not content:
        return np.empty(shape, dtype, order)
    flat = np.frombuffer(
        bytearray(content) if type(content) is bytes else content, dtype
    )
    return flat.reshape(shape, order=order)


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> Any:
    return _array(content, dtype, shape, order)


def _scalar(dtype: Any, content: Any = None) -> Any:
    return _array(content, dtype, ())[()]


class _Pending:
    """An array whose content comes with BUILD."""


def _reconstruct(cls: Any, _shape: Any, _kind: Any) -> Any:
    if cls is not _NDARRAY:
        raise _malformed("an array of a class that is not read")
    return _Pending()


# torch.


def _storage(content: Any) -> Any:
    import torch

    if not isinstance(content, bytes):
        raise _malformed("a torch storage without its bytes")
    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def _untyped(storage: Any) -> tuple[Any, Any]:
    import torch

    if isinstance(storage, torch.storage.TypedStorage):
        return storage._untyped_storage, storage.dtype
    if isinstance(storage, torch.UntypedStorage):
        return storage, torch.uint8
    raise _malformed("a torch tensor without its storage")


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
        raise _malformed("a torch tensor with conj or neg bits: save it resolved")
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
        raise _malformed("a torch tensor with conj or neg bits: save it resolved")
    return _tensor_of(_untyped(storage)[0], dtype, offset, size, stride, requires_grad)


def _tensor_of(
    untyped: Any, dtype: Any, offset: Any, size: Any, stride: Any, requires_grad: Any
) -> Any:
    import torch

    numbers = (offset, *size, *stride)
    if not isinstance(dtype, torch.dtype) or len(size) != len(stride):
        raise _malformed("a torch tensor without dtype or strides")
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise _malformed("a torch tensor of an impossible shape")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if math.prod(size) and (last + 1) * dtype.itemsize > untyped.nbytes():
        raise _malformed("a torch tensor that reaches beyond its storage")
    out = torch.empty(0, dtype=dtype)
    if math.prod(size):
        out.set_(untyped, offset, tuple(size), tuple(stride))
    else:
        out = torch.empty(tuple(size), dtype=dtype)
    return out.requires_grad_(bool(requires_grad)) if requires_grad else out


def _parameter(data: Any, requires_grad: Any, _hooks: Any = None) -> Any:
    import torch

    if not isinstance(data, torch.Tensor):
        raise _malformed("a torch Parameter without its tensor")
    return torch.nn.Parameter(data, requires_grad=bool(requires_grad))


def _unsigned(signed: Any, name: Any) -> Any:
    """A tensor of the unsigned dtypes, which torch's own pickles lose."""
    import torch

    if name not in ("uint16", "uint32", "uint64") or not isinstance(
        signed, torch.Tensor
    ):
        raise _malformed("an unsigned torch tensor without its tensor")
    return signed.view(getattr(torch, name))


def _size(content: Any = ()) -> Any:
    import torch

    return torch.Size(tuple(int(n) for n in content))


def _torch_name(name: str) -> Any:
    """torch.float32, torch.FloatStorage …: dtypes and storage classes."""
    import torch

    found = getattr(torch, name, None) if name.isidentifier() else None
    if isinstance(found, torch.dtype):
        return found
    return _Token(f"torch.{name}") if name.endswith("Storage") and found else None


# Plain Python.


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _malformed(f"bytes in the encoding {encoding!r}")
    return str(text).encode("latin1")


def _bytes(*args: Any) -> bytes:
    if args and not isinstance(args[0], bytes):
        raise _malformed("bytes that are not made of bytes")
    return args[0] if args else b""


def _bytearray(*args: Any) -> bytearray:
    if args and isinstance(args[0], str) and len(args) == 2:
        return bytearray(_encode(*args))
    if args and not isinstance(args[0], (bytes, bytearray)):
        raise _malformed("a bytearray that is not made of bytes")
    return bytearray(*args[:1])


def _native(dtype: Any, shape: Any, content: Any) -> Any:
    from . import _core

    if not isinstance(content, (bytes, bytearray)) or not isinstance(shape, tuple):
        raise _malformed("a tensor without its bytes")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise _malformed("a tensor of an impossible shape")
    if math.prod(shape) > len(content):
        raise _malformed(f"a tensor of shape {shape} with {len(content)} bytes")
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
    ("ptutils._unpickle", "_native"): _native,
    ("ptutils._unpickle", "_unsigned"): _unsigned,
}
_FUNCTION_IDS = {id(call) for call in CALLS.values() if not isinstance(call, type)}
_CALL_IDS = {id(call) for call in CALLS.values()}
# What a pickle may make by NEWOBJ beside the user's classes.
_DICTS = ("State", "Configuration", "Branch", "Section")

_user: dict[tuple[str, str], type] = {}


def allow_class(*classes: type) -> None:
    """Lets pickles, and ``.pt`` files, hold instances of these classes.

    >>> from fractions import Fraction
    >>> allow_class(Fraction)
    """
    for cls in classes:
        if not isinstance(cls, type):
            raise WrongValue(f"[allow_class] takes classes, not {cls!r}")
        _user[cls.__module__, cls.__qualname__] = cls


def allowed_classes() -> list[type]:
    """The classes that the user has named."""
    return list(_user.values())


def find(module: str, name: str, classes: Iterable[type] = ()) -> Any:
    """What a name on the list stands for; Untrusted otherwise."""
    if (module, name) in CALLS:
        return CALLS[module, name]
    if module == "ptutils.state" and name in _DICTS:
        from . import state

        return getattr(state, name)
    if module == "torch":
        found = _torch_name(name)
        if found is not None:
            return found
    for cls in classes:
        if (cls.__module__, cls.__qualname__) == (module, name):
            return cls
    if (module, name) in _user:
        return _user[module, name]
    raise Untrusted(
        f"{module}.{name} is not on the list of what a pickle may hold. If it is "
        f"a class of yours: pt.files.allow_class({name}), or "
        f"read(path, classes=[{name}]). If you do not know it: do not read the "
        "file"
    )


class Unpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """The standard library's reader with a check at each step that acts."""

    def __init__(self, content: bytes, classes: Iterable[type] = ()) -> None:
        self._file = io.BytesIO(content)
        self._length = len(content)
        self._classes = tuple(classes)
        super().__init__(self._file)

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        return find(module, name, self._classes)

    def get_extension(self, code: int) -> None:
        raise _malformed("a class by a registered number, which is not read")

    def persistent_load(self, _pid: Any) -> Any:
        raise _malformed("an object that lies outside the file")

    def _is_user(self, cls: Any) -> bool:
        return isinstance(cls, type) and (cls in self._classes or cls in _user.values())

    def _check_call(self, function: Any, args: Any) -> None:
        known = id(function) in _CALL_IDS and not isinstance(function, _Token)
        if not (known or self._is_user(function)):
            raise _malformed(f"a call of {function!r}, which is not read")
        if not isinstance(args, tuple):
            raise _malformed("a call without its arguments")

    def load_reduce(self) -> None:
        function, args = self.stack[-2], self.stack[-1]
        self._check_call(function, args)
        if function is range or function is slice:
            if not all(a is None or type(a) is int for a in args):
                raise _malformed("a range that is not of numbers")
        pickle._Unpickler.load_reduce(self)  # type: ignore[attr-defined]

    def _new(self, cls: Any, args: Any, kwargs: Any) -> Any:
        from .state import DotDict

        if not isinstance(args, tuple) or not isinstance(kwargs, dict):
            raise _malformed("an object without its arguments")
        plain = cls is collections.OrderedDict or (
            isinstance(cls, type) and issubclass(cls, DotDict)
        )
        if plain and not args and not kwargs:
            return cls.__new__(cls)
        if cls in (datetime.datetime, datetime.date, datetime.time) and not kwargs:
            return cls(*args)
        if not self._is_user(cls):
            raise _malformed(f"an object of {cls!r}, which is not read")
        return cls.__new__(cls, *args, **kwargs)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], args, {})

    def load_newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], args, kwargs)

    def _instantiate(self, klass: Any, args: Any) -> None:
        if not self._is_user(klass):
            raise _malformed(f"an object of {klass!r}, which is not read")
        self.append(klass(*args))

    def load_build(self) -> None:
        target, state = self.stack[-2], self.stack[-1]
        if isinstance(target, _Pending):
            self._replace(target, self._built_array(state))
        elif _is_dtype(target):
            self._replace(target, _with_dtype_state(target, state))
        elif type(target) is collections.OrderedDict and isinstance(state, dict):
            self.stack.pop()
            target.__dict__.update({str(k): v for k, v in state.items()})
        elif self._is_user(type(target)):
            pickle._Unpickler.load_build(self)  # type: ignore[attr-defined]
        else:
            raise _malformed(f"a {type(target).__name__} that would be changed")

    def _built_array(self, state: Any) -> Any:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise _malformed("a NumPy array with an unknown state")
        shape, dtype, fortran, content = state[-4:]
        if isinstance(content, str):
            content = content.encode("latin1")
        return _array(content, dtype, shape, "F" if fortran else "C")

    def _replace(self, old: Any, new: Any) -> None:
        """The finished object takes its unfinished one's place."""
        self.stack.pop()
        self.stack[-1] = new
        if new is old:
            return
        for key in [key for key, value in self.memo.items() if value is old]:
            self.memo[key] = new

    def load_frame(self) -> None:
        start = self._file.tell()
        (size,) = struct.unpack("<Q", self.read(8))
        if size > self._length - start:
            raise _malformed("a frame beyond the end of the file")
        self._unframer.load_frame(size)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > self._length:
            raise _malformed("bytes beyond the end of the file")
        self.append(bytearray(self.read(size)))

    dispatch: dict[int, Callable[..., None]] = {
        **pickle._Unpickler.dispatch,  # type: ignore[attr-defined]
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.FRAME[0]: load_frame,
    }

    def at_end(self) -> bool:
        """Whether the pickle was the whole content."""
        frame = getattr(self._unframer, "current_frame", None)
        return self._file.read(1) == b"" and not (frame and frame.read(1))


def check_size(value: Any, limit: int) -> None:
    """Refuses what is nested too deep (or in itself), and what is small in the
    file but without end when written out (lists of one list, again and again).
    """
    sizes: dict[int, int] = {}  # id -> entries, written out
    open_ids: set[int] = set()
    stack: list[tuple[Any, Any]] = [(value, None)]
    while stack:
        item, children = stack[-1]
        if children is None:
            if id(item) in sizes or not isinstance(
                item, (dict, list, tuple, set, frozenset)
            ):
                stack.pop()
                continue
            if id(item) in open_ids or len(stack) > _MAX_DEPTH + 2:
                raise _malformed(f"nested deeper than {_MAX_DEPTH}, or in itself")
            open_ids.add(id(item))
            inner = list(dict.values(item) if isinstance(item, dict) else item)
            children = iter(inner)
            stack[-1] = (item, children)
            sizes[-id(item)] = 1
        child = next(children, stack)
        parent = -id(item)
        if child is stack:
            open_ids.discard(id(item))
            sizes[id(item)] = sizes.pop(parent)
            stack.pop()
            if stack:
                sizes[-id(stack[-1][0])] += sizes[id(item)]
        elif id(child) in sizes:
            sizes[parent] += sizes[id(child)]
        elif isinstance(child, (dict, list, tuple, set, frozenset)):
            stack.append((child, None))
            continue
        elif isinstance(child, (_Token, _Pending)) or id(child) in _FUNCTION_IDS:
            raise _malformed("a part that was never finished")
        else:
            sizes[parent] += 1
        if sizes.get(parent, 0) > limit:
            raise _malformed(f"more than {limit} entries when written out")


def loads(content: bytes, classes: Iterable[type] = ()) -> Any:
    """The object of a pickle; Malformed or Untrusted otherwise."""
    reader = Unpickler(content, classes)
    try:
        value = reader.load()
        complete = reader.at_end()
    except (Malformed, Untrusted):
        raise
    except RecursionError as error:
        raise _malformed("nested too deep") from error
    except Exception as error:
        text = str(error) or type(error).__name__
        raise _malformed(f"not a whole pickle: {text}") from error
    if not complete:
        raise _malformed("more bytes behind its end")
    check_size([value], max(1_000_000, 64 * len(content)))
    return value
