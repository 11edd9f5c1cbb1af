"""torch's DataLoader in a loop, resumable in mid-epoch.

It is brought back to the random streams of the epoch's start and skips the
batches already used, without loading them where its sampler alone is random.
Workers are given indices ahead of the batches that they send back, so a
position is the batches given and the indices that were drawn ahead.
"""

from __future__ import annotations

import copy
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from . import _core
from ._generators import generators_of
from .loop_sources import Source


@dataclass
class _Resume:
    """Where the indices go on."""

    count: int  # of the batches given
    ahead: list[Any]  # drawn, but not given
    check: int | None  # of all that were drawn
    exhausted: bool  # the sampler had been asked for more than it has
    skipped: Callable[[], None] | None  # None: all are given once more


class _Indices:
    """The loader's (batch) sampler, with an account of what it has given."""

    def __init__(self, sampler: Any, source: Source) -> None:
        # No cycles: workers are to end with the last reference to their loader.
        self.sampler, self.source = sampler, weakref.proxy(source)
        self.silent = False  # gives nothing
        self.resume: _Resume | None = None
        self._clear()

    def _clear(self) -> None:
        self.drawn, self.check, self.exhausted = 0, 0, False
        self._ahead: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        if self.silent:
            return iter(())
        # Not in the generator: there are samplers that draw in their iter().
        return self._indices(iter(self.sampler))

    def _indices(self, iterator: Iterator[Any]) -> Iterator[Any]:
        self._clear()
        resume, self.resume = self.resume, None
        if resume is not None and resume.skipped is not None:
            self._skip(iterator, resume, resume.skipped)
            yield from resume.ahead
        elif resume is not None:
            yield from self._again(iterator, resume)
        for index in iterator:
            self._note(index)
            yield index
        self.exhausted = True

    def _skip(
        self, iterator: Iterator[Any], resume: _Resume, skipped: Callable[[], None]
    ) -> None:
        for index in islice(iterator, resume.count + len(resume.ahead)):
            self._note(index)
        if resume.check not in (None, self.check):
            _core._log(
                30,
                "the loop and the sampler draw from the same random numbers: the "
                "resumed epoch is exact only if the sampler keeps nothing of what "
                "it drew; give it a generator of its own",
            )
            self.check = resume.check
        if resume.exhausted:
            next(iterator, None)
        self._ahead = deque(resume.ahead)
        skipped()

    def _again(self, iterator: Iterator[Any], resume: _Resume) -> Iterator[Any]:
        for index in islice(iterator, resume.count):
            self._note(index)
            yield index
        for index, _ in zip(resume.ahead, iterator, strict=False):
            self._note(index)
            yield index

    def _note(self, index: Any) -> None:
        self.drawn += 1
        self.check = zlib.crc32(repr(index).encode(), self.check)
        self._ahead.append(index)
        self._drop_given()

    def _drop_given(self) -> None:
        while len(self._ahead) > max(0, self.drawn - self.source.batch):
            self._ahead.popleft()

    def state(self) -> dict[str, Any]:
        self._drop_given()
        return {
            "ahead": list(self._ahead),
            "check": self.check,
            "exhausted": self.exhausted,
        }


