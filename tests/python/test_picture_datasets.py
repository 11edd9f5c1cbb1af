"""Folders of pictures, and pictures of other libraries."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdf5_layouts import IMAGES
from hdf5_layouts import h5 as h5  # a fixture
from pictures import folder, scene
from PIL import Image

import ptutils as pt
from ptutils.data import (
    DataLoader,
    Dataset,
    ImageFolder,
    MapDataset,
)
from ptutils.data import transforms as T


def test_classes_of_several_folders_are_the_same(tmp_path: Path) -> None:
    one = folder(tmp_path / "1", {"a": [(9, 8)], "b": [(9, 8)]})
    two = folder(tmp_path / "2", {"b": [(9, 8)]})
    with pytest.raises(ValueError, match="2 has the classes b, the first one a, b"):
        Dataset([one, two])
    (two / "a").mkdir()
    (two / ".hidden").mkdir()
    assert [label for _, label in Dataset([one, two])] == [0, 1, 1]
    assert ImageFolder(two).classes == ["a", "b"]


def test_torchvisions_transforms_stand_in_a_chain() -> None:
    tv = pytest.importorskip("torchvision.transforms.v2")
    image = scene(12, 10, 3).transpose(2, 0, 1)
    data = Dataset(
        (image[None],), preprocessor=[tv.RandomHorizontalFlip(1.0), tv.Resize(6)]
    )
    assert type(data[0][0]) is np.ndarray and data[0][0].shape == (3, 7, 6)
    flipped = Dataset((image[None],), preprocessor=[tv.RandomHorizontalFlip(1.0)])
    np.testing.assert_array_equal(flipped[0][0], image[:, :, ::-1])
    with pytest.raises(TypeError):
        Dataset((image[None],), preprocessor=[tv.ToImage(), tv.ToPILImage(), len])[0]


def test_links_that_lead_back_are_not_followed(tmp_path: Path, caplog: Any) -> None:
    root = folder(tmp_path / "photos", {"a": [(9, 8)] * 3, "b": [(5, 5)]})
    count = len(ImageFolder(root))
    name = ImageFolder(root).classes[0]
    os.symlink(".", root / name / "self")
    os.symlink("..", root / name / "up")
    os.symlink("/nowhere", root / name / "none.png")
    (root / name / "folder.png").mkdir()
    (root / "c").mkdir()
    assert len(ImageFolder(root)) == count
    assert "no pictures of the classes c" in caplog.text
    assert repr(ImageFolder(root)).startswith(f"ImageFolder({count} samples, ")


class Pictures:
    """As torchvision's data sets: Pillow's pictures, with a label."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return Image.fromarray(IMAGES[index]), index


def test_pillows_pictures_are_pictures() -> None:
    data = Dataset(Pictures(), preprocessor=[T.Resize(6), T.ToFloat(1 / 255)])
    expected = Dataset(
        (IMAGES[:4],), preprocessor=[T.ToCHW(), T.Resize(6), T.ToFloat(1 / 255)]
    )
    for i in range(4):
        np.testing.assert_array_equal(data[i][0], expected[i][0])
    (batch,) = DataLoader(data, 4)
    assert batch[0].shape == (4, 3, 7, 6) and batch[1].tolist() == [0, 1, 2, 3]
    grey = [Image.fromarray(IMAGES[0][..., 0])]
    assert next(DataLoader(grey, 1)).shape == (1, 3, 12, 10)
    with pytest.raises(TypeError, match="an image .* is wanted, not .*lock"):
        T.Resize(6)(threading.Lock())
    labels = {"label": np.arange(3), "image": IMAGES[:3]}
    with pytest.raises(TypeError, match=r"\(transform 0, ToCHW\) \(field 'label'\)"):
        Dataset(labels, preprocessor=[T.ToCHW()])[0]


def test_a_folder_tells_torchvisions_names(tmp_path: Path) -> None:
    root = folder(tmp_path, {"b": [(8, 8)], "a": [(8, 8), (8, 8)]})
    photos = ImageFolder(root)
    theirs = pytest.importorskip("torchvision").datasets.ImageFolder(str(root))
    assert photos.class_to_idx == theirs.class_to_idx == {"a": 0, "b": 1}
    assert photos.samples == theirs.samples
    assert photos.targets.tolist() == theirs.targets == [0, 0, 1]
    assert photos.targets.dtype == np.int64
    Path(photos.samples[0][0]).unlink()
    with pytest.raises(pt.errors.WrongState, match="2 pictures now, 3 when"):
        photos.targets  # noqa: B018


def test_single_pictures_say_how_they_are_read(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", {"a": [(9, 8), (6, 5)]})
    paths = sorted((root / "a").glob("*.jpg"))
    for source in (paths[0], root / "a" / "*.jpg"):
        with pytest.raises(ValueError, match="is a picture; ImageFolder.* MapDataset"):
            Dataset(source)
    data = MapDataset(paths, lambda path: T.DecodeImage()(path.read_bytes()))
    assert data[0].shape == (3, 9, 8) and len(data) == 2
