"""ImageNet, in one HDF5 file or in folders of JPEG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .. import _core
from ..errors import IOFailed, WrongValue
from ._labels import classes_of_hdf5, labels_of_hdf5


def same_classes(who: str, folders: dict[str, str]) -> None:
    """Refuses folders of pictures whose classes differ: each would number its own."""
    known = {
        split: _core._class_folders(folder)
        for split, folder in folders.items()
        if os.path.isdir(folder)
    }
    first = next(iter(known), "")
    for split, classes in known.items():
        differ = sorted(set(classes) ^ set(known[first]))
        if differ:
            raise WrongValue(
                f"[{who}] {folders[split]} and {folders[first]} differ in the classes "
                f"{', '.join(differ[:5])}{', …' if len(differ) > 5 else ''}: their "
                "labels would too; give each a folder for each class (it may be empty)"
            )


class ImageNet(_core.Dataset):
    """Russakovsky et al. 2015 (ILSVRC): samples (image, label).

    ``root`` is a folder with train/nXXXXXXXX/*.JPEG and val/nXXXXXXXX/*.JPEG (images
    uint8 (3, height, width), decoded when a transform wants their pixels), or an
    HDF5 file with the groups train and val, of ``images`` and ``labels`` each (and,
    where it has them, ``classes``, also at its root or in the group meta).
    ``data_reader`` reads root, or its folder of the split, in place of HDF5Reader or
    ImageFolderReader. ``dct_scaling`` (of folders): as of ImageFolder.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        preprocessor: Any = None,
        data_reader: Any = None,
        dct_scaling: bool = False,
    ) -> None:
        if split not in ("train", "val"):
            raise WrongValue(f"[ImageNet] split is 'train' or 'val', not {split!r}")
        source = Path(root)
        if source.is_dir():
            source = source / split
            reader = data_reader or _core.ImageFolderReader(dct_scaling)
            if not source.is_dir():
                raise IOFailed(f"[ImageNet] no folder {source}; is root right?")
        else:
            reader = data_reader or _core.HDF5Reader(["images", "labels"], group=split)
        super().__init__(source, reader, preprocessor)
        if source.is_dir() and split == "val":
            same_classes("ImageNet", {s: str(Path(root) / s) for s in ("train", "val")})
        self._source = str(source)
        self._group = split

    @property
    def targets(self) -> Any:
        """All labels, int64 (n), for a sampler; they are read for it."""
        if os.path.isdir(self._source):
            return _core.ImageFolder(self._source).targets
        return labels_of_hdf5(self._source, self._group)

    @property
    def classes(self) -> list[str]:
        """The WordNet ids, by label; empty where an HDF5 file has none."""
        if os.path.isdir(self._source):
            return _core._class_folders(self._source)
        return classes_of_hdf5(self._source, self._group) or []


ImageNet.__module__ = "ptutils.data"