class TorchSource(Source):
    """torch's DataLoader, with the generators that it and its samplers use."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._persistent = loader.persistent_workers and loader.num_workers > 0
        self._loader, self._indices = loader, _Indices((), self)
        self._saved: dict[str, Any] = {}  # the indices' state that was loaded
        self._has_workers = False  # persistent ones
        self._had_workers = False  # the same when the epoch began
        self._wants_workers: bool | None = None  # by the state that was loaded
        if _iterates_as_torch(loader):
            self._loader, self._indices = self._observed()

    def _observed(self) -> tuple[Any, _Indices]:
        """The same loader, its sampler under observation."""
        loader = copy.copy(self.loader)
        slot = "sampler" if loader.batch_sampler is None else "batch_sampler"
        indices = _Indices(getattr(loader, slot), self)
        loader.__dict__[slot] = indices  # a DataLoader refuses to be changed
        loader._iterator = None
        return loader, indices

    def streams(self) -> Any:
        return {
            "global": super().streams(),
            "own": [g.state() for g in generators_of(self.loader)],
        }

    def set_streams(self, state: Any) -> None:
        super().set_streams(state["global"])
        self._set_generators(state["own"])

    def _set_generators(self, states: list[Any]) -> None:
        for generator, saved in zip(generators_of(self.loader), states, strict=True):
            generator.set_state(saved)

    def state(self) -> dict[str, Any]:
        state = super().state()
        state["own"] = [g.state() for g in generators_of(self.loader)]
        if self._wants_workers is not None:  # loaded, and nothing was given since
            state["workers"], indices = self._wants_workers, self._saved
        elif state["batch"]:
            state["workers"], indices = self._had_workers, self._indices.state()
        else:
            state["workers"], indices = self._has_workers, {}
        count = self.loader.num_workers
        return {**state, "indices": indices, "num_workers": count}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._set_generators(state["own"])
        self._saved = (state.get("indices") or {}) if self.batch else {}
        self._wants_workers = state.get("workers", False)
        before, now = state.get("num_workers"), self.loader.num_workers
        if before not in (None, now) and not _is_deterministic(self.loader.dataset):
            _core._log(
                30,
                f"torch's DataLoader had num_workers={before}, and has {now} now: what "
                "the data set draws at random in its workers is other than it was",
            )

    def begin(self) -> Iterator[Any]:
        self._bring_workers_back()
        self._had_workers = self._has_workers
        return super().begin()

    def fresh(self) -> Iterator[Any]:
        self._has_workers = self._persistent
        return iter(self._loader)

    def close(self) -> None:
        if self._loader is not self.loader:
            self._loader._iterator = None

    def resumed(self, count: int, now: Any) -> Iterator[Any]:
        self._bring_workers_back()
        self._had_workers = self._has_workers
        skips, source = self._can_skip(), weakref.proxy(self)
        self._indices.resume = _Resume(
            count,
            list(self._saved.get("ahead", ())),
            self._saved.get("check"),
            self._saved.get("exhausted", False),
            (lambda: source.set_streams(now)) if skips else None,
        )
        return self.fresh() if skips else super().resumed(count, now)

    def _can_skip(self) -> bool:
        """In this process the streams are put back after the skip, so any data
        set will do; a worker's streams depend on what it has loaded."""
        from torch.utils import data

        if not _iterates_as_torch(self.loader):
            return False
        if isinstance(self.loader.dataset, data.IterableDataset):
            return False
        return self.loader.num_workers == 0 or _is_deterministic(self.loader.dataset)

    def _bring_workers_back(self) -> None:
        """Persistent workers are made once, and the loader draws then: after a
        load they are there, or not, as they were, and nothing was drawn."""
        wanted, self._wants_workers = self._wants_workers, None
        if wanted is None or not self._persistent:
            return
        if not wanted:
            self.close()
            self._has_workers = False
            return
        if not _is_deterministic(self.loader.dataset):
            _core._log(
                30,
                "the random streams of persistent workers cannot be brought back: "
                "what the data set draws there is other than it was; "
                "persistent_workers=False resumes exactly",
            )
        if self._loader._iterator is None:
            streams = self.streams()
            self._indices.silent = True
            self.fresh()
            self._indices.silent = False
            self.set_streams(streams)


def _iterates_as_torch(loader: Any) -> bool:
    """Not by methods of a class derived from DataLoader."""
    from torch.utils.data import DataLoader

    cls = type(loader)
    return (
        cls.__iter__ is DataLoader.__iter__
        and cls._get_iterator is DataLoader._get_iterator
    )


def _is_deterministic(dataset: Any) -> bool:
    """Data sets whose samples draw nothing at random."""
    from torch.utils import data

    if isinstance(dataset, data.Subset):
        return _is_deterministic(dataset.dataset)
    if isinstance(dataset, data.ConcatDataset):
        return all(_is_deterministic(d) for d in dataset.datasets)
    if isinstance(dataset, _core.Dataset):
        return not dataset._draws_random
    return isinstance(dataset, data.TensorDataset)
