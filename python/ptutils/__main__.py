"""``python -m ptutils``: the command line; ``--cmake-dir`` for embedders."""

from __future__ import annotations

import sys
from pathlib import Path


def cmake_dir() -> str:
    """The folder of the CMake package: ``ptutils_DIR`` for find_package."""
    found = Path(__file__).parent / "lib" / "cmake" / "ptutils"
    if not (found / "ptutilsConfig.cmake").is_file():
        raise SystemExit(f"ptutils: no CMake package in {found}; build ptutils first")
    return str(found)


if __name__ == "__main__":
    if sys.argv[1:] == ["--cmake-dir"]:
        print(cmake_dir())
        sys.exit(0)
    from ptutils.cli import main

    sys.exit(main())
