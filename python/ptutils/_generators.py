"""The generators of random numbers that a torch DataLoader and its samplers
have as attributes: torch's, Python's and NumPy's, with their states as values."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from typing import Any


class Generator:
    """One of them."""

    def __init__(self, own: Any) -> None:
        self.own = own

    def state(self) -> Any:
        return self.own.get_state()

    def set_state(self, state: Any) -> None:
        self.own.set_state(state)


class _Torch(Generator):
    def set_state(self, state: Any) -> None:
        import torch

        self.own.set_state(torch.as_tensor(state))


class _Python(Generator):
    def state(self) -> Any:
        version, numbers, gauss = self.own.getstate()
        return [version, list(numbers), gauss]

    def set_state(self, state: Any) -> None:
        self.own.setstate((state[0], tuple(state[1]), state[2]))


class _NumPy(Generator):
    """As JSON: there are numbers of 128 bits in it."""

    def state(self) -> Any:
        return json.dumps(self.own.bit_generator.state, default=lambda a: a.tolist())

    def set_state(self, state: Any) -> None:
        self.own.bit_generator.state = json.loads(state)


class _OldNumPy(Generator):
    def state(self) -> Any:
        return list(self.own.get_state())

    def set_state(self, state: Any) -> None:
        self.own.set_state(tuple(state))


def _wrapped(value: Any) -> Generator | None:
    torch, numpy = sys.modules["torch"], sys.modules.get("numpy")
    if isinstance(value, torch.Generator):
        return _Torch(value)
    if isinstance(value, random.Random):
        return _Python(value)
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return _NumPy(value)
    if numpy is not None and isinstance(value, numpy.random.RandomState):
        return _OldNumPy(value)
    if hasattr(type(value), "get_state") and hasattr(type(value), "set_state"):
        return Generator(value)
    return None


def _owners(loader: Any) -> Iterator[Any]:
    """The loader, its samplers, and samplers inside them."""
    from torch.utils.data import Sampler

    waiting: list[Any] = [loader]
    seen: list[Any] = []
    while waiting:
        owner = waiting.pop(0)
        if any(owner is other for other in seen):
            continue
        seen.append(owner)
        yield owner
        for name, value in getattr(owner, "__dict__", {}).items():
            if name in ("sampler", "batch_sampler") or isinstance(value, Sampler):
                waiting.append(value)


def generators_of(loader: Any) -> list[Generator]:
    """Those of a loader, always in the same order, each once."""
    found: list[Generator] = []
    for owner in _owners(loader):
        for value in getattr(owner, "__dict__", {}).values():
            made = _wrapped(value)
            if made is not None and all(made.own is not g.own for g in found):
                found.append(made)
    return found
