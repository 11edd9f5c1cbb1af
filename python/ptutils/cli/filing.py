"""``ptutils show FILE``, ``diff A B``, ``convert`` and ``verify``: files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .. import _core, _text, difference, files
from .._summary import summary
from ..errors import WrongValue
from .common import Terminal, no_file

if TYPE_CHECKING:
    import argparse

_TEXT = (".json", ".yaml", ".yml")


def is_state(path: str) -> bool:
    """A file of values, not an experiment's."""
    if not os.path.isfile(path):
        return path.endswith(".lmdb") or os.path.isfile(f"{path}/data.mdb")
    if not path.endswith(_TEXT):
        return True
    value = files.read(path)
    return not isinstance(value, dict) or not {"model", "exp_id"} & set(value)


def _found(path: str) -> str:
    if not os.path.exists(path):
        raise FileNotFoundError(no_file(path))
    if os.path.isfile(path):
        with open(path, "rb") as file:
            if file.read(16) == b"SQLite format 3\0":
                raise WrongValue(
                    f"[{path}] is a database of runs: ptutils ls --db {path}"
                )
    return path


def _in_the_core(path: str, writing: bool = False) -> bool:
    """No codec in Python reads it, or writes it."""
    find = _core._codec_for_writing if writing else _core._codec_for_reading
    return find(path) is None


def show(args: argparse.Namespace, terminal: Terminal) -> int:
    """What a file holds: names, dtypes, shapes, sizes, and what is in them."""
    found = summary(_found(args.exp_id))
    data = {
        "file": args.exp_id,
        "format": _core._format_of(args.exp_id),
        "values": dict(found),
    }
    terminal.answer(data, repr(found))
    return 0


def diff(args: argparse.Namespace, terminal: Terminal) -> int:
    """What differs between the values of two files; exit status 1 if anything."""
    found = difference.diff(files.read(_found(args.a)), files.read(_found(args.b)))
    terminal.answer({"differences": dict(found), "largest": found.largest}, repr(found))
    return 1 if found else 0


def convert(args: argparse.Namespace, terminal: Terminal) -> int:
    """A file in another format; what the other cannot hold is an error."""
    options: dict[str, Any] = {"compress": True} if args.compress else {}
    if args.chunks is not None:
        options["chunks"] = args.chunks
    if _in_the_core(_found(args.a)) and _in_the_core(args.b, writing=True):
        _core._convert(args.a, args.b, options)
    else:
        files.save(args.b, files.read(args.a), **options)
    size = os.path.getsize(args.b)
    terminal.answer(
        {"file": args.b, "bytes": size}, f"{args.a} → {args.b}, {_text.size(size)}"
    )
    return 0


def verify(args: argparse.Namespace, terminal: Terminal) -> int:
    """Reads each file whole and compares its checksums; 1 when one is damaged."""
    damaged = 0
    data, lines = {}, []
    for path in args.files:
        before = _core._checksums_compared()
        try:
            if _in_the_core(_found(path)):
                _core._verify(path)
            else:
                files.read(path, verify=True)
        except Exception as error:
            damaged += 1
            data[path] = str(error)
            lines.append(str(error))
            continue
        compared = _core._checksums_compared() > before
        data[path] = "ok" if compared else "ok, but it has no checksums to compare"
        lines.append(f"{path}: {data[path]}")
    terminal.answer(data, "\n".join(lines))
    return 1 if damaged else 0
