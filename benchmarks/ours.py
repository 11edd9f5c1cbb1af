"""The loading benchmarks' data as ptutils reads them; nothing else is imported."""

from __future__ import annotations

from pathlib import Path

from ptutils.data import Dataset, HDF5Reader, ImageFolder
from ptutils.data import transforms as T

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def our_hdf5(path: Path, name: str, cache: int = 1) -> Dataset:
    reader = HDF5Reader([name, "labels"], cache_bytes=cache)
    return Dataset(path, reader, {name: [T.ToCHW(), T.ToFloat(1 / 255)]})


def our_jpegs(root: Path, size: int = 224, dct_scaling: bool = False) -> ImageFolder:
    chain = [T.Resize(size * 8 // 7), T.CenterCrop(size), T.ToFloat(1 / 255)]
    chain.append(T.Normalize(MEAN, STD))
    return ImageFolder(root, preprocessor=chain, dct_scaling=dct_scaling)
