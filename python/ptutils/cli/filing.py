"""``ptutils show FILE``, ``diff A B``, ``convert`` and ``verify``: files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import _core, _text, _tree, difference, files
from ..state import State
from .common import Terminal, no_file

if TYPE_CHECKING:
    import argparse

_TEXT = (".json", ".yaml", ".yml")


def is_state(path: str) -> bool:
    """A file of values, not an experiment's."""
    return os.path.exists(path) and not path.endswith(_TEXT)


def _read(path: str, **options: Any) -> Any:
    if not os.path.exists(path):
        raise FileNotFoundError(no_file(path))
    return files.read(path, **options)


def show(args: argparse.Namespace, terminal: Terminal) -> int:
    """What a file holds: names, dtypes, shapes, sizes, and what is in them."""
    path = args.exp_id
    value = _read(path)
    leaves = State(value).flat() if isinstance(value, dict) else {"value": value}
    data = {name: _about(leaf) for name, leaf in leaves.items()}
    rows = [["name", "value", "size", "min", "max", "NaN"]]
    rows += [[name, *_cells(about)] for name, about in data.items()]
    total = sum(about.get("bytes", 0) for about in data.values())
    codec = _core._format_of(path)
    head = (
        f"{path}: {codec}, {_text.grouped(len(data))} "
        f"{'value' if len(data) == 1 else 'values'}, {_text.size(total)} of arrays"
    )
    lines = _text.columns(rows) if data else []
    terminal.answer(
        {"file": path, "format": codec, "values": data}, "\n".join([head, *lines])
    )
    return 0


def _about(leaf: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"value": _tree.describe(leaf)}
    if not difference.is_array(leaf):
        return out
    native = _core._as(leaf, "native")
    numbers = difference.numbers(native)
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


def diff(args: argparse.Namespace, terminal: Terminal) -> int:
    """What differs between the values of two files; exit status 1 if anything."""
    found = difference.diff(_read(args.a), _read(args.b))
    terminal.answer({"differences": dict(found), "largest": found.largest}, repr(found))
    return 1 if found else 0


def convert(args: argparse.Namespace, terminal: Terminal) -> int:
    """A file in another format; what the other cannot hold is an error."""
    options = {"compress": True} if args.compress else {}
    files.save(args.b, _read(args.a), **options)
    size = os.path.getsize(args.b)
    terminal.answer(
        {"file": args.b, "bytes": size}, f"{args.a} → {args.b}, {_text.size(size)}"
    )
    return 0


def verify(args: argparse.Namespace, terminal: Terminal) -> int:
    """Reads each file whole and compares its checksums; 1 when one is damaged."""
    damaged = 0
    data = {}
    for path in args.files:
        try:
            _read(path, verify=True)
        except Exception as error:
            damaged += 1
            data[path] = str(error)
        else:
            data[path] = "ok"
    lines = [f"{path}: {said}" if said == "ok" else said for path, said in data.items()]
    terminal.answer(data, "\n".join(lines))
    return 1 if damaged else 0
