"""Names that a module of ours does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _core


def attributes_of(module: str, known: Sequence[str]) -> Callable[[str], Any]:
    """A module's ``__getattr__``: an unknown name is an error with the known ones.

    >>> from ptutils import nn
    >>> nn.Linea
    Traceback (most recent call last):
    AttributeError: module 'ptutils.nn' has no attribute 'Linea'; did you mean Linear?
    """

    def unknown(name: str) -> Any:
        hint = "" if name.startswith("__") else _core._did_you_mean(name, list(known))
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")

    return unknown
