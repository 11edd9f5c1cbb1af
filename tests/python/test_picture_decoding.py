"""Decoding of picture files beside torchvision and Pillow; damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import folder, levels_apart, save, scene
from PIL import Image

import ptutils as pt
from ptutils.data import (
    DataLoader,
    ImageFolder,
)
from ptutils.data import transforms as T

torch = pytest.importorskip("torch")
tv = pytest.importorskip("torchvision.transforms.v2")


def test_pictures_are_decoded_as_torchvision_does(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder as Theirs

    root = folder(
        tmp_path / "photos",
        {"cat": [(120, 90), (65, 230)], "dog": [(300, 200)], "eel": [(40, 41)]},
    )
    save(root / "dog" / "a.png", scene(33, 44, 1))
    save(root / "dog" / "grey.png", scene(33, 44, 1)[..., 0])
    save(root / "dog" / "grey.jpg", scene(33, 44, 1)[..., 0])
    alpha = np.dstack([scene(20, 30, 2), np.full((20, 30), 99, np.uint8)])
    save(root / "eel" / "alpha.png", alpha)
    Image.fromarray(scene(30, 30, 3)).convert("P").save(root / "eel" / "palette.png")
    Image.fromarray(scene(30, 30, 3)).convert("CMYK").save(root / "eel" / "cmyk.jpg")
    Image.fromarray(scene(30, 30, 3)).save(root / "eel" / "b.webp", lossless=True)
    Image.fromarray(scene(50, 61, 3)).save(root / "eel" / "p.jpg", progressive=True)
    ours, theirs = ImageFolder(root), Theirs(str(root))
    assert len(ours) == len(theirs) == 12 and ours.classes == theirs.classes
    for i in range(len(ours)):
        picture, label = theirs[i]
        np.testing.assert_array_equal(
            ours[i][0],
            np.asarray(picture).transpose(2, 0, 1),
            err_msg=theirs.imgs[i][0],
        )
        assert ours[i][1] == label
    chain = [T.Resize(40), T.CenterCrop(32), T.ToFloat(1 / 255)]
    batches = DataLoader(ImageFolder(root, preprocessor=chain), batch_size=12)
    (images, labels) = next(iter(batches))
    crop = tv.Compose([tv.Resize(40), tv.CenterCrop(32)])
    for i in range(len(ours)):
        expected = np.asarray(crop(theirs[i][0])).transpose(2, 0, 1)
        assert levels_apart(np.rint(images[i] * 255), expected) <= 1
    assert labels.tolist() == [label for _, label in theirs.imgs]


def test_parts_of_pictures_are_those_of_the_whole(tmp_path: Path) -> None:
    """A crop decodes only its rows."""
    root = folder(tmp_path / "photos", {"a": [(211, 173), (64, 48)]})
    whole = ImageFolder(root)
    for i, size in ((0, (30, 50)), (0, (100, 173)), (1, (17, 3)), (1, (64, 48))):
        cropped = ImageFolder(root, preprocessor=[T.CenterCrop(size)])[i][0]
        np.testing.assert_array_equal(cropped, T.CenterCrop(size)(whole[i][0]))
        both = [T.CenterCrop(size), T.Resize((20, 20))]
        np.testing.assert_array_equal(
            ImageFolder(root, preprocessor=both)[i][0], T.Compose(both)(whole[i][0])
        )
        window = [T.Resize((90, 80)), T.CenterCrop(11)]
        np.testing.assert_array_equal(
            ImageFolder(root, preprocessor=window)[i][0], T.Compose(window)(whole[i][0])
        )


def test_dct_scaling_is_near_full_decoding(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", {"a": [(512, 640), (401, 777)]})
    chain = [T.Resize(64), T.CenterCrop(60)]
    full = ImageFolder(root, preprocessor=chain)
    scaled = ImageFolder(root, preprocessor=chain, dct_scaling=True)
    for i in range(2):
        a, b = (np.asarray(d[i][0]).astype(int) for d in (full, scaled))
        assert a.shape == b.shape == (3, 60, 60)
        assert 0 < np.abs(a - b).mean() < 3


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_damaged_pictures_are_errors_that_name_the_file(
    tmp_path: Path, name: str
) -> None:
    root = tmp_path / "photos"
    save(root / "a" / name, scene(50, 60, 0))
    content = (root / "a" / name).read_bytes()
    data = ImageFolder(root)
    assert np.asarray(data[0][0]).any()
    for cut in list(range(0, len(content), 7)) + [len(content) - 3]:
        (root / "a" / name).write_bytes(content[:cut])
        with pytest.raises(pt.errors.Error, match=name):
            data[0]
    (root / "a" / name).unlink()
    with pytest.raises(pt.errors.IOFailed, match=name):
        data[0]
