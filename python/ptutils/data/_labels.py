"""``classes`` and ``targets`` of data sets made of others, or of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..errors import UnknownName


def classes_of_hdf5(path: str, group: str = "") -> list[str] | None:
    """The names of a file's labels: ``classes`` in the group, or where ``data pack``
    writes it, ``meta/classes``."""
    for place in dict.fromkeys((group, "", "meta")):
        try:
            names = _core.Dataset(path, _core.HDF5Reader("classes", place))
        except UnknownName:
            continue
        return [str(names[i]) for i in range(len(names))]
    return None


def _parts(data: Any) -> tuple[list[Any], Any]:
    """What it was made of, data sets or paths, and their reader."""
    if data._extra_state is None:  # made by its constructor
        inner = data._constructor().get("dataset")
        return [] if inner is None else [inner], None
    opened = data._extra_state()
    return opened[:2] if opened else ([], None)


def _classes(data: Any) -> list[str] | None:
    found: Any = None
    parts, reader = _parts(data)
    for part in parts:
        own = reader or (_core._reader_for(part) if isinstance(part, str) else None)
        if own is None:
            found = getattr(part, "classes", None)
        elif isinstance(own, _core.HDF5Reader):
            found = classes_of_hdf5(part, own.to_config().get("group", ""))
        elif isinstance(own, _core.ImageFolderReader):
            found = _core._class_folders(part)
        if found is not None:
            return list(found)
    return None


def _targets(data: Any) -> Any:
    found = [
        None if isinstance(part, str) else getattr(part, "targets", None)
        for part in _parts(data)[0]
    ]
    if not found or any(each is None for each in found):
        return None
    targets = np.concatenate([np.asarray(each) for each in found])
    return targets[data.indices] if isinstance(data, _core.Subset) else targets


class _Derived:
    """An attribute that is found out; one that a subclass sets takes its place."""

    def __init__(self, name: str, find: Callable[[Any], Any], doc: str) -> None:
        self.name, self.find, self.__doc__ = name, find, doc

    def __get__(self, data: Any, owner: type) -> Any:
        if data is None:
            return self
        found = self.find(data)
        if found is None:
            raise AttributeError(
                f"{owner.__name__!r} object has no attribute {self.name!r}"
            )
        return found


for _name, _find, _doc in (
    ("classes", _classes, "What the labels mean, by label, where the data tell it."),
    ("targets", _targets, "All labels, where the data sets it is made of have them."),
):
    setattr(_core.Dataset, _name, _Derived(_name, _find, _doc))
