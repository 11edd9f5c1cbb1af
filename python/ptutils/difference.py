"""What differs between two states, or two files of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import _core, _text, _tree, files
from .state import State

_MISSING = object()


class StateDiff(dict[str, str]):
    """Names of leaves -> what differs there; empty when the two are equal.

    Attributes
    ----------
    largest : float
        The largest difference of two numbers at one place; NaN beside a number
        counts as infinite, as do a name, shape or type of one side only.
    """

    largest: float = 0.0

    def __repr__(self) -> str:
        if not self:
            return "no difference"
        rows = [(_text.printed(name), said) for name, said in self.items()]
        return "\n".join(_text.columns(rows))


def diff(a: Any, b: Any) -> StateDiff:
    """Compares two states by name, type, shape, dtype and value.

    Parameters
    ----------
    a, b : dict, Module, torch module, or path
        Paths are read as :func:`ptutils.read` does; modules count by their
        ``state_dict()``.

    Returns
    -------
    StateDiff
        A dict, empty when nothing differs; it prints as a table.

    Examples
    --------
    >>> import numpy as np
    >>> diff({'w': np.zeros(3), 'lr': 1}, {'w': np.array([0, 0.5, 0]), 'lr': 1})
    w  1 of 3 differ, by at most .5000
    >>> diff({'w': np.zeros(3)}, {'v': np.zeros(3)})
    w  only in the first: f64 (3,) numpy
    v  only in the second: f64 (3,) numpy
    """
    ours, theirs = _content(a), _content(b)
    first, second = dict(State(ours).flat()), dict(State(theirs).flat())
    out = StateDiff()
    for top in dict.fromkeys([*first, *second]):
        pair = first.get(top, _MISSING), second.get(top, _MISSING)
        for name, x, y in _inside(top, *pair):
            said, size = _compared(x, y)
            if said:
                out[name] = said
                out.largest = max(out.largest, size)
    there = dict(_keys(theirs))
    for name, keys in _keys(ours):
        other = there.get(name, keys)
        if repr(keys) != repr(other) and name not in out:
            out[name] = f"under other keys: {_shown(keys)} → {_shown(other)}"
            out.largest = float("inf")
    return out


def _shown(keys: tuple[Any, ...]) -> str:
    return "".join(f"[{key!r}]" for key in keys)


def _inside(name: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of leaves in lists of one length, and in the dicts in those."""
    if type(a) is type(b) and isinstance(a, (list, tuple)) and len(a) == len(b):
        for i, pair in enumerate(zip(a, b, strict=True)):
            yield from _inside(f"{name}.{i}", *pair)
    elif isinstance(a, dict) and isinstance(b, dict) and a and b:
        for key in dict.fromkeys([*dict.keys(a), *dict.keys(b)]):
            pair = dict.get(a, key, _MISSING), dict.get(b, key, _MISSING)
            yield from _inside(f"{name}.{key}", *pair)
    else:
        yield name, a, b


def _content(of: Any) -> Mapping[Any, Any]:
    of = files._states(files.content_of(of))
    return of if isinstance(of, Mapping) else {"value": of}


def _keys(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Names of leaves -> the keys that lead there: 1 is no '1', 'a.b' no b in a."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _keys(item, (*path, key))
    else:
        yield ".".join(map(str, path)), path


def _compared(a: Any, b: Any) -> tuple[str, float]:
    """What differs, and by how much; nothing for equal leaves."""
    if b is _MISSING:
        return f"only in the first: {_tree.describe(a)}", float("inf")
    if a is _MISSING:
        return f"only in the second: {_tree.describe(b)}", float("inf")
    if _core._identical(a, b):
        return "", 0.0
    if is_array(a) and is_array(b):
        return _arrays(a, b)
    if type(a) is type(b) and not is_array(a) and _equal(a, b):
        return "", 0.0
    said = f"{_tree.describe(a)} → {_tree.describe(b)}"
    if type(a) in (int, float) and type(b) in (int, float):
        return said, _apart(a, b)
    return said, float("inf")


def _equal(a: Any, b: Any) -> bool:
    """Of types that no file holds: sets, dates …"""
    if isinstance(a, (int, float, complex, str, bytes)):
        return False  # compared to the bit before
    try:
        return bool(a == b)
    except Exception:
        return False


def _apart(a: float, b: float) -> float:
    try:
        size = float(abs(a - b))
    except OverflowError:  # integers beyond the floats
        return float("inf")
    return size if size == size else float("inf")


def is_array(value: Any) -> bool:
    """An array or tensor of any library."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _arrays(a: Any, b: Any) -> tuple[str, float]:
    said = f"{_tree.describe(a)} → {_tree.describe(b)}"
    if tuple(a.shape) != tuple(b.shape):
        return said, float("inf")
    try:
        x, y = numbers(a), numbers(b)
    except TypeError:
        return _others(a, b, said)
    unlike = (x != y) & ~((x != x) & (y != y))
    count = int(unlike.sum())
    size = _largest(x[unlike], y[unlike]) if count else 0.0
    numbers_said = f"{count} of {x.size} differ, by at most {_text.number(size)}"
    if _dtype(a) != _dtype(b):
        return f"{said}; {numbers_said}" if count else said, size
    if count:
        return numbers_said, size
    where = "bits" if _home(a) == _home(b) else "library"
    return f"equal numbers, another {where}: {_home(a)} → {_home(b)}", 0.0


def _others(a: Any, b: Any, said: str) -> tuple[str, float]:
    try:
        same = bool((a == b).all()) and _dtype(a) == _dtype(b)
    except Exception:
        return f"{said}, which cannot be compared", float("inf")
    return ("", 0.0) if same else (said, float("inf"))


def _largest(x: Any, y: Any) -> float:
    """The largest difference of two flat arrays that differ everywhere."""
    import numpy as np

    if x.dtype == y.dtype and x.dtype.kind in "iu":  # exact beyond 2**53
        apart = np.maximum(x, y).astype("u8") - np.minimum(x, y).astype("u8")
        return float(apart.max())
    if not {x.dtype.kind, y.dtype.kind} <= set("biufcmM"):  # text, objects
        return float("inf")
    wide = np.complex128 if "c" in x.dtype.kind + y.dtype.kind else np.float64
    with np.errstate(all="ignore"):
        apart = np.abs(x.astype(wide) - y.astype(wide))
    return float(np.where(apart != apart, np.inf, apart).max())


def _dtype(array: Any) -> str:
    return _tree.describe(array).partition(" ")[0]


def _home(array: Any) -> str:
    return _tree.describe(array).rpartition(" ")[2]


def numbers(array: Any) -> Any:
    """As NumPy's; bfloat16 as float32. TypeError for what has no counterpart:
    float8, sparse, on the meta device."""
    native = _core._as(array, "native")
    if not isinstance(native, _core.Tensor):
        raise TypeError(f"{type(array).__name__} has no counterpart")
    if native.dtype == "bf16":
        native = native.to("f32")
    return _core._as(native, "numpy")
