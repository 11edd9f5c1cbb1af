"""CIFAR10 and ImageNet on made files of their published layouts."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from records import picture, pixels_of

from ptutils import Module
from ptutils.data import CIFAR10, DataLoader, ImageFolderReader, ImageNet, _cifar
from ptutils.data import transforms as T

N = 4  # images a batch


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.integers(0, 256, (N, 3, 32, 32), np.uint8),
        random.integers(0, 10, N, np.uint8),
    )


def as_records(seed: int) -> bytes:
    images, labels = batch(seed)
    return b"".join(
        bytes([label]) + image.tobytes()
        for image, label in zip(images, labels, strict=True)
    )


def text(content: bytes) -> bytes:
    """A string of Python 2, which cPickle wrote for text and bytes alike."""
    return b"T" + struct.pack("<I", len(content)) + content


def as_pickle(seed: int, labels: bytes | None = None) -> bytes:
    """What Python 2 wrote of {'data': ndarray, 'labels': list}, protocol 2."""
    images, numbers = batch(seed)
    dtype = (
        b"cnumpy\ndtype\n(" + text(b"u1") + b"K\0K\1tR"
        b"(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t"
        + text(b"b") + b"tR(K\1(K" + bytes([N]) + b"M\0\x0ct" + dtype + b"I00\n"
        + text(images.tobytes()) + b"tb"
    )  # fmt: skip
    if labels is None:
        labels = b"](" + b"".join(b"K" + bytes([n]) for n in numbers) + b"e"
    return (
        b"\x80\2}(" + text(b"data") + array + text(b"labels") + labels
        + text(b"batch_label") + text(b"training") + b"u."
    )  # fmt: skip


def contents(layout: str) -> dict[str, bytes]:
    make = as_records if layout.endswith("bin") else as_pickle
    return {name: make(i) for i, name in enumerate(_cifar._names(layout))}


def unpacked(root: Path, layout: str) -> Path:
    (root / layout).mkdir(parents=True)
    for name, content in contents(layout).items():
        (root / layout / name).write_bytes(content)
    return root / layout


def archive(layout: str, more: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (
            {f"{layout}/{n}": c for n, c in contents(layout).items()} | (more or {})
        ).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def check(data: CIFAR10, seeds: range) -> None:
    batches = [batch(seed) for seed in seeds]
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert len(data) == len(images)
    image, label = data[1]
    assert image.shape == (3, 32, 32) and image.dtype == np.uint8
    assert label == labels[1] and label.dtype == np.int64
    got, numbers = next(iter(DataLoader(data, batch_size=len(images))))
    np.testing.assert_array_equal(got, images)
    np.testing.assert_array_equal(numbers, labels)
    assert numbers.dtype == np.int64


LAYOUTS = list(_cifar._LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_layouts_are_read(tmp_path: Path, layout: str) -> None:
    folder = unpacked(tmp_path, layout)
    for root in (tmp_path, str(folder)):
        check(CIFAR10(root), range(5))
        check(CIFAR10(root, train=False), range(5, 6))
    check(pickle.loads(pickle.dumps(CIFAR10(tmp_path))), range(5))
    again = Module.from_config(CIFAR10(tmp_path, train=False).to_config())
    assert type(again) is CIFAR10
    check(again, range(5, 6))
    data = CIFAR10(tmp_path, preprocessor=T.ToFloat(1 / 255))
    assert data[0][0].dtype == np.float32 and data.classes[9] == "truck"
    assert data.targets.dtype == np.int64 and len(data.targets) == len(data)
    assert data.targets[3] == data[3][1] and data.data.shape[1:] == (32, 32, 3)
    np.testing.assert_array_equal(
        data.data[3].transpose(2, 0, 1), CIFAR10(tmp_path)[3][0]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_archive_is_unpacked(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = _cifar._LAYOUTS[layout]
    evil = {"../evil": b"x", "/tmp/evil": b"x", f"{layout}/../../evil": b"x"}
    packed = archive(layout, evil)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(packed)
    with pytest.raises(ValueError, match="not the published file"):
        CIFAR10(tmp_path / "in")
    monkeypatch.setitem(_cifar._MD5, name, hashlib.md5(packed).hexdigest())
    check(CIFAR10(tmp_path / "in"), range(5))
    assert sorted(os.listdir(tmp_path)) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == sorted([layout, name])
    assert sorted(os.listdir(tmp_path / "in" / layout)) == sorted(contents(layout))


def test_links_of_an_archive_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(as_records(0))
    name = _cifar._LAYOUTS[LAYOUTS[0]]
    with tarfile.open(tmp_path / name, "w:gz") as tar:
        for batch_name in _cifar._names(LAYOUTS[0]):
            info = tarfile.TarInfo(f"{LAYOUTS[0]}/{batch_name}")
            info.type, info.linkname = tarfile.SYMTYPE, "../secret"
            tar.addfile(info)
    monkeypatch.setitem(_cifar._MD5, name, _cifar._md5(tmp_path / name))
    with pytest.raises(ValueError, match="lacks some of"):
        CIFAR10(tmp_path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch evil-was-here",)


@pytest.mark.parametrize(
    "content, says",
    [
        (pickle.dumps(Evil()), "not on the list"),
        (pickle.dumps({"data": 1}), "no 'data' and 'labels'"),
        (as_pickle(0, b"](K\1e"), "no 'data' and 'labels'"),
        (as_pickle(0, b"](K\1K\2K\3K\x0ae"), "a label is 10"),
        (as_pickle(0)[:-100], "not a whole pickle"),
        (b"", "not a whole pickle"),
    ],
)
def test_a_bad_pickle_is_an_error(
    tmp_path: Path, content: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = unpacked(tmp_path, "cifar-10-batches-py")
    (folder / "data_batch_1").write_bytes(content)
    with pytest.raises((ValueError, PermissionError, RuntimeError), match=says):
        CIFAR10(tmp_path)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("size", [0, 1, 3072, 3074, 4 * 3073 - 1])
def test_a_cut_file_of_records_is_an_error(tmp_path: Path, size: int) -> None:
    folder = unpacked(tmp_path, "cifar-10-batches-bin")
    (folder / "test_batch.bin").write_bytes(as_records(5)[:size])
    with pytest.raises(ValueError, match=r"test_batch.bin: .* no records of 3073"):
        CIFAR10(tmp_path, train=False)
    (folder / "test_batch.bin").write_bytes(b"\x0b" + bytes(3072))
    with pytest.raises(ValueError, match="a label is 11"):
        CIFAR10(tmp_path, train=False)


def test_without_files_it_says_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="download=True") as caught:
        CIFAR10(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_download_is_checked_and_kept(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server
    layout, name = next(iter(_cifar._LAYOUTS.items()))
    (folder / name).write_bytes(archive(layout))
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="not the published file"):
        CIFAR10(root, download=True, url=url)
    assert os.listdir(root) == []
    monkeypatch.setitem(_cifar._MD5, name, _cifar._md5(folder / name))
    check(CIFAR10(root, download=True, url=url), range(5))
    (folder / name).unlink()
    check(CIFAR10(root, train=False, download=True, url=url), range(5, 6))
    with pytest.raises(OSError, match="404"):
        CIFAR10(tmp_path / "other", download=True, url=url)
    assert os.listdir(tmp_path / "other") == []


# ImageNet.

WNIDS = ["n01440764", "n01443537"]


def test_imagenet_of_folders(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "val")):
        for label, wnid in enumerate(WNIDS):
            (tmp_path / split / wnid).mkdir(parents=True)
            photo = picture(10 * i + label, 40, 50, "JPEG")
            (tmp_path / split / wnid / f"{wnid}_{i}.JPEG").write_bytes(photo)
    for i, split in enumerate(("train", "val")):
        data = ImageNet(tmp_path, split)
        assert len(data) == 2 and data.classes == WNIDS
        assert [label for _, label in data] == [0, 1]
        photo = picture(10 * i + 1, 40, 50, "JPEG")
        np.testing.assert_array_equal(data[1][0], pixels_of(photo))
    data = ImageNet(tmp_path, "val", T.Resize((8, 8)), ImageFolderReader(True))
    assert pickle.loads(pickle.dumps(data))[0][0].shape == (3, 8, 8)
    scaled = ImageNet(tmp_path, "val", T.Resize((8, 8)), dct_scaling=True)
    np.testing.assert_array_equal(scaled[0][0], data[0][0])
    assert scaled.targets.tolist() == [0, 1]
    (tmp_path / "val" / "n9").mkdir()
    with pytest.raises(ValueError, match="differ in the classes n9: their labels"):
        ImageNet(tmp_path, "val")
    with pytest.raises(ValueError, match="'train' or 'val'"):
        ImageNet(tmp_path, "test")
    with pytest.raises(OSError, match="no folder .*missing"):
        (tmp_path / "missing").mkdir()
        ImageNet(tmp_path / "missing")


@pytest.mark.parametrize("classes", ["", "train", "root", "meta"])
def test_imagenet_of_an_hdf5_file(tmp_path: Path, classes: str) -> None:
    path = tmp_path / "imagenet.h5"
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    with h5py.File(path, "w") as file:
        for split, part in (("train", slice(0, 3)), ("val", slice(3, 5))):
            file[f"{split}/images"] = images[part]
            file[f"{split}/labels"] = np.arange(5)[part]
        if classes:
            group = {"train": "train/", "root": "", "meta": "meta/"}[classes]
            file[f"{group}classes"] = WNIDS
    train, val = ImageNet(path), ImageNet(path, "val", T.ToCHW())
    assert (len(train), len(val)) == (3, 2)
    np.testing.assert_array_equal(train[2][0], images[2])
    np.testing.assert_array_equal(val[0][0], images[3].transpose(2, 0, 1))
    assert val[1][1] == 4
    assert train.targets.tolist() == [0, 1, 2] and val.targets.tolist() == [3, 4]
    assert train.classes == (WNIDS if classes else [])
