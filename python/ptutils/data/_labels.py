"""``classes`` and ``targets`` of data sets made of others, or of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core


def classes_of_hdf5(path: str, group: str = "") -> list[str] | None:
    """The names of a file's labels: ``classes`` in the group, or where ``data pack``
    writes it, ``meta/classes``."""
    for place in dict.fromkeys((group, "", "meta")):
        try:
            names = _core.Dataset(path, _core.HDF5Reader("classes", place))
        except (KeyError, ValueError):  # none there, or something else
            continue
        if len(names) and isinstance(names[0], str):
            return [names[i] for i in range(len(names))]
    return None


def labels_of_hdf5(source: str | list[str], group: str = "") -> Any:
    """All of the data set ``labels``."""
    import numpy as np

    labels = _core.Dataset(source, _core.HDF5Reader("labels", group))
    batches = [*_core.DataLoader(labels, 4096, output="numpy", num_workers=0)]
    return np.concatenate(batches) if batches else np.zeros(0, np.int64)


def group_of(reader: Any) -> str:
    """Of an HDF5Reader."""
    return str(reader.to_config().get("group", ""))


def _parts(data: Any) -> tuple[list[Any], Any]:
    """What it was made of, data sets or paths, and their reader."""
    if data._extra_state is None:  # made by its constructor
        inner = data._constructor().get("dataset")
        return [] if inner is None else [inner], None
    opened = data._extra_state()
    return opened[:2] if opened else ([], None)


def _reader_of(part: Any, reader: Any) -> Any:
    """Of a path: the one that was given, or by its kind."""
    if not isinstance(part, str):
        return None
    return _core._reader_for(part) if reader is None else reader


def _classes_of(part: Any, own: Any) -> Any:
    if own is None:
        return getattr(part, "classes", None)
    if isinstance(own, _core.HDF5Reader):
        return classes_of_hdf5(part, group_of(own))
    if isinstance(own, _core.ImageFolderReader):
        return _core._class_folders(part)
    return None


def _classes(data: Any) -> list[str] | None:
    """Where all parts tell the same; classes that are a sample's field are none."""
    parts, reader = _parts(data)
    if not parts or "classes" in data.field_names:
        return None
    found = [_classes_of(part, _reader_of(part, reader)) for part in parts]
    if any(each is None or list(each) != list(found[0]) for each in found):
        return None
    return list(found[0])


def _targets_of(part: Any, own: Any) -> Any:
    if own is None:
        return getattr(part, "targets", None)
    folder = isinstance(own, _core.ImageFolderReader)
    return _core.ImageFolder(part).targets if folder else None


def _targets(data: Any) -> Any:
    import numpy as np

    parts, reader = _parts(data)
    found = [_targets_of(part, _reader_of(part, reader)) for part in parts]
    if not found or any(each is None for each in found):
        return None
    try:
        targets = np.concatenate([np.asarray(each) for each in found])
    except ValueError:  # lists of several lengths
        return None
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
