"""Folders of pictures, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def scene(height: int, width: int, seed: int) -> np.ndarray:
    """uint8 (height, width, 3): smooth colours with edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [
        128 + 90 * np.sin(x / rng.uniform(5, 30) + c) * np.cos(y / rng.uniform(5, 30))
        for c in range(3)
    ]
    out = np.stack(planes, -1) + rng.normal(0, 6, (height, width, 3))
    out[height // 4 : height // 2, width // 3 : width // 2] = rng.integers(0, 256, 3)
    return np.clip(out, 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def folder(root: Path, sizes: dict[str, list[tuple[int, int]]]) -> Path:
    """A folder for each class, with pictures of these (height, width)."""
    for name, each in sizes.items():
        for i, (height, width) in enumerate(each):
            seed = len(name) * 100 + i
            save(root / name / f"{i:03}.jpg", scene(height, width, seed), quality=90)
    return root


def levels_apart(a: Any, b: Any) -> int:
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max())
