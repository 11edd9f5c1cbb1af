"""Dotted paths into nested dicts and lists: ``model.net.layers.0.bias``."""

from __future__ import annotations

from typing import Any

from . import _core
from .errors import UnknownName

MISSING = object()


def _step(value: Any, key: str) -> Any:
    """One step of a dotted path; text that is a number also as one."""
    number = int(key) if key.isdecimal() and str(int(key)) == key else None
    if isinstance(value, dict):
        for k in (key, number):
            if k is not None and dict.__contains__(value, k):
                return value[k]
    elif (
        isinstance(value, (list, tuple)) and number is not None and number < len(value)
    ):
        return value[number]
    return MISSING


def find_path(value: Any, path: str) -> Any:
    """The value at a dotted path: the longest key that fits comes first."""
    cut = len(path)
    while cut >= 0:
        found = _step(value, path[:cut])
        if found is not MISSING:
            if cut == len(path):
                return found
            found = find_path(found, path[cut + 1 :])
            if found is not MISSING:
                return found
        cut = path.rfind(".", 0, cut)
    return MISSING


def owner(value: Any, path: str) -> tuple[Any, Any]:
    """The dict or list inside a value that a dotted path's last step belongs to,
    and its key there; MISSING where the way to it is not there."""
    parent, dot, last = path.rpartition(".")
    where = find_path(value, parent) if dot else value
    known = _step(where, last) is not MISSING
    if isinstance(where, dict):
        as_number = known and not dict.__contains__(where, last)
        return where, int(last) if as_number else last
    if isinstance(where, list) and known:
        return where, int(last)
    return MISSING, None


def set_path(value: Any, path: str, new: Any) -> None:
    """Sets the value at a dotted path whose parents are there."""
    if isinstance(value, dict) and path in value:
        value[path] = new
        return
    where, key = owner(value, path)
    if where is MISSING:
        parent, _, last = path.rpartition(".")
        hint = _core._did_you_mean(path, list(_flat_names(value)))
        raise UnknownName(f"[{path}] there is no {parent or last!r} to set it in{hint}")
    where[key] = new


def _flat_names(value: Any, prefix: str = "") -> list[str]:
    out: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            out += [f"{prefix}{key}", *_flat_names(item, f"{prefix}{key}.")]
    return out
