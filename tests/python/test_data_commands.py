"""`ptutils data pack` and `ptutils data info`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from records import picture, tfrecord_of, write_lmdb
from small import ptutils_

import ptutils as pt
from ptutils.data import Dataset, HDF5Reader, ImageFolder, TFRecordReader
from ptutils.data import transforms as T


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures of three classes, one class deeper, one file no picture."""
    root = tmp_path / "photos"
    for label, name in enumerate(("ant", "bee", "cat")):
        (root / name / "more").mkdir(parents=True)
        for i in range(2):
            kind, end = (("JPEG", "jpg"), ("PNG", "png"))[i]
            data = picture(10 * label + i, 30 + i, 40 + label, kind)
            (root / name / f"{9 - i}.{end}").write_bytes(data)
    (root / "bee" / "more" / "x.JPEG").write_bytes(picture(99, 50, 20, "JPEG"))
    (root / "bee" / "notes.txt").write_text("no picture")
    return root


def pack(tmp_path: Path, *args: str) -> dict:
    done = ptutils_(tmp_path, "data", "pack", "photos", *args, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def sized(folder: Path, size: int) -> ImageFolder:
    return ImageFolder(folder, [T.Resize(size), T.CenterCrop(size)])


def test_a_folder_as_hdf5(folder: Path, tmp_path: Path) -> None:
    told = pack(tmp_path, "out.h5", "--size", "16")
    assert told["samples"] == 7
    assert told["bytes"] == (tmp_path / "out.h5").stat().st_size
    wanted = sized(folder, 16)
    with h5py.File(tmp_path / "out.h5") as file:
        images = file["images"]
        assert images.shape == (7, 16, 16, 3) and images.dtype == np.uint8
        assert images.chunks == (1, 16, 16, 3) and images.compression == "gzip"
        assert file["labels"][:].tolist() == [label for _, label in wanted]
        assert [c.decode() for c in file["meta/classes"]] == ["ant", "bee", "cat"]
        for i, (image, _) in enumerate(wanted):
            np.testing.assert_array_equal(images[i].transpose(2, 0, 1), image)
    assert set(Dataset(tmp_path / "out.h5")[6]) == {"images", "labels"}
    assert info(tmp_path, "out.h5")["samples"] == 7
    ours = Dataset(
        tmp_path / "out.h5",
        HDF5Reader(["images", "labels"]),
        {"images": T.ToCHW()},
    )
    for (a, i), (b, j) in zip(ours, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
        assert i == j


def test_a_folder_as_tfrecord_keeps_its_files(folder: Path, tmp_path: Path) -> None:
    tfrecord = pytest.importorskip("tfrecord")
    pack(tmp_path, "out.tfrecord")
    wanted = ImageFolder(folder)
    ours = Dataset(
        tmp_path / "out.tfrecord",
        TFRecordReader(
            {"image": "image", "class": "text"}, ["image", "label", "class"]
        ),
    )
    theirs = tfrecord.tfrecord_loader(
        str(tmp_path / "out.tfrecord"), None, {"image": "byte", "label": "int"}
    )
    files = {path.read_bytes() for path in folder.rglob("*.*") if path.suffix != ".txt"}
    for mine, their, (image, label) in zip(ours, theirs, wanted, strict=True):
        np.testing.assert_array_equal(mine[0], image)
        assert mine[1:] == (label, wanted.classes[label])
        assert bytes(their["image"]) in files and their["label"].tolist() == [label]


def test_a_folder_as_tfrecord_of_one_size(folder: Path, tmp_path: Path) -> None:
    pack(tmp_path, "out.tfrecord", "--size", "12")
    reader = TFRecordReader({"image": ("uint8", (12, 12, 3))}, ["image", "label"])
    ours = Dataset(tmp_path / "out.tfrecord", reader, T.ToCHW())
    for (a, i), (b, j) in zip(ours, sized(folder, 12), strict=True):
        np.testing.assert_array_equal(a, b)
        assert i == j
    assert Dataset(tmp_path / "out.tfrecord")[0]["height"] == 12


@pytest.mark.parametrize(
    "args, says",
    [
        (["photos", "out.h5"], "give --size N"),
        (["photos", "out.zip"], "the file is .h5 or .tfrecord"),
        (["photos", "out.h5", "--size", "0"], "1 or more, not 0"),
        (["photo", "out.h5"], "[photo] no such file"),
        (["photos/ant/more", "out.tfrecord"], "no folders"),
        (["photos/ant/9.jpg", "out.tfrecord"], "9.jpg is a file; give the folder"),
        (["photos", "nowhere/out.tfrecord"], "nowhere"),
    ],
)
def test_what_cannot_be_packed_says_why(
    folder: Path, tmp_path: Path, args: list[str], says: str
) -> None:
    done = ptutils_(tmp_path, "data", "pack", *args)
    assert done.returncode == 1 and says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_damaged_picture_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(picture(1, kind="JPEG")[:40])
    (tmp_path / "out.h5").write_text("before")
    done = ptutils_(tmp_path, "data", "pack", "photos", "out.h5", "--size", "8")
    assert done.returncode == 1 and "broken.jpg" in done.stderr
    assert (tmp_path / "out.h5").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "out", [["o.h5", "--size", "8"], ["o.tfrecord"], ["o.tfrecord", "--size", "8"]]
)
def test_damaged_pictures_may_be_left_out(
    folder: Path, tmp_path: Path, out: list[str]
) -> None:
    (folder / "bee" / "0.jpg").write_bytes(picture(1, kind="JPEG")[:300])
    told = pack(tmp_path, *out, "--skip-damaged")
    assert (told["samples"], told["left_out"]) == (7, 1)
    assert info(tmp_path, out[0])["samples"] == 7
    labels = [
        s["labels" if "labels" in s else "label"] for s in Dataset(tmp_path / out[0])
    ]
    assert [int(label) for label in labels] == [0, 0, 1, 1, 1, 2, 2]


def info(tmp_path: Path, name: str) -> dict:
    done = ptutils_(tmp_path, "data", "info", name, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_info_says_what_there_is(folder: Path, tmp_path: Path) -> None:
    got = info(tmp_path, "photos")
    assert got["reader"] == "ImageFolderReader" and got["samples"] == 7
    assert got["fields"] == {
        "image": {"dtype": "uint8", "shape": [3, 31, 40]},
        "label": {"dtype": "int"},
    }
    assert got["bytes"] == sum(p.stat().st_size for p in folder.rglob("*.*"))
    images = np.zeros((10, 4, 4, 3), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("images", data=images, chunks=(4, 4, 4, 3))
    got = info(tmp_path, "x.h5")
    assert (got["blocks"], got["block"]) == (3, 4)
    (tmp_path / "x.jsonl").write_text('{"a": "xyz"}\n')
    assert info(tmp_path, "x.jsonl")["fields"] == {"a": {"dtype": "str", "length": 3}}
    (tmp_path / "empty.jsonl").write_text("")
    assert info(tmp_path, "empty.jsonl")["samples"] == 0
    done = ptutils_(tmp_path, "data", "info", "x.h5")
    assert done.stdout.splitlines()[1:] == [
        "  reader  HDF5Reader",
        "  images  uint8 (4, 4, 3)",
        "  3 blocks of 4 samples",
    ]
    lines = [f'{{"i": {i}}}\n' for i in range(5)]
    (tmp_path / "a-0.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "a-1.jsonl").write_text("".join(lines[2:]))
    got = info(tmp_path, "a-*.jsonl")
    assert (got["samples"], got["files"]) == (5, 2)
    pack(tmp_path, "p.h5", "--size", "8")
    for name in ("photos", "p.h5"):
        assert info(tmp_path, name)["classes"] == {"ant": 2, "bee": 3, "cat": 2}
    done = ptutils_(tmp_path, "data", "info", "y.h5")
    assert done.returncode == 1 and "x.h5" in done.stderr


def test_classes_are_told_where_labels_are_theirs(tmp_path: Path) -> None:
    def told(labels: object, classes: object, place: str = "meta/classes") -> str:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["images"] = np.zeros((4, 4, 5, 3), np.uint8)
            file["labels"] = labels
            file[place] = classes
        done = ptutils_(tmp_path, "data", "info", "a.h5")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "2 classes: a (1), b (3)" in told([0, 1, 1, 1], ["a", "b"])
    for labels in ([0, 1, 2, 3], [-1, 0, 0, 1], [0.5, 0, 1, 1], np.zeros((4, 2), "i8")):
        assert "classes:" not in told(labels, ["a", "b"])
    assert "classes:" not in told([0, 1, 1, 1], np.arange(2), "classes/cat")
    assert "classes:" not in told([0, 1, 1, 1], "a")
    assert "classes:" not in told([0, 1, 1, 1], np.arange(4), "classes")


def test_info_of_a_group_and_of_fields(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["train/images"] = np.zeros((10, 4, 5, 3), np.uint8)
        file["train/labels"] = np.arange(10)
        file["train/mean"] = np.zeros(3)
    np.savez(tmp_path / "a.npz", x=np.zeros((6, 2)), mean=np.zeros(3))

    def info(*args: str) -> str:
        done = ptutils_(tmp_path, "data", "info", *args)
        return done.stdout + done.stderr

    assert "'/'; it has: train; give the group" in info("a.h5")
    assert "name the fields" in info("a.h5", "--group", "train")
    told = info("a.h5", "--group", "train", "--fields", "images", "labels")
    assert "10 samples" in told
    assert "images  uint8 (4, 5, 3)" in told
    assert "labels  int64" in told
    assert "6 samples" in info("a.npz", "--fields", "x")
    assert "--group is of HDF5 files; a.npz" in info("a.npz", "--group", "train")
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    assert "a.jsonl has samples" in info("a.jsonl", "--fields", "x")


@pytest.mark.parametrize("kind", ["folder", "h5", "tfrecord", "lmdb", "grey"])
def test_a_contact_sheet_shows_pictures_from_all_over(
    tmp_path: Path, kind: str
) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (70, 3), np.uint8)
    if kind == "grey":
        colours = np.broadcast_to(colours[:, :1], colours.shape)
    images = np.broadcast_to(colours[:, None, None], (70, 24, 12, 3))
    files = {}
    for i, image in enumerate(images):
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(out, "PNG")
        files[f"{i:03}"] = out.getvalue()
    path = tmp_path / f"x.{kind}"
    if kind == "folder":
        (path / "a").mkdir(parents=True)
        for name, content in files.items():
            (path / "a" / f"{name}.png").write_bytes(content)
    elif kind == "tfrecord":
        path.write_bytes(tfrecord_of({"l": 1, "image": c} for c in files.values()))
    elif kind == "lmdb":
        write_lmdb(path, {name.encode(): c for name, c in files.items()})
    else:
        path = tmp_path / "x.h5"
        grey = images[..., 0] if kind == "grey" else images
        pt.save(path, {"x": np.arange(70), "y": np.ascontiguousarray(grey)})
    done = ptutils_(tmp_path, "data", "info", path.name, "--contact-sheet", "sheet.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("pictures in sheet.png\n")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (8 * 114 + 4, 8 * 100 + 4, 3)
    for i in (0, 1, 8, 63):  # 96 high, 48 wide
        tile = sheet[i // 8 * 114 + 4 :, i % 8 * 100 + 4 :][:96, :96]
        assert (tile[:, 24:72] == colours[i * 70 // 64]).all()
        assert (tile[:, :24] == 255).all() and (tile[:, 72:] == 255).all()
    captions = [sheet[100:114, i * 100 + 4 : i * 100 + 100] for i in range(8)]
    labelled = kind == "folder"
    assert all((caption < 255).any() == labelled for caption in captions)


def test_a_sheet_of_packed_arrays_and_of_floats(folder: Path, tmp_path: Path) -> None:
    pack(tmp_path, "out.tfrecord", "--size", "16")
    pack(tmp_path, "out.h5", "--size", "16")
    floats = np.random.default_rng(0).random((7, 3, 16, 16)) * 9 - 3
    pt.save(tmp_path / "floats.npz", {"x": floats})
    for name in ("out.tfrecord", "out.h5", "floats.npz"):
        sheet = tmp_path / f"{name}.jpg"
        told = ptutils_(tmp_path, "data", "info", name, "--contact-sheet", str(sheet))
        assert told.returncode == 0, told.stderr
        assert Image.open(sheet).size == (7 * 100 + 4, 114 + 4)
    (folder / "cat" / "0.jpg").write_bytes(picture(1, kind="JPEG")[:300])
    (folder / "ant").rename(folder / "ü\nant")
    told = ptutils_(tmp_path, "data", "info", "photos", "--contact-sheet", "d.png")
    assert told.returncode == 0, told.stderr
    sheet = np.asarray(Image.open(tmp_path / "d.png"))
    assert (sheet == [200, 0, 0]).all(-1).any()  # a frame where one is damaged
    for out, says in (("s.gif", "is .png, .jpg"), ("no/s.png", "cannot be written")):
        told = ptutils_(tmp_path, "data", "info", "out.h5", "--contact-sheet", out)
        assert told.returncode == 1 and says in told.stderr


def test_without_pictures_there_is_no_sheet(tmp_path: Path) -> None:
    pt.save(tmp_path / "x.npz", {"a": torch.ones(3, 2)})
    done = ptutils_(tmp_path, "data", "info", "x.npz", "--contact-sheet", "s.png")
    assert done.returncode == 1 and "no field of a sample is an image" in done.stderr
    assert not (tmp_path / "s.png").exists()
