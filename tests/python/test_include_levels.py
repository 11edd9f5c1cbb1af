"""The rules between rooms, read off the `#include` and `import` lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CPP = ROOT / "cpp" / "ptutils"
LEVELS = {
    "common": 0,
    "tensor": 1,
    "module": 2,
    "formats": 3,
    "nn": 3,
    "data": 4,
    "database": 4,
    "session": 5,
}
# Files at the top of cpp/ptutils (builtin.cpp, ptutils.h) stand above all.
TOP = 6
THIRD_PARTY = re.compile(
    r"^(nlohmann/|Eigen/|eigen3/|unsupported/Eigen|sqlite3|yaml-cpp/"
    r"|libdeflate|pcre2|xxhash|xxh3|hdf5\.h|H5|jpeglib\.h|png\.h)"
)
PYTHON = re.compile(r"^(Python\.h|pybind11/)")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def sources(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix in {".h", ".cpp", ".inc"}
    )


def includes(path: Path) -> list[str]:
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def room(path: Path) -> str | None:
    """The first folder below cpp/ptutils, or None for a file at the top."""
    parts = path.relative_to(CPP).parts
    return parts[0] if len(parts) > 1 else None


def violation(folder: str | None, include: str, *, private: bool) -> str | None:
    """What is wrong with `include` in a file of `folder`; None if nothing.

    `private` tells a file that may name third-party libraries: a source, or a
    header below detail/ or tensor/kernels/.
    """
    if PYTHON.match(include):
        return "Python in the core"
    if THIRD_PARTY.match(include):
        return None if private else "third-party header in a public header"
    if not include.startswith("ptutils/"):
        return None
    parts = include.split("/")
    if not private and "detail" in parts:
        return "private header in a public header"
    target = parts[1] if len(parts) > 2 else None
    if target == folder:
        return None
    mine = TOP if folder is None else LEVELS[folder]
    other = TOP if target is None else LEVELS.get(target)
    if other is None:
        return f"unknown folder {target!r}"
    if other == mine:
        return "sideways include"
    return "upward include" if other > mine else None


def is_private(path: Path) -> bool:
    parts = path.relative_to(CPP).parts
    return (
        path.suffix != ".h"
        or "detail" in parts
        or parts[:2]
        == (
            "tensor",
            "kernels",
        )
    )


def test_each_folder_includes_lower_levels_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {include}: {why}"
        for path in sources(CPP)
        for include in includes(path)
        if (why := violation(room(path), include, private=is_private(path)))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_the_core_has_a_level() -> None:
    folders = {path.name for path in CPP.iterdir() if path.is_dir()}
    assert folders == set(LEVELS)


def test_own_headers_are_included_by_their_full_path() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {include}"
        for path in sources(CPP)
        for include in includes(path)
        if (path.parent / include).exists() and not include.startswith("ptutils/")
    ]
    assert not wrong, "\n".join(wrong)


def test_bindings_include_public_headers_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {include}"
        for path in sources(ROOT / "bindings")
        for include in includes(path)
        if THIRD_PARTY.match(include)
        or (include.startswith("ptutils/") and "/detail/" in include)
    ]
    assert not wrong, "\n".join(wrong)


def test_pybind11_internals_are_touched_in_lifetime_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {include}"
        for path in sources(ROOT / "bindings")
        for include in includes(path)
        if include.startswith("pybind11/detail/") and path.name != "lifetime.h"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("folder", "include", "private", "expected"),
    [
        ("data", "ptutils/database/sqlite.h", True, "sideways include"),
        ("common", "ptutils/tensor/tensor.h", True, "upward include"),
        ("session", "ptutils/ptutils.h", True, "upward include"),
        ("nn", "Python.h", True, "Python in the core"),
        (
            "formats",
            "nlohmann/json.hpp",
            False,
            "third-party header in a public header",
        ),
        ("formats", "nlohmann/json.hpp", True, None),
        ("session", "ptutils/common/error.h", False, None),
        (None, "ptutils/session/session.h", False, None),
    ],
)
def test_the_check_itself(
    folder: str | None, include: str, private: bool, expected: str | None
) -> None:
    assert violation(folder, include, private=private) == expected


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_python_imports_no_compiled_code_but_core() -> None:
    package = ROOT / "python" / "ptutils"
    compiled = {
        path.name.split(".")[0]
        for path in package.rglob("*.so")
        if not path.name.startswith("lib")
    }
    assert compiled <= {"_core"}
    foreign = ("ctypes", "cffi", "pybind11", "cppyy", "numba", "cython")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in package.rglob("*.py")
        for name in imported_modules(path)
        if name.split(".")[0] in foreign
    ]
    assert not wrong, "\n".join(wrong)
