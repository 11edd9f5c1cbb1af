"""``ptutils data pack`` and ``ptutils data info``: files of many samples."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, _text
from ..data import DataLoader, Dataset, ImageFolder, LMDBReader, TFRecordReader
from ..data import transforms as T
from ..errors import NotDefined, WrongState, WrongValue
from .common import Terminal, no_file

if TYPE_CHECKING:
    import argparse

_BATCH = 64
_LEVEL = 4  # of gzip: h5py's default
_SHEET, _TILE = 64, 96  # pictures, and pixels of one
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n")
# What ImageFolder takes for a picture.
_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip


@contextmanager
def _replacing(out: str) -> Iterator[str]:
    """A path to write to, which becomes `out` when all went well."""
    folder, name = os.path.split(os.path.abspath(out))
    handle, part = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    os.close(handle)
    try:
        yield part
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, out)
    except BaseException:
        os.unlink(part)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sized(folder: str, size: int) -> Iterator[tuple[Any, Any]]:
    """Batches of uint8 (n, size, size, 3) with their labels."""
    data = ImageFolder(folder, [T.Resize(size), T.CenterCrop(size)])
    for images, labels in DataLoader(data, batch_size=_BATCH, output="numpy"):
        yield images.transpose(0, 2, 3, 1), labels


def _pack_hdf5(args: argparse.Namespace, classes: list[str], count: int) -> None:
    """A chunk an image, deflated by several threads; h5py places them."""
    try:
        import h5py  # type: ignore[import-untyped]
    except ImportError as error:
        raise WrongState(
            "[data pack] .h5 is written by h5py: pip install h5py, or pack into a "
            ".tfrecord file"
        ) from error
    shape = (args.size, args.size, 3)
    threads = ThreadPoolExecutor(_core.num_threads())
    with _replacing(args.out) as part, h5py.File(part, "w") as file, threads:
        images = file.create_dataset(
            "images",
            (count, *shape),
            "u1",
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=_LEVEL,
        )
        labels = np.empty(count, np.int64)
        at = 0
        for batch, numbers in _sized(args.folder, args.size):
            labels[at : at + len(numbers)] = numbers
            packed = threads.map(
                lambda image: zlib.compress(image.tobytes(), _LEVEL), batch
            )
            for content in packed:
                images.id.write_direct_chunk((at, 0, 0, 0), content)
                at += 1
        file["labels"] = labels
        # In a group of its own: the rows of the file are those of its samples.
        file["meta/classes"] = classes


def _paths(folder: str, classes: list[str]) -> Iterator[tuple[str, int]]:
    """ImageFolder's files in its order, with their labels."""
    for label, name in enumerate(classes):
        below = os.path.join(folder, name)
        files = [
            os.path.join(path, file)
            for path, _, names in os.walk(below)
            for file in names
            if file.lower().endswith(_SUFFIXES)
        ]
        for path in sorted(files, key=os.fsencode):
            yield path, label


def _pack_tfrecord(args: argparse.Namespace, classes: list[str], count: int) -> None:
    """Examples of image, label and class: whole picture files, or arrays with
    their height and width."""

    def examples() -> Iterator[dict[str, Any]]:
        if args.size is None:
            for path, label in _paths(args.folder, classes):
                with open(path, "rb") as file:
                    yield {"image": file.read(), "label": label}
            return
        for images, labels in _sized(args.folder, args.size):
            for image, label in zip(images, labels.tolist(), strict=True):
                yield {
                    "image": image.tobytes(),
                    "label": label,
                    "height": args.size,
                    "width": args.size,
                }

    written = 0
    with _replacing(args.out) as part, open(part, "wb") as file:
        for example in examples():
            example["class"] = classes[example["label"]]
            file.write(_core._tfrecord_of(example))
            written += 1
        if written != count:
            raise WrongState(
                f"[data pack] {args.folder} was changed meanwhile: {written} "
                f"pictures, {count} at first"
            )


def pack(args: argparse.Namespace, terminal: Terminal) -> int:
    """A folder of pictures as one file."""
    if not os.path.isdir(args.folder):
        raise FileNotFoundError(no_file(args.folder))
    if args.size is not None and args.size < 1:
        raise WrongValue(f"[data pack] --size is 1 or more, not {args.size}")
    hdf5 = args.out.endswith((".h5", ".hdf5"))
    if not hdf5 and not args.out.endswith((".tfrecord", ".tfrecords")):
        raise WrongValue(f"[data pack] {args.out}: the file is .h5 or .tfrecord")
    if hdf5 and args.size is None:
        raise WrongValue(
            "[data pack] a .h5 file holds images of one size: give --size N, or "
            "pack into a .tfrecord file, which keeps the picture files as they are"
        )
    folder = ImageFolder(args.folder)
    (_pack_hdf5 if hdf5 else _pack_tfrecord)(args, folder.classes, len(folder))
    size = os.path.getsize(args.out)
    data = {"file": args.out, "samples": len(folder), "bytes": size}
    count = f"{_text.grouped(len(folder))} samples, {len(folder.classes)} classes"
    terminal.answer(data, f"{args.folder} → {args.out}: {count}, {_text.size(size)}")
    return 0


