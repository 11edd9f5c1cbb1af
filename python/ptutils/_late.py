"""What is to be done once a library has been imported, which never is for us."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_Runs = dict[str, Callable[[], None]]
_late: dict[str, _Runs] = {}  # by module, then by what it is for


class _Finder:
    """Finds nothing itself; runs what waits for a module behind its import."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _late:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                break
        else:
            return None
        run = getattr(spec.loader, "exec_module", None)
        if run is not None:

            def run_and_follow(module: Any) -> None:
                run(module)
                for follow in _late.pop(name, {}).values():
                    follow()

            spec.loader.exec_module = run_and_follow
        return spec


_finder = _Finder()


def after_import(module: str, purpose: str, run: Callable[[], None]) -> None:
    """Runs it when the module has been imported; given again for the same purpose,
    the last one."""
    _late.setdefault(module, {})[purpose] = run
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
