"""An HDF5 file in all layouts, for the tests of data sets over files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pictures import scene

from ptutils.data import DataLoader

N = 103
RNG = np.random.default_rng(0)
IMAGES = np.stack([scene(12, 10, i) for i in range(N)])
LABELS = np.arange(N) * 3 % 10


def batches(data: Any, **options: Any) -> list[Any]:
    return list(DataLoader(data, batch_size=16, **options))


LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "one": {"chunks": (1, 12, 10, 3), "compression": "gzip"},
    "many": {"chunks": (8, 12, 10, 3), "compression": "gzip", "shuffle": True},
    "cut": {"chunks": (5, 7, 4, 2), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (9, 12, 10, 3), "compression": "lzf"},
    "plain": {"chunks": (4, 12, 10, 3)},
    "growing": {"chunks": (4, 12, 10, 3), "maxshape": (None, 12, 10, 3)},
    "scaled": {"chunks": (4, 12, 10, 3), "scaleoffset": 0},
}


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("h5") / "train.h5"
    with h5py.File(path, "w") as file:
        for name, options in LAYOUTS.items():
            file.create_dataset(name, data=IMAGES, **options)
        for dtype in ("<f4", ">f4", "<f8", "<i2", ">i8", "?", "<c8"):
            values = RNG.integers(0, 2, (N, 3)).astype(dtype)
            file.create_dataset(
                f"types/{dtype[-2:]}{dtype[0] == '>'}", data=values, chunks=(7, 3)
            )
        sparse = file.create_dataset(
            "sparse", (N, 4), "f4", chunks=(10, 4), fillvalue=7, compression="gzip"
        )
        sparse[20:30] = 1
        file["labels"] = LABELS
        file["names"] = [f"sample {i}" for i in range(N)]
        file["never"] = h5py.Empty("f4")
        file["number"] = 3
    return path
