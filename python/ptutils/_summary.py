"""What a state or a file of values holds, as a table: in a terminal, in a
notebook, as data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from . import _core, _text, _tree, difference, files

_COLUMNS = ["name", "value", "size", "min", "max", "NaN"]
_MANY = 20  # entries of a list: of a longer one the first are shown, and the rest
_FIRST = 10  # in one line


class Summary(dict[str, dict[str, Any]]):
    """Dotted name -> ``{'value', 'bytes', 'min', 'max', 'nan'}`` of each leaf: its
    dtype and shape in words, and of arrays their size and what is in them (min
    and max over what is not NaN). Shows itself as a tree with columns.

    Attributes
    ----------
    title : str
        The file, its format and how much it holds.
    """

    title: str = ""

    def rows(self) -> Iterator[list[str]]:
        """The tree's lines: a branch is a name alone."""
        above: list[str] = []
        for name, about in self.items():
            *parents, last = name.split(".")
            shared = 0
            while shared < min(len(above), len(parents)) and (
                above[shared] == parents[shared]
            ):
                shared += 1
            for depth in range(shared, len(parents)):
                yield ["  " * depth + _text.printed(parents[depth])]
            above = parents
            yield ["  " * len(parents) + _text.printed(last), *_cells(about)]

    def __repr__(self) -> str:
        rows = [row if len(row) > 1 else [*row, ""] for row in self.rows()]
        return "\n".join([self.title, *_text.columns([_COLUMNS, *rows])])

    def _repr_html_(self) -> str:
        def cells(row: list[str], tag: str) -> str:
            first = _text.escaped(row[0].strip())
            pad = (len(row[0]) - len(row[0].lstrip())) * 0.6
            style = f"text-align:left;padding-left:{pad + 0.5:.1f}em"
            rest = "".join(f"<{tag}>{_text.escaped(cell)}</{tag}>" for cell in row[1:])
            span = f' colspan="{len(_COLUMNS)}"' if len(row) == 1 else ""
            bold = f"<b>{first}</b>" if len(row) == 1 else first
            return f'<tr><{tag}{span} style="{style}">{bold}</{tag}>{rest}</tr>'

        body = "".join(cells(row, "td") for row in self.rows())
        return (
            f"<div>{_text.escaped(self.title)}</div><table><thead>"
            f"{cells(_COLUMNS, 'th')}</thead><tbody>{body}</tbody></table>"
        )


def summary(of: Any) -> Summary:
    """What a state, a module or a file holds: names, dtypes, shapes, sizes, the
    smallest and largest number, how many are NaN.

    Parameters
    ----------
    of : dict, Module, torch module, or path
        Of a file the arrays are read one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> summary({'net': {'weight': np.array([1.5, np.nan]), 'name': 'a'}, 'step': 3})
    3 values, 16 B of arrays
    name      value            size  min  max  NaN
    net
      weight  f64 (2,) numpy   16 B  1.5  1.5  1
      name    'a'              -     -    -    -
    step      3                -     -    -    -
    """
    out = Summary()
    for name, leaf in _walk(files._states(files.content_of(of, lazy=True)), ""):
        while name in out:  # 'a.b', and 'b' in 'a'
            name += "'"
        out[name] = _about_all(leaf) if isinstance(leaf, _Rest) else _about(leaf)
    total = sum(about.get("bytes", 0) for about in out.values())
    what = "value" if len(out) == 1 else "values"
    out.title = f"{_text.grouped(len(out))} {what}, {_text.size(total)} of arrays"
    if isinstance(of, (str, os.PathLike)):
        out.title = f"{os.fspath(of)}: {_core._format_of(of)}, {out.title}"
    return out


def _walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What has not been read yet is read here and dropped again, so that no more
    than one such array of a file is in memory."""
    if isinstance(value, _core._Deferred):
        value = value if value.error else value.get()
    rest: list[Any] = []
    if isinstance(value, dict) and (value or not name):
        items = list(dict.items(value))
    elif isinstance(value, (list, tuple)) and any(map(_is_nested, value)):
        shown = len(value) if len(value) <= _MANY else _FIRST
        items, rest = list(enumerate(value[:shown])), list(value[shown:])
    else:
        yield name or "value", value
        return
    for key, item in items:
        yield from _walk(item, f"{name}.{key}" if name else str(key))
    if rest:
        yield f"{name}.…" if name else "…", _Rest(rest)


def _is_nested(value: Any) -> bool:
    return isinstance(
        value, (dict, list, tuple, _core._Deferred)
    ) or difference.is_array(value)


class _Rest(list[Any]):
    """What stands behind the first of a long list."""


def _about_all(rest: _Rest) -> dict[str, Any]:
    """Many leaves in one line."""
    out: dict[str, Any] = {"value": f"{_text.grouped(len(rest))} more"}
    for _, leaf in _walk({"": dict(enumerate(rest))}, ""):
        about = _about_all(leaf) if isinstance(leaf, _Rest) else _about(leaf)
        for key, of in (("bytes", sum), ("nan", sum), ("min", min), ("max", max)):
            if key in about:
                out[key] = of([about[key], *([out[key]] if key in out else [])])
    return out


def _about(leaf: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"value": _tree.describe(leaf)}
    if not difference.is_array(leaf) or isinstance(leaf, _core._Deferred):
        return out
    try:
        native = _core._as(leaf, "native")
        numbers = difference.numbers(native)
    except TypeError:
        return out
    out["bytes"] = int(numbers.size) * native.itemsize
    if numbers.size and numbers.dtype.kind != "c":
        real = numbers[numbers == numbers]
        out["nan"] = int(numbers.size - real.size)
        if real.size:
            out["min"], out["max"] = real.min().item(), real.max().item()
    return out


def _cells(about: dict[str, Any]) -> list[str]:
    def number(name: str) -> str:
        return _text.number(float(about[name])) if name in about else "-"

    size = _text.size(about["bytes"]) if "bytes" in about else "-"
    nan = str(about["nan"]) if about.get("nan") else "-"
    return [about["value"], size, number("min"), number("max"), nan]
