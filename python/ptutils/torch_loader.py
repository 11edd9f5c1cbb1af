"""torch's DataLoader as a loader of a DataProvider: position and state are a
loop's (see torch_source)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _core
from .loop_sources import source_of
from .torch_source import TorchSource


class TorchLoader(_core.Loader):
    """A torch DataLoader whose position is state."""

    def __init__(self, loader: Any) -> None:
        self._source = source_of(loader)
        self._iterator: Iterator[Any] | None = None

    @property
    def loader(self) -> Any:
        """torch's own."""
        return self._source.loader

    def __next__(self) -> Any:
        if self._iterator is None or self._source.moved:
            self._iterator = self._source.epoch()
        try:
            batch = next(self._iterator)
        except StopIteration:
            self._iterator = None
            raise
        return tuple(batch) if isinstance(batch, list) else batch

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self.__next__()
            except StopIteration:
                return

    def __len__(self) -> int:
        return self._source.length() or -1

    def rewind(self) -> None:
        """Back to the epoch's start."""
        self._iterator = None
        self._source.batch = 0

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        return self._source.state()

    def load_state_dict(self, state: dict[str, Any], **_: Any) -> None:
        self._source.load(state)

    def to_config(self) -> dict[str, Any]:
        loader = self.loader
        return {
            "func": "torch.utils.data.DataLoader",
            "batch_size": loader.batch_size,
            "num_workers": loader.num_workers,
            "drop_last": loader.drop_last,
        }


def wrap(loader: Any) -> TorchLoader | None:
    """A Loader for torch's DataLoader; None for other objects."""
    source = source_of(loader) if hasattr(loader, "__iter__") else None
    return TorchLoader(loader) if isinstance(source, TorchSource) else None
