"""NumPy's arrays, numbers and dtypes in torch's files, and datetimes.

``torch.load(weights_only=True)`` calls what stands for a name. Here that is what
``_rebuild`` has for it, which checks its arguments; an array is complete once its
content has come, so until the end an object of ours is in its place.
"""

from __future__ import annotations

import collections
import datetime
from collections.abc import Iterable
from typing import Any

from . import _rebuild as rebuild


class _Later:
    """What takes a state before it is what it stands for."""

    value: Any = None


class _Array(_Later):
    def __init__(self, cls: Any, _shape: Any, _kind: Any) -> None:
        if cls is not _NDARRAY:
            raise rebuild.malformed("an array of a class that is not read")

    def __setstate__(self, state: Any) -> None:
        content, dtype, shape, order = rebuild.array_parts(state)
        self.value = rebuild.array(content, _final(dtype), shape, order)


class _Dtype(_Later):
    def __init__(self, name: Any, align: Any = False, copy: Any = False) -> None:
        self.value = rebuild.CALLS["numpy", "dtype"](name, align, copy)

    def __setstate__(self, state: Any) -> None:
        self.value = rebuild.with_dtype_state(self.value, state)


class _Scalar(_Later):
    def __init__(self, dtype: Any, content: Any = None) -> None:
        self.value = rebuild.array(content, _final(dtype), ())[()]


class _FromBuffer(_Later):
    def __init__(
        self, content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
    ) -> None:
        build = rebuild.CALLS["numpy._core.numeric", "_frombuffer"]
        self.value = build(content, _final(dtype), shape, order, axes)


def _named(base: type, module: str, name: str) -> type:
    return type(name, (base,), {"__module__": module})


def _bytes(*args: Any) -> bytes:
    return bytes(rebuild.CALLS["builtins", "bytes"](*args))


_bytes.__module__, _bytes.__name__, _bytes.__qualname__ = "builtins", "bytes", "bytes"
_NDARRAY = _named(object, "numpy", "ndarray")
# By these names torch knows them.
CLASSES = [
    _NDARRAY,
    _bytes,
    _named(_Dtype, "numpy", "dtype"),
    datetime.datetime,
    datetime.timedelta,
    datetime.timezone,
    *(
        _named(base, f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for base, module, name in (
            (_Array, "multiarray", "_reconstruct"),
            (_Scalar, "multiarray", "scalar"),
            (_FromBuffer, "numeric", "_frombuffer"),
        )
    ),
]


_CONTAINERS = (list, dict, collections.OrderedDict, collections.Counter)


def _final(value: Any) -> Any:
    return value.value if isinstance(value, _Later) else value


def finished(value: Any, classes: Iterable[type] = ()) -> Any:
    """The value with what stands for something replaced by it, in containers and
    in attributes of objects of these classes."""
    return _Finisher(tuple(classes)).finish(value)


class _Finisher:
    def __init__(self, classes: tuple[type, ...]) -> None:
        self._classes = classes
        self._done: dict[int, Any] = {}

    def finish(self, value: Any) -> Any:
        if isinstance(value, _Later):
            return value.value
        if id(value) in self._done:
            return self._done[id(value)]
        kind = type(value)
        if kind in (tuple, set, frozenset):
            out = kind(map(self.finish, value))
            return self._done.setdefault(id(value), out)
        if kind not in _CONTAINERS and kind not in self._classes:
            return value
        self._done[id(value)] = value
        if kind is list:
            value[:] = map(self.finish, value)
        elif kind in self._classes:
            for name, item in list(getattr(value, "__dict__", {}).items()):
                value.__dict__[name] = self.finish(item)
        else:
            items = [(self.finish(k), self.finish(v)) for k, v in value.items()]
            value.clear()
            for key, item in items:
                value[key] = item
        return value
