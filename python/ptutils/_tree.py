"""How State and Configuration show themselves: a short tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import _core, _text

_LINES = 40
_DEPTH = 8
_WIDTH = 60

_SHORT = {
    "bool": "bool",
    "bfloat16": "bf16",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    "complex64": "c64",
    "complex128": "c128",
    **{f"uint{n}": f"u{n}" for n in (8, 16, 32, 64)},
    **{f"int{n}": f"i{n}" for n in (8, 16, 32, 64)},
}


def describe(value: Any, above: tuple[Any, ...] = ()) -> str:
    """One leaf: arrays and tensors by dtype and shape, others cut short. What is
    inside itself, by way of those `above`, is "...".

    >>> import numpy as np
    >>> describe(np.zeros((2, 3), 'float32'))
    'f32 (2, 3) numpy'
    """
    if isinstance(value, (list, tuple, dict)):
        return _describe_items(value, above)
    if type(value) is _core._Deferred and value.error:
        why = value.error.partition("': ")[2] or value.error
        return _cut(f"not held here: {why}")
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None and not isinstance(value, type):
        if len(shape) == 0 and type(value).__module__ == "numpy":
            return _cut(repr(value))
        name = str(dtype).rpartition(".")[2]
        home = type(value).__module__.partition(".")[0]
        home = "native" if home == "ptutils" else home
        if type(value) is _core._Deferred:
            home = "not read yet"
        sizes = ", ".join(str(int(n)) for n in shape)
        comma = "," if len(shape) == 1 else ""
        return f"{_SHORT.get(name, name)} ({sizes}{comma}) {home}"
    return _cut(repr(value))


def _describe_items(value: Any, above: tuple[Any, ...]) -> str:
    if _is_among(value, above):
        return "..."
    above = (*above, value)
    if isinstance(value, dict):
        inner = ", ".join(
            f"{key}: {describe(item, above)}" for key, item in list(value.items())[:8]
        )
        return _cut(f"{{{inner}}}")
    if len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    inner = ", ".join(describe(item, above) for item in value)
    if isinstance(value, list):
        return _cut(f"[{inner}]")
    return _cut(f"({inner},)" if len(value) == 1 else f"({inner})")


def _is_among(value: Any, above: tuple[Any, ...]) -> bool:
    return any(value is other for other in above)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _items(value: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Without reading what a State has not read yet."""
    return dict.items(value) if isinstance(value, dict) else value.items()


def _lines(
    value: Mapping[Any, Any], depth: int, above: tuple[Any, ...] = ()
) -> Iterator[str]:
    indent = "  " * depth
    above = (*above, value)
    for key, item in _items(value):
        if not isinstance(item, dict) or _is_among(item, above):
            yield f"{indent}{key}: {describe(item, above)}"
        elif depth >= _DEPTH or not item:
            yield f"{indent}{key}: {{}}" if not item else f"{indent}{key}: {{…}}"
        else:
            yield f"{indent}{key}"
            yield from _lines(item, depth + 1, above)


def text(value: Mapping[Any, Any], name: str) -> str:
    """The tree, at most 40 lines."""
    out = [name if value else f"{name} (empty)"]
    for line in _lines(value, 1):
        if len(out) > _LINES:
            out.append("  …")
            break
        out.append(line)
    return "\n".join(out)


def html(value: Mapping[Any, Any], name: str) -> str:
    """The tree for notebooks: parts that open and close."""
    return _html_part(value, _text.escaped(name), 0)


def _html_part(
    value: Mapping[Any, Any], name: str, depth: int, above: tuple[Any, ...] = ()
) -> str:
    rows = []
    above = (*above, value)
    for i, (key, item) in enumerate(_items(value)):
        if i >= 200:
            rows.append(f"<div>… {len(value) - i} more</div>")
            break
        title = _text.escaped(str(key))
        is_part = isinstance(item, dict) and item and not _is_among(item, above)
        if is_part and depth < _DEPTH:
            rows.append(_html_part(item, title, depth + 1, above))
        else:
            shown = _text.escaped(describe(item, above))
            rows.append(f"<div>{title}: <code>{shown}</code></div>")
    is_open = " open" if depth < 2 else ""
    return (
        f"<details{is_open}><summary><b>{name}</b> ({len(value)})</summary>"
        f'<div style="margin-left:1.5em">{"".join(rows)}</div></details>'
    )
