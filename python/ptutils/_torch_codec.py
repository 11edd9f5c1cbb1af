"""torch's format (.pt): what ``torch.load(weights_only=True)`` reads.

A file holds the value as torch knows it (dicts, lists, numbers, text, torch
tensors), so that any torch program reads it, and beside it, as one more member
of the archive, the skeleton: what the value was exactly (State, NumPy arrays,
big integers, times, …).
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterable
from typing import Any

from . import _core, _torch_numpy, _unpickle
from .errors import Error, IOFailed, Malformed, Untrusted, WrongState

_SKELETON = "__ptutils__"


def _torch(path: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise WrongState(
            f"[torch] {path}: .pt files need PyTorch: pip install torch (or save "
            "as .safetensors, which needs nothing)"
        ) from error
    return torch


# The skeleton (formats/skeleton.h) as torch's own values.


def _natural(node: Any, tensors: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_natural(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (tag,) = node
        if tag == "$tensor":
            return tensors[node[tag][0]]
        if tag in _TAGS:
            return _TAGS[tag](node[tag], tensors)
    return {key: _natural(item, tensors) for key, item in node.items()}


def _natural_dict(content: Any, tensors: dict[str, Any]) -> dict[Any, Any]:
    pairs = content.items() if isinstance(content, dict) else content
    return {key: _natural(item, tensors) for key, item in pairs}


def _natural_ordered(content: Any, tensors: dict[str, Any]) -> Any:
    import collections

    return collections.OrderedDict(_natural_dict(content, tensors))


def _natural_counter(content: Any, tensors: dict[str, Any]) -> Any:
    import collections

    return collections.Counter(_natural_dict(content, tensors))


def _natural_float(content: Any, _tensors: Any) -> float:
    return float("nan") if content.startswith(("nan", "-nan")) else float(content)


def _natural_complex(content: Any, tensors: dict[str, Any]) -> complex:
    real, imaginary = (_natural(part, tensors) for part in content)
    return complex(real, imaginary)


def _natural_time(content: Any, _tensors: Any) -> str:
    import datetime

    value = _core._unflatten(
        json.dumps({"version": 1, "value": {"$time": content}}), {}, "torch"
    )
    assert isinstance(value, datetime.datetime)
    return value.isoformat()


_TAGS = {
    "$float": _natural_float,
    "$int": lambda content, _: int(content),
    "$complex": _natural_complex,
    "$bytes": lambda content, _: content,
    "$time": _natural_time,
    "$tuple": lambda content, tensors: tuple(_natural(i, tensors) for i in content),
    "$dict": _natural_dict,
    "$state": _natural_dict,
    "$config": _natural_dict,
    "$ordered": _natural_ordered,
    "$counter": _natural_counter,
}


def _collect(node: Any, natural: Any, out: dict[str, Any]) -> None:
    """Finds, for each tensor of the skeleton, torch's at the same place."""
    if isinstance(node, dict) and len(node) == 1:
        (tag,) = node
        if tag == "$tensor":
            out.setdefault(node[tag][0], natural)
            return
        if tag in ("$dict", "$state", "$config", "$ordered", "$counter"):
            inner = node[tag]
            pairs = inner.items() if isinstance(inner, dict) else inner
            for key, item in pairs:
                _collect(item, natural[key], out)
            return
        if tag == "$tuple":
            node = node[tag]
        elif tag in _TAGS:
            return
    if isinstance(node, dict):
        for key, item in node.items():
            _collect(item, natural[key], out)
    elif isinstance(node, list):
        for item, there in zip(node, natural, strict=True):
            _collect(item, there, out)


def _look_into(path: str, file: Any, verify: bool) -> tuple[str | None, bool]:
    """Of an archive: our skeleton, and whether all members are stored. Compressed
    ones are checked even when not asked for: torch would not notice damage."""
    try:
        with zipfile.ZipFile(file) as archive:
            skeleton = _skeleton_of(path, archive)
            methods = {member.compress_type for member in archive.infolist()}
            stored = methods == {zipfile.ZIP_STORED}
            damaged = archive.testzip() if verify or not stored else None
    except Malformed:
        raise
    except Exception as error:  # BadZipFile, RuntimeError, NotImplementedError …
        raise Malformed(
            f"[torch] {path}: a damaged archive: {_first_line(error)}"
        ) from error
    if damaged:
        raise Malformed(f"[torch] {path}: {damaged} is damaged: its CRC-32 differs")
    if verify:
        _core._note_checksums_compared()
    return skeleton, stored


def _skeleton_of(path: str, archive: zipfile.ZipFile) -> str | None:
    names = [n for n in archive.namelist() if n.endswith(f"/{_SKELETON}")]
    if not names:
        return None
    info = archive.getinfo(names[0])
    if info.compress_type != zipfile.ZIP_STORED:
        raise Malformed(f"[torch] {path}: its skeleton is compressed")
    return archive.read(info).decode()


