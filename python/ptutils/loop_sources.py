"""Where a loop of one's own takes its batches from, resumable in mid-epoch.

A source gives the batches of one epoch at a time, and its position is state: a
loader of ours knows its own; a torch DataLoader is brought back to the random
streams of the epoch's start and skips the batches already used, without loading
them where its sampler alone is random; anything else that can be iterated is
loaded and dropped up to the position.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from . import _core


def source_of(loader: Any) -> Source:
    """The source for a loader: ours, torch's, or any iterable."""
    if hasattr(loader, "set_position"):
        return NativeSource(loader)
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(loader, torch_data.DataLoader):
        return TorchSource(loader)
    if not hasattr(loader, "__iter__"):
        raise TypeError(
            f"[Session.loop] a {type(loader).__name__} cannot be iterated: give "
            "a DataLoader (torch's or ours) or an iterable of batches"
        )
    if iter(loader) is loader:
        raise TypeError(
            f"[Session.loop] a {type(loader).__name__} can be iterated once "
            "only, so it cannot be resumed: give an object whose iter() begins "
            "again"
        )
    return Source(loader)


class Source:
    """Any iterable: resumed by loading and dropping."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.batch = 0  # given in this epoch
        self.moved = False  # the position was set from outside
        self._start: Any = None  # random streams at the epoch's start

    def length(self) -> int:
        """Batches an epoch; 0 when unknown."""
        try:
            return len(self.loader)
        except TypeError:
            return 0

    def state(self) -> dict[str, Any]:
        length = self.length()
        if self.batch == 0 or (length and self.batch >= length):
            return {"batch": 0, "start": None}
        return {"batch": self.batch, "start": self._start}

    def load(self, state: dict[str, Any]) -> None:
        self.batch = state["batch"]
        self._start = state["start"]
        self.moved = True

    def epoch(self) -> Iterator[Any]:
        """The batches from the position to the end of the epoch."""
        self.moved = False
        if self.batch == 0:
            self._start = self.streams()
            iterator = iter(self.loader)
        else:
            now = self.streams()
            self.set_streams(self._start)
            iterator = self.resumed(self.batch, now)
        for batch in iterator:
            self.batch += 1
            yield batch
            if self.moved:
                return
        self.batch = 0

    def streams(self) -> Any:
        return _core._save_streams()

    def set_streams(self, state: Any) -> None:
        _core._load_streams(state)

    def resumed(self, count: int, now: Any) -> Iterator[Any]:
        iterator = self.dropped(count)
        self.set_streams(now)
        return iterator

    def dropped(self, count: int) -> Iterator[Any]:
        _core._log(
            20,
            f"the loader cannot skip: {count} batches of this epoch are loaded "
            "and dropped",
        )
        iterator = iter(self.loader)
        for _ in range(count):
            next(iterator)
        return iterator


class NativeSource(Source):
    """A loader of ours: its position is its own state."""

    def state(self) -> dict[str, Any]:
        state = dict(self.loader.state_dict())
        if state["batch"] >= self.length() > 0:  # the epoch's last was given
            state["epoch"], state["batch"] = state["epoch"] + 1, 0
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)
        self.batch = state["batch"]
        self.moved = True

    def epoch(self) -> Iterator[Any]:
        self.moved = False
        for batch in self.loader:
            yield batch
            if self.moved:
                return


class _Skip:
    """A (batch) sampler without its first batches; `ready` runs between."""

    def __init__(self, sampler: Any, count: int, ready: Any) -> None:
        self.sampler, self.count, self.ready = sampler, count, ready

    def __iter__(self) -> Iterator[Any]:
        iterator = iter(self.sampler)
        for _ in range(self.count):
            next(iterator)
        self.ready()
        yield from iterator

    def __len__(self) -> int:
        return len(self.sampler) - self.count


class TorchSource(Source):
    """torch's DataLoader, with the generators that it and its samplers use."""

    def _generators(self) -> list[Any]:
        found: list[Any] = []
        batch_sampler = getattr(self.loader, "batch_sampler", None)
        for owner in (
            self.loader,
            getattr(self.loader, "sampler", None),
            batch_sampler,
            getattr(batch_sampler, "sampler", None),
        ):
            generator = getattr(owner, "generator", None)
            if generator is not None and all(generator is not g for g in found):
                found.append(generator)
        return found

    def streams(self) -> Any:
        return {
            "global": super().streams(),
            "own": [g.get_state() for g in self._generators()],
        }

    def set_streams(self, state: Any) -> None:
        super().set_streams(state["global"])
        for generator, saved in zip(self._generators(), state["own"], strict=True):
            generator.set_state(saved)

    def state(self) -> dict[str, Any]:
        state = super().state()
        state["own"] = [g.get_state() for g in self._generators()]
        return state

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        for generator, saved in zip(self._generators(), state["own"], strict=True):
            generator.set_state(saved)

    def resumed(self, count: int, now: Any) -> Iterator[Any]:
        if not self._can_skip():
            iterator = self.dropped(count)
            self.set_streams(now)
            return iterator
        return iter(self._from(count, now))

    def _can_skip(self) -> bool:
        """In this process the streams are put back after the skip, so any data
        set will do; a worker's streams depend on what it has loaded."""
        from torch.utils import data

        if isinstance(self.loader.dataset, data.IterableDataset):
            return False
        return self.loader.num_workers == 0 or _is_deterministic(self.loader.dataset)

    def _from(self, count: int, now: Any) -> Any:
        """The same loader, its sampler without the first batches."""
        from torch.utils.data import DataLoader

        loader = self.loader
        arguments: dict[str, Any] = {
            "num_workers": loader.num_workers,
            "collate_fn": loader.collate_fn,
            "pin_memory": loader.pin_memory,
            "timeout": loader.timeout,
            "worker_init_fn": loader.worker_init_fn,
            "multiprocessing_context": loader.multiprocessing_context,
            "generator": loader.generator,
        }
        if loader.num_workers > 0:
            arguments["prefetch_factor"] = loader.prefetch_factor

        def ready() -> None:
            self.set_streams(now)

        if loader.batch_sampler is None:
            skip = _Skip(loader.sampler, count, ready)
            return DataLoader(
                loader.dataset, batch_size=None, sampler=skip, **arguments
            )
        skip = _Skip(loader.batch_sampler, count, ready)
        return DataLoader(loader.dataset, batch_sampler=skip, **arguments)


def _is_deterministic(dataset: Any) -> bool:
    """Data sets whose samples draw nothing at random."""
    from torch.utils import data

    if isinstance(dataset, data.Subset):
        return _is_deterministic(dataset.dataset)
    if isinstance(dataset, data.ConcatDataset):
        return all(_is_deterministic(d) for d in dataset.datasets)
    return isinstance(dataset, (data.TensorDataset, _core.Dataset))
