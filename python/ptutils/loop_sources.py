"""Where a loop of one's own takes its batches from, resumable in mid-epoch.

A source gives the batches of one epoch at a time, and its position is state: a
loader of ours knows its own; for torch's DataLoader see torch_source; anything
else that can be iterated is loaded and dropped up to the position.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from . import _core, _text
from .errors import WrongType


def source_of(loader: Any) -> Source:
    """The source for a loader: ours, torch's, or any iterable."""
    if hasattr(loader, "set_position"):
        return NativeSource(loader)
    if isinstance(loader, _core.JoinedLoader):
        return JoinedSource(loader)
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(loader, torch_data.DataLoader):
        from .torch_source import TorchSource

        return TorchSource(loader)
    if not hasattr(loader, "__iter__"):
        raise WrongType(
            f"[Session.loop] {_text.with_article(loader)} cannot be iterated: give "
            "a DataLoader (torch's or ours) or an iterable of batches"
        )
    if iter(loader) is loader:
        raise WrongType(
            f"[Session.loop] {_text.with_article(loader)} can be iterated once "
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

    def remaining(self) -> int:
        """Batches of this epoch that are still to come; -1 when unknown."""
        return max(self.length() - self.batch, 0) if self.length() else -1

    def samples(self) -> int | None:
        """How many the loader's data set has, where it says so."""
        try:
            return len(self.loader.dataset)
        except (AttributeError, TypeError, NotImplementedError):
            return None

    def state(self) -> dict[str, Any]:
        length = self.length()
        state = {"batch": self.batch, "start": self._start, "samples": self.samples()}
        if self.batch == 0 or (length and self.batch >= length):
            state.update(batch=0, start=None)
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.batch = state["batch"]
        self._start = state["start"]
        self.moved = True
        before, now = state.get("samples"), self.samples()
        if None in (before, now) or before == now:
            return
        what = "the epoch begins again with those of now"
        if not self.batch:
            what = "epochs are of those of now from here on"
        _core._log(
            30,
            f"the loop's data set has {now} samples, and had {before} when the "
            f"state was saved: {what}",
        )
        self.batch = 0

    def epoch(self) -> Iterator[Any]:
        """The batches from the position to the end of the epoch."""
        self.moved = False
        if self.batch == 0:
            iterator = self.begin()
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

    def begin(self) -> Iterator[Any]:
        """The batches of a new epoch."""
        self._start = self.streams()
        return self.fresh()

    def fresh(self) -> Iterator[Any]:
        return iter(self.loader)

    def close(self) -> None:
        """Ends its workers; its state stays."""

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
        iterator = self.fresh()
        for _ in range(count):
            next(iterator)
        return iterator


class NativeSource(Source):
    """A loader of ours: its position is its own state."""

    def remaining(self) -> int:
        left: int = self.loader._remaining
        return left

    def state(self) -> dict[str, Any]:
        state = dict(self.loader.state_dict())
        if self.remaining() == 0 and self.length():  # the epoch's last was given
            state.update(epoch=state["epoch"] + 1, batch=0, given=0)
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)
        self.batch = self.loader.batch
        self.moved = True

    def epoch(self) -> Iterator[Any]:
        self.moved = False
        for batch in self.loader:
            yield batch
            if self.moved:
                return


class JoinedSource(NativeSource):
    """Several loaders of ours at once: their positions are its own."""

    def state(self) -> dict[str, Any]:
        parts = {name: self.loader[name] for name in self.loader.names}
        return {
            name: NativeSource(part).state()
            if isinstance(part, _core.DataLoader)
            else part.state_dict()
            for name, part in parts.items()
        }

    def load(self, state: dict[str, Any]) -> None:
        self.loader.load_state_dict(state)
        self.moved = True
