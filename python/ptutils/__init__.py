"""ptutils: neural network experiments that run, change, save and come back.

Three nouns carry the first day: Session, net, data. See README.md.
"""

from __future__ import annotations

import atexit
import importlib
from typing import Any

from . import _core, errors, own_loop  # noqa: F401  (own_loop: Session's)
from ._core import (
    Callback,
    Callbacks,
    Model,
    Module,
    Random,
    Session,
    Statistic,
    Status,
    Tensor,
    num_threads,
    seed,
    set_num_threads,
)
from .errors import Error
from .history import History
from .module import Base, ModuleMeta
from .session import restart, resume
from .state import Config, Configuration, State

__version__ = _core.__version__

__all__ = [
    "Base",
    "Callback",
    "Callbacks",
    "Config",
    "Configuration",
    "Error",
    "History",
    "Model",
    "Module",
    "ModuleMeta",
    "Random",
    "Session",
    "State",
    "Statistic",
    "Status",
    "Tensor",
    "errors",
    "num_threads",
    "restart",
    "resume",
    "seed",
    "set_num_threads",
]

# Found when first used: nothing heavy at import.
_LAZY = {
    "Checkpoints": ("ptutils.checkpoints", "Checkpoints"),
    "diff": ("ptutils.difference", "diff"),
    "open": ("ptutils.runs", "open"),
    "read": ("ptutils.files", "read"),
    "save": ("ptutils.files", "save"),
    "summary": ("ptutils._summary", "summary"),
    "sync": ("ptutils.files", "sync"),
    "Random": ("ptutils._core", "Random"),
}
_SUBMODULES = (
    "base",
    "callbacks",
    "checkpoints",
    "data",
    "database",
    "difference",
    "files",
    "history",
    "model",
    "nn",
    "ops",
    "optim",
    "registry",
    "runs",
    "session",
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
    from ._unknown import attributes_of

    return attributes_of(__name__, [*_LAZY, *_SUBMODULES, *__all__])(name)


def __dir__() -> list[str]:
    own = (name for name in globals() if name.startswith("__"))
    return sorted({*own, *__all__, *_LAZY, *_SUBMODULES})


atexit.register(_core._shutdown)
