"""ptutils: neural network experiments that run, change, save and come back.

Three nouns carry the first day: Session, net, data. See README.md.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import _core, errors
from ._core import (
    Callback,
    Callbacks,
    History,
    Model,
    Module,
    Session,
    Statistic,
    Status,
    Tensor,
    num_threads,
    seed,
    set_num_threads,
)
from .errors import Error
from .state import Config, Configuration, State
from . import module as _module  # completes Module: from_config, pickling, …
from . import session as _session  # completes Session: the own loop, with
from .session import restart, resume

__version__ = _core.__version__
Base = Module

# Found when first used: nothing heavy at import.
_LAZY = {
    "open": ("ptutils.runs", "open"),
    "read": ("ptutils.files", "read"),
    "save": ("ptutils.files", "save"),
}
_SUBMODULES = (
    "base",
    "callbacks",
    "data",
    "database",
    "files",
    "model",
    "nn",
    "ops",
    "optim",
    "runs",
    "utils",
)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, attribute = _LAZY[name]
        value = getattr(importlib.import_module(module), attribute)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return importlib.import_module(f"ptutils.{name}")
    known = [*_LAZY, *_SUBMODULES, *(n for n in globals() if n[0] != "_")]
    hint = _core._did_you_mean(name, known)
    raise AttributeError(f"module 'ptutils' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_SUBMODULES})