def _copy_storages(torch: Any, value: Any, copies: dict[int, Any]) -> None:
    """Puts copies under the tensors; shared ones stay shared."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _copy_storages(torch, item, copies)
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
        return
    storage = value.untyped_storage()
    key = storage.data_ptr()
    copy = copies.get(key)
    if copy is None:
        copy = copies[key] = storage.clone()
        copies[copy.data_ptr()] = copy  # of a tensor that is there twice
    place = value.storage_offset(), value.size(), value.stride()
    out = torch.empty(0, dtype=value.dtype).set_(copy, *place)
    if value.is_conj():
        out = out.conj()
    if value.is_neg():
        out = torch._neg_view(out)
    value.data = out


def _is_zip(file: Any) -> bool:
    return bool(file.read(4) == b"PK\x03\x04")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


class _Output:
    """A file for torch's writer, which says that a write failed, but not why."""

    def __init__(self, path: str, durable: bool) -> None:
        self.file = _core._AtomicFile(path, durable)
        self.failed: Error | None = None

    def write(self, content: Any) -> int:
        try:
            return self.file.write(content)
        except Error as error:
            self.failed = self.failed or error
            return 0

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Removes what was not committed."""
        del self.file


class TorchCodec:
    """Registered for ``.pt`` and ``.pth``."""

    name = "torch"
    suffixes = (".pt", ".pth")
    writes_atomically = True

    def read(
        self, path: str, classes: Iterable[type] = (), verify: bool = False
    ) -> Any:
        torch = _torch(path)
        # Opened once, and not mapped: torch.save writes into the file itself.
        with open(path, "rb") as file:
            skeleton, stored = None, False
            if _is_zip(file):
                skeleton, stored = _look_into(path, file, verify)
            natural = self._load(torch, path, file, stored, classes)
        if skeleton is None:
            return natural
        try:
            tensors: dict[str, Any] = {}
            _collect(json.loads(skeleton)["value"], natural, tensors)
            return _core._unflatten(skeleton, tensors, f"[torch] {path}", verify)
        except Error:
            raise
        except Exception as error:
            raise Malformed(
                f"[torch] {path}: its skeleton does not fit its content"
            ) from error

    def _load(
        self, torch: Any, path: str, file: Any, stored: bool, classes: Any
    ) -> Any:
        """A stored archive is mapped, and its storages copied then: torch.save
        writes into the file itself. (Read without a map, torch makes tensors of
        what happened to be in memory where a member is damaged.)"""
        named = [*_unpickle.allowed_classes(), *classes]
        file.seek(0)
        source = f"/proc/self/fd/{file.fileno()}" if stored else file
        try:
            allowed = [*named, *_torch_numpy.CLASSES]
            with torch.serialization.safe_globals(allowed):
                value = torch.load(
                    source, map_location="cpu", weights_only=True, mmap=stored
                )
            value = _torch_numpy.finished(value, named)
            limit = max(1_000_000, 64 * os.path.getsize(path))
            _unpickle.check_size([value], limit)
            if stored:
                _copy_storages(torch, value, {})
            return value
        except OSError:
            raise
        except Malformed as error:
            raise Malformed(f"[torch] {path}: {error}") from error.__cause__
        except Exception as error:
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            if found:
                name = found.group(1)
                raise Untrusted(
                    f"[torch] {path} holds a {name}, which is not loaded without "
                    f"your word. If you trust the file: pt.files.allow_class({name})"
                    ". Better: where it was made, save the state_dict() alone"
                ) from error
            raise Malformed(
                f"[torch] {path}: not a whole .pt file: {_first_line(error)}"
            ) from error

    def write(self, path: str, value: Any, durable: bool = True) -> None:
        torch = _torch(path)
        skeleton, tensors = _core._flatten_torch(value, f"[torch] {path}: ")
        # One torch tensor a name: what was shared stays shared.
        # Those without elements may have an address in common, which torch refuses.
        named = {
            name: tensor if tensor.numel() else torch.empty_like(tensor)
            for name, tensor in tensors
        }
        natural = _natural(json.loads(skeleton)["value"], named)
        out = _Output(path, durable)
        try:
            torch.save(natural, out)
            with zipfile.ZipFile(out.file.temporary, "a", zipfile.ZIP_STORED) as more:
                folder = more.namelist()[0].partition("/")[0]
                more.writestr(f"{folder}/{_SKELETON}", skeleton)
            out.file.commit()
        except IOFailed:
            raise
        except (RuntimeError, OSError) as error:
            if out.failed is not None:
                raise out.failed from None
            raise IOFailed(
                f"[torch] cannot write {path}: {_first_line(error)}; what was there "
                "before is still there"
            ) from error
        finally:
            out.close()
