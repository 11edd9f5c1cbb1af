"""Samplers of other libraries as functions of (seed, epoch), and a loader's
batches of indices."""

from __future__ import annotations

import importlib
import operator
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .. import _core
from ..errors import OutOfBounds, WrongType


@contextmanager
def _python_seeded(seed: int) -> Iterator[None]:
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _numpy_seeded(numpy_random: Any, seed: int) -> Iterator[None]:
    before = numpy_random.get_state()
    numpy_random.seed(seed % 2**32)
    try:
        yield
    finally:
        numpy_random.set_state(before)


@contextmanager
def _torch_seeded(generator: Any, seed: int) -> Iterator[None]:
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


class LoaderBatches:
    """A loader's batches of indices: those of its epoch as it stands.

    >>> from ptutils.data import DataLoader
    >>> list(DataLoader(range(5), batch_size=2).batch_sampler)
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, loader: _core.DataLoader) -> None:
        self.loader = loader

    @property
    def sampler(self) -> Any:
        """The loader's."""
        return self.loader.sampler

    @property
    def batch_size(self) -> int:
        """The loader's."""
        return int(self.loader.batch_size or 1)

    @property
    def drop_last(self) -> bool:
        """The loader's."""
        return bool(self.loader.drop_last)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[int]]:
        order = self.loader._order().tolist()
        size = self.batch_size
        end = len(order) - len(order) % size if self.drop_last else len(order)
        for begin in range(0, end, size):
            yield order[begin : begin + size]


@contextmanager
def _drawing(sampler: Any, seed: int, epoch: int) -> Iterator[None]:
    """While it lasts, what the sampler (or one inside it) draws by torch's,
    NumPy's or Python's own generator, or by its ``generator`` attribute, is a
    function of seed and epoch, so that a loader that goes on in mid-epoch finds
    the same order. Those generators are left as they were.
    """
    key = _core._stream_key(seed, "sampler", epoch)
    with ExitStack() as stack:
        stack.enter_context(_python_seeded(key))
        if "numpy" in sys.modules:  # which has it only once it is asked for
            numpy_random = importlib.import_module("numpy.random")
            stack.enter_context(_numpy_seeded(numpy_random, key))
        torch: Any = sys.modules.get("torch")
        if hasattr(torch, "default_generator"):
            stack.enter_context(_torch_seeded(torch.default_generator, key))
        both: tuple[Any, Any] = (sampler, getattr(sampler, "sampler", None))
        for each in both:
            if hasattr(each, "set_epoch"):  # torch's DistributedSampler
                each.set_epoch(epoch)
            own = getattr(each, "generator", None)
            if own is not None and hasattr(own, "manual_seed"):
                stack.enter_context(_torch_seeded(own, key))
        yield


def _take(given: Iterable[Any], order: list[int], wrong: Callable[[Any], str]) -> None:
    """Appends the indices; an error says what ``wrong`` makes of another item."""
    for item in given:
        try:
            index = operator.index(item)
        except TypeError:
            raise WrongType(wrong(item)) from None
        if not -(2**63) <= index < 2**63:
            raise OutOfBounds(wrong(item))
        order.append(index)


def indices(sampler: Iterable[Any], seed: int, epoch: int) -> list[int]:
    """The sampler's indices of an epoch."""
    order: list[int] = []
    with _drawing(sampler, seed, epoch):
        _take(
            sampler,
            order,
            lambda item: (
                f"[DataLoader] the sampler {type(sampler).__name__} gives "
                f"{item!r:.80} at place {len(order)}, not an index"
            ),
        )
    return order


def batches(sampler: Iterable[Any], seed: int, epoch: int) -> list[list[Any]]:
    """The batch sampler's lists of indices of an epoch."""
    with _drawing(sampler, seed, epoch):
        return [
            list(batch) if hasattr(batch, "__iter__") else batch for batch in sampler
        ]


def flattened(batches: Iterable[Any], who: str) -> tuple[list[int], list[int]]:
    """All indices one after another, and where each batch ends."""
    order: list[int] = []
    ends: list[int] = []
    for batch in batches:
        if not hasattr(batch, "__iter__"):
            raise WrongType(
                f"[{who}] batch {len(ends)} is {batch!r:.40}, not a list of indices"
            )
        _take(
            batch,
            order,
            lambda index: (
                f"[{who}] batch {len(ends)} has {index!r:.40} in it, not an index"
            ),
        )
        ends.append(len(order))
    return order, ends
