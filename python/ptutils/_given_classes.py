"""Classes and functions in the place of their names, in a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import registry


@contextlib.contextmanager
def with_names(config: Any) -> Iterator[Any]:
    """The configuration with names where ``func`` is a class or a function itself;
    within it these names mean those."""
    given: list[Any] = []
    named = _with_names(config, given)
    with registry.naming(*given):
        yield named


def _with_names(value: Any, given: list[Any]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_with_names(item, given) for item in value)
    if not isinstance(value, dict):
        return value
    out = {key: _with_names(item, given) for key, item in dict.items(value)}
    func = out.get("func")
    if isinstance(func, type) or registry.is_function(func):
        given.append(func)
        out["func"] = registry.class_name(func)
    return out
