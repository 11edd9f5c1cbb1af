"""The pickle format (.pkl): exact Python values, for those who trust the list.

Written for everybody (the standard pickle), read by the allow-list of
``_unpickle``. What could not be read again is refused before anything is
written.
"""

from __future__ import annotations

import datetime
import io
import pickle
import sys
from collections.abc import Iterable
from typing import Any

from . import _core, _rebuild, _unpickle
from .errors import Error, IOFailed, Malformed, Untrusted, WrongType

_PLAIN = (
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
)


def _instance_of(value: Any, library: str, *names: str) -> bool:
    """Of a class of a library that is loaded; never imports it."""
    module = sys.modules.get(library)
    if module is None:
        return False
    return type(value) in [getattr(module, name, None) for name in names]


class _Pickler(pickle.Pickler):
    """Refuses what reading would refuse."""

    def reducer_override(self, value: Any) -> Any:
        if (
            isinstance(value, type)
            or callable(value)
            and hasattr(value, "__qualname__")
        ):
            name = getattr(value, "__module__", "?"), value.__qualname__
            if name not in _LOOKED_UP:
                _unpickle.find(*name)
            return NotImplemented
        if isinstance(value, _core.Tensor):
            return _rebuild.native, value.__reduce_ex__(4)[1]
        if _is_torch_tensor(value):
            return _torch_reduced(value)
        if not _is_readable(value):
            if dtype := _numpy_dtype(value):
                raise WrongType(
                    f"an array of NumPy's dtype {dtype}, which a pickle here does "
                    "not hold: give its elements one type (.astype('f4')), or "
                    "save its fields one by one"
                )
            raise WrongType(
                f"a {type(value).__module__}.{type(value).__qualname__}, which a "
                "pickle here does not hold; pt.files.allow_class("
                f"{type(value).__qualname__}) lets it, here and where it is read"
            )
        return NotImplemented


_COLLECTIONS = ("OrderedDict", "Counter")
# Written by Python's own reductions, read as opcodes.
_LOOKED_UP = {("copyreg", "__newobj__"), ("copyreg", "__newobj_ex__")}


def _is_readable(value: Any) -> bool:
    from ._dot_dict import DotDict

    kind = type(value)
    if kind in _PLAIN or isinstance(value, DotDict):
        return True
    if kind.__module__ == "collections" and kind.__name__ in _COLLECTIONS:
        return True
    if kind in (range, slice, complex, bytearray, set, frozenset):
        return True
    if kind in _unpickle.allowed_classes():
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.dtype):
            return not value.hasobject and value.names is None
        if kind is numpy.ndarray or isinstance(value, numpy.generic):
            return _is_readable(value.dtype)
    return _instance_of(value, "torch", "Size", "dtype") or (
        kind.__module__ == "torch.storage"
    )


def _numpy_dtype(value: Any) -> str:
    """Of an array or a scalar; '' of anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return ""
    return str(value.dtype) if not _is_readable(value.dtype) else ""


def _is_torch_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _torch_reduced(value: Any) -> Any:
    """As torch has it, on the CPU, without graph and without lazy bits."""
    import torch

    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        raise WrongType(f"a torch tensor of the class {type(value).__qualname__}")
    if value.is_meta:
        raise WrongType("a torch tensor on the meta device, which has no values")
    plain = value.detach().cpu().resolve_conj().resolve_neg()
    if plain.layout is not torch.strided:
        raise WrongType(f"a torch tensor of layout {plain.layout}: use .to_dense()")
    if plain.untyped_storage().nbytes() > 2 * plain.nbytes + 64:
        plain = plain.clone()  # not the whole storage for a small view
    if type(value) is torch.nn.Parameter:
        return torch._utils._rebuild_parameter, (plain, value.requires_grad, None)
    name = str(plain.dtype).removeprefix("torch.")
    if _rebuild.is_viewed(name):
        whole = getattr(torch, f"int{8 * plain.itemsize}")
        return _rebuild.unsigned, (plain.view(whole), name, value.requires_grad)
    plain.requires_grad_(value.requires_grad)
    return plain.__reduce_ex__(2)


# Behind the pickle, where pickle.load does not look.
_MARK = b"__ptutils__ xxh3 "


def _seal(sum: int) -> bytes:
    return _MARK + b"%016x" % sum


class _Output:
    """A file for the pickler: what is pickled is hashed and written at once, not
    gathered in memory."""

    def __init__(self, path: str, durable: bool) -> None:
        self._file = _core._AtomicFile(path, durable)
        self._hash = _core._Hash64()
        self.size = 0

    def write(self, content: Any) -> int:
        self._hash.update(content)
        written = self._file.write(content)
        self.size += written
        return written

    def commit(self) -> None:
        self._file.write(_seal(self._hash.digest()))
        self._file.commit()

    def close(self) -> None:
        """Removes what was not committed."""
        del self._file


def _unsealed(path: str, content: bytes, verify: bool) -> bytes:
    place = len(content) - len(_MARK) - 16
    if place < 0 or content[place : place + len(_MARK)] != _MARK:
        return content  # another program's
    if verify:
        if content[place:] != _seal(_core._hash64(content[:place])):
            raise Malformed(f"[pickle] {path}: damaged: its checksum differs")
        _core._note_checksums_compared()
    return content[:place]


def _place(value: Any) -> str:
    """Of the first thing in it that no pickle here holds: 'a.b.1'."""

    def fails(part: Any) -> bool:
        try:
            _Pickler(io.BytesIO(), protocol=5).dump(part)
        except Exception:
            return True
        return False

    path: list[str] = []
    while True:
        parts: Any = ()
        if isinstance(value, dict):
            parts = dict.items(value)
        elif isinstance(value, list | tuple):
            parts = enumerate(value)
        found = next(((key, part) for key, part in parts if fails(part)), None)
        if found is None:
            return ".".join(path)
        path.append(str(found[0]))
        value = found[1]


class PickleCodec:
    """Registered for ``.pkl`` and ``.pickle``."""

    name = "pickle"
    suffixes = (".pkl", ".pickle")
    writes_atomically = True

    def read(
        self, path: str, classes: Iterable[type] = (), verify: bool = False
    ) -> Any:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except IsADirectoryError as error:
            raise IOFailed(f"[pickle] {path} is a folder, not a file") from error
        content = _unsealed(path, content, verify)
        try:
            return _unpickle.loads(content, classes)
        except (Malformed, Untrusted) as error:
            raise type(error)(f"[pickle] {path}: {error}") from error.__cause__

    def write(self, path: str, value: Any, durable: bool = True) -> None:
        out = _Output(path, durable)
        try:
            _Pickler(out, protocol=5).dump(value)
            _unpickle.check_size([value], max(1_000_000, 64 * out.size))
            out.commit()
        except IOFailed:
            raise
        except RecursionError as error:
            raise WrongType(
                f"[pickle] {path}: nested too deep, or in itself"
            ) from error
        except (
            Error, TypeError, ValueError, pickle.PicklingError, AttributeError
        ) as error:  # fmt: skip
            said = str(error).partition(" If you do not know it")[0]
            place = _place(value)
            where = f"'{place}': " if place else ""
            raise WrongType(f"[pickle] {path}: {where}{said}") from error
        finally:
            out.close()