def _fields(sample: Any) -> dict[str, Any]:
    """A sample's parts by name."""
    if isinstance(sample, dict):
        return {str(key): value for key, value in sample.items()}
    if isinstance(sample, tuple):
        return {str(i): value for i, value in enumerate(sample)}
    return {"sample": sample}


def _described(value: Any) -> dict[str, Any]:
    if hasattr(value, "dtype"):
        return {"dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, (bytes, str, list, dict)):
        return {"dtype": type(value).__name__, "length": len(value)}
    return {"dtype": type(value).__name__}


def _bytes_of(path: str) -> int:
    if not os.path.isdir(path):
        return os.path.getsize(path)
    files = ((f, each) for f, _, names in os.walk(path) for each in names)
    return sum(os.path.getsize(os.path.join(*each)) for each in files)


def info(args: argparse.Namespace, terminal: Terminal) -> int:
    """What a data set holds."""
    if not os.path.exists(args.path):
        raise FileNotFoundError(no_file(args.path))
    dataset = Dataset(args.path)
    data: dict[str, Any] = {
        "path": args.path,
        "reader": type(_core._reader_for(args.path)).__name__,
        "samples": len(dataset),
        "bytes": _bytes_of(args.path),
    }
    fields = _fields(dataset[0]) if len(dataset) else {}
    names = dataset.field_names
    if len(names) == len(fields) and "0" in fields:
        fields = dict(zip(names, fields.values(), strict=True))
    data["fields"] = {name: _described(value) for name, value in fields.items()}
    blocks = dataset._blocks
    if blocks:
        ends = [*blocks[1:], len(dataset)]
        data["blocks"] = len(blocks)
        data["block"] = max(b - a for a, b in zip(blocks, ends, strict=True))
    if args.contact_sheet:
        data["contact_sheet"] = args.contact_sheet
        _draw(_pictures(args.path, dataset, fields), args.contact_sheet)
    terminal.answer(data, _shown(data))
    return 0


def _shown(data: dict[str, Any]) -> str:
    count = _text.grouped(data["samples"])
    lines = [f"{data['path']}: {count} samples, {_text.size(data['bytes'])}"]
    lines.append(f"  reader  {data['reader']}")
    for name, field in data["fields"].items():
        more = ""
        if "shape" in field:
            more = f" ({', '.join(map(str, field['shape']))})"
        elif "length" in field:
            more = f" of {_text.grouped(field['length'])}"
        lines.append(f"  {name}  {field['dtype']}{more}")
    if "blocks" in data:
        blocks = _text.grouped(data["blocks"])
        lines.append(f"  {blocks} blocks of {data['block']} samples")
    if "contact_sheet" in data:
        lines.append(f"  pictures in {data['contact_sheet']}")
    return "\n".join(lines)


def _channels_first(value: Any) -> Any:
    """uint8 (3, height, width) of an image in any layout, else None."""
    if getattr(value, "dtype", None) != np.uint8 or value.ndim not in (2, 3):
        return None
    if value.ndim == 2:
        value = value[None]
    elif value.shape[0] not in (1, 3) and value.shape[2] in (1, 3):
        value = value.transpose(2, 0, 1)
    return (
        np.broadcast_to(value, (3, *value.shape[1:])) if len(value) in (1, 3) else None
    )


def _pictures(path: str, dataset: Any, fields: dict[str, Any]) -> list[Any]:
    """The first images of the first field that has some."""
    for place, (name, value) in enumerate(fields.items()):
        if isinstance(value, bytes) and value.startswith(_PICTURES):
            reader = _core._reader_for(path)
            if isinstance(reader, TFRecordReader):
                reader, name = TFRecordReader({name: "image"}, name), "sample"
            else:
                reader = LMDBReader("image")
            images = Dataset(path, reader)
            return [images[i] for i in range(min(_SHEET, len(images)))]
        if _channels_first(value) is not None:
            count = min(_SHEET, len(dataset))
            samples = (dataset[i] for i in range(count))
            parts = (list(_fields(sample).values())[place] for sample in samples)
            return [_channels_first(part) for part in parts]
    raise NotDefined(
        f"[data info] {path}: no field of a sample is an image (uint8, of two "
        "dimensions or of 1 or 3 channels)"
    )


def _draw(images: list[Any], out: str) -> None:
    """Eight in a row, each as large as fits its tile."""
    try:
        import PIL.Image
    except ImportError as error:
        raise WrongState(
            "[data info] a contact sheet is written by Pillow: pip install pillow"
        ) from error
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * _TILE, columns * _TILE, 3), 255, np.uint8)
    for i, image in enumerate(images):
        height, width = image.shape[1:]
        scale = _TILE / max(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        tile = np.asarray(T.Resize(size)(np.ascontiguousarray(image)))
        y, x = i // columns * _TILE, i % columns * _TILE
        sheet[y : y + size[0], x : x + size[1]] = tile.transpose(1, 2, 0)
    with _replacing(out) as part:
        PIL.Image.fromarray(sheet).save(part, "PNG")
