"""Files that the loading benchmarks share, and how the peers read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torchvision.transforms as tv
from ours import MEAN, STD
from PIL import Image
from torch.utils import data as torch_data
from torchvision.datasets import ImageFolder as TorchImageFolder


def scene(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth colours, an edge and some noise: it packs as a photograph does."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(x / rng.uniform(4, 30) + c) * np.cos(y / rng.uniform(4, 30))
        for c in range(3)
    ]
    out = 128 + 90 * np.stack(waves, -1) + rng.normal(0, 3, (height, width, 3))
    out[height // 4 : height // 2, width // 3 : width // 2] = rng.integers(0, 256, 3)
    return np.clip(out, 0, 255).astype(np.uint8)


def images_of(n: int, size: int) -> np.ndarray:
    """uint8 (n, size, size, 3)"""
    rng = np.random.default_rng(0)
    return np.stack([scene(size, size, rng) for _ in range(n)])


def write_hdf5(path: Path, images: np.ndarray) -> None:
    """`one` and `many` (samples a chunk), gzip; the labels are their numbers."""
    with h5py.File(path, "w") as file:
        for name, rows in (("one", 1), ("many", 32)):
            chunks = (rows, *images.shape[1:])
            file.create_dataset(name, data=images, chunks=chunks, compression="gzip")
        file["labels"] = np.arange(len(images))


class H5(torch_data.Dataset):
    def __init__(self, path: Path, name: str, n: int, **options: Any) -> None:
        self.path, self.name, self.n, self.options = path, name, n, options
        self.images: Any = None

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if self.images is None:
            file = h5py.File(self.path, "r", **self.options)
            self.images, self.labels = file[self.name], file["labels"]
        image = torch.from_numpy(self.images[i]).permute(2, 0, 1)
        return image.float() * (1 / 255), int(self.labels[i])


def write_jpegs(root: Path, n: int = 96) -> Path:
    """400 x 500 pixels each, some 110 KB, in four classes."""
    rng = np.random.default_rng(1)
    for i in range(n):
        place = root / f"class{i % 4}"
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(scene(400, 500, rng))
        picture.save(place / f"{i:03}.jpg", quality=92)
    return root


def torch_jpegs(root: Path, size: int = 224) -> Any:
    chain = [tv.Resize(size * 8 // 7), tv.CenterCrop(size), tv.ToTensor()]
    chain.append(tv.Normalize(MEAN, STD))
    return TorchImageFolder(str(root), transform=tv.Compose(chain))
