"""``ptutils data pack`` and ``ptutils data info``: files of many samples."""

from __future__ import annotations

import glob
import logging
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, _text
from ..data import (
    ArrayReader,
    DataLoader,
    Dataset,
    HDF5Reader,
    ImageFolder,
    ImageFolderReader,
)
from ..data import transforms as T
from ..data._labels import group_of, labels_of_hdf5
from ..errors import Malformed, WrongState, WrongValue
from .common import Terminal, no_file, replacing
from .sheets import first_of

if TYPE_CHECKING:
    import argparse

_BATCH = 64
_LEVEL = 4  # of gzip: h5py's default


def _sized(args: argparse.Namespace) -> Iterator[tuple[Any, Any]]:
    """Batches of uint8 (n, size, size, 3) with their labels."""
    data = ImageFolder(args.folder, [T.Resize(args.size), T.CenterCrop(args.size)])
    on_error = "skip" if args.skip_damaged else "raise"
    loader = DataLoader(data, batch_size=_BATCH, output="numpy", on_error=on_error)
    for images, labels in loader:
        yield images.transpose(0, 2, 3, 1), labels


def _is_whole(content: bytes, path: str) -> bool:
    try:
        T.DecodeImage()(content)
    except Malformed as error:
        logging.getLogger("ptutils").warning("%s is left out: %s", path, error)
        return False
    return True


def _pack_hdf5(args: argparse.Namespace, classes: list[str], count: int) -> int:
    """A chunk an image, deflated by several threads; h5py places them. How many."""
    try:
        import h5py  # type: ignore[import-untyped]
    except ImportError as error:
        raise WrongState(
            "[data pack] .h5 is written by h5py: pip install h5py, or pack into a "
            ".tfrecord file"
        ) from error
    shape = (args.size, args.size, 3)
    threads = ThreadPoolExecutor(_core.num_threads())
    with replacing(args.out) as part, h5py.File(part, "w") as file, threads:
        images = file.create_dataset(
            "images",
            (count, *shape),
            "u1",
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=_LEVEL,
            maxshape=(count, *shape),
        )
        labels = np.empty(count, np.int64)
        at = 0
        for batch, numbers in _sized(args):
            labels[at : at + len(numbers)] = numbers
            packed = threads.map(
                lambda image: zlib.compress(image.tobytes(), _LEVEL), batch
            )
            for content in packed:
                images.id.write_direct_chunk((at, 0, 0, 0), content)
                at += 1
        images.resize(at, axis=0)
        file["labels"] = labels[:at]
        # In a group of its own: the rows of the file are those of its samples.
        file["meta/classes"] = classes
    return at


def _pack_tfrecord(args: argparse.Namespace, classes: list[str], count: int) -> int:
    """Examples of image, label and class: whole picture files, or arrays with
    their height and width. How many."""

    def examples() -> Iterator[dict[str, Any]]:
        if args.size is None:
            for path, label in ImageFolder(args.folder).samples:
                with open(path, "rb") as file:
                    content = file.read()
                if not args.skip_damaged or _is_whole(content, path):
                    yield {"image": content, "label": label}
            return
        for images, labels in _sized(args):
            for image, label in zip(images, labels.tolist(), strict=True):
                yield {
                    "image": image.tobytes(),
                    "label": label,
                    "height": args.size,
                    "width": args.size,
                }

    written = 0
    with replacing(args.out) as part, open(part, "wb") as file:
        for example in examples():
            example["class"] = classes[example["label"]]
            file.write(_core._tfrecord_of(example))
            written += 1
        if written != count and not args.skip_damaged:
            raise WrongState(
                f"[data pack] {args.folder} was changed meanwhile: {written} "
                f"pictures, {count} at first"
            )
    return written


def pack(args: argparse.Namespace, terminal: Terminal) -> int:
    """A folder of pictures as one file."""
    if os.path.isfile(args.folder):
        raise WrongValue(
            f"[data pack] {args.folder} is a file; give the folder that holds a "
            "folder of pictures for each class"
        )
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
    written = (_pack_hdf5 if hdf5 else _pack_tfrecord)(
        args, folder.classes, len(folder)
    )
    size, left_out = os.path.getsize(args.out), len(folder) - written
    data = {"file": args.out, "samples": written, "bytes": size, "left_out": left_out}
    count = f"{_text.grouped(written)} samples, {len(folder.classes)} classes"
    count += f", {_text.grouped(left_out)} damaged left out" if left_out else ""
    terminal.answer(data, f"{args.folder} → {args.out}: {count}, {_text.size(size)}")
    return 0


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


def _paths_of(given: list[str]) -> list[str]:
    """The files and folders that paths and patterns name."""
    out: list[str] = []
    for path in given:
        if os.path.exists(path):
            out.append(path)
        elif found := sorted(glob.glob(path)):
            out += found
        else:
            raise FileNotFoundError(no_file(path))
    return out


def _reader(path: str, args: argparse.Namespace) -> Any:
    """That of the path's kind, for the group and the fields that were asked for."""
    reader = _core._reader_for(path)
    if args.group is not None and not isinstance(reader, HDF5Reader):
        raise WrongValue(f"[data info] --group is of HDF5 files; {path} is none")
    if args.fields is None and args.group is None:
        return reader
    if isinstance(reader, HDF5Reader):
        return HDF5Reader(args.fields, args.group or "")
    if isinstance(reader, ArrayReader):
        return ArrayReader(args.fields)
    raise WrongValue(
        "[data info] --fields chooses among arrays or data sets of a file; "
        f"{path} has samples ({type(reader).__name__})"
    )


def _classes(paths: list[str], dataset: Any, reader: Any) -> dict[str, int]:
    """Samples by class, of a folder or of files of `data pack`."""
    if isinstance(reader, ImageFolderReader) and len(paths) == 1:
        folder = ImageFolder(paths[0])
        names: Any = folder.classes
        labels = folder.targets
    elif isinstance(reader, HDF5Reader) and "labels" in dataset.field_names:
        names = getattr(dataset, "classes", None)
        if names is None:  # another program's file
            return {}
        labels = labels_of_hdf5(paths, group_of(reader))
    else:
        return {}
    known = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not known or np.any((labels < 0) | (labels >= len(names))):
        return {}
    counts = np.bincount(labels, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True))


def info(args: argparse.Namespace, terminal: Terminal) -> int:
    """What a data set holds."""
    paths = _paths_of(args.path)
    reader = _reader(paths[0], args)
    dataset = Dataset(paths, reader)
    data: dict[str, Any] = {
        "path": " ".join(args.path),
        "files": len(paths),
        "reader": type(reader).__name__,
        "samples": len(dataset),
        "bytes": sum(map(_bytes_of, paths)),
    }
    fields = first_of(dataset)
    names = dataset.field_names
    if len(names) == len(fields) and "0" in fields:
        fields = dict(zip(names, fields.values(), strict=True))
    data["fields"] = {name: _described(value) for name, value in fields.items()}
    classes = _classes(paths, dataset, reader)
    if classes:
        data["classes"] = classes
    blocks = dataset._blocks
    if blocks:
        ends = [*blocks[1:], len(dataset)]
        data["blocks"] = len(blocks)
        data["block"] = max(b - a for a, b in zip(blocks, ends, strict=True))
    if args.contact_sheet:
        from . import sheets

        data["contact_sheet"] = args.contact_sheet
        sheets.draw(paths, dataset, [*classes], args.contact_sheet)
    terminal.answer(data, _shown(data))
    return 0


def _shown(data: dict[str, Any]) -> str:
    count = _text.grouped(data["samples"])
    files = f" in {data['files']} files" if data["files"] > 1 else ""
    size = _text.size(data["bytes"])
    lines = [f"{data['path']}: {count} samples{files}, {size}"]
    lines.append(f"  reader  {data['reader']}")
    for name, field in data["fields"].items():
        more = ""
        if "shape" in field:
            more = f" ({', '.join(map(str, field['shape']))})"
        elif "length" in field:
            more = f" of {_text.grouped(field['length'])}"
        lines.append(f"  {name}  {field['dtype']}{more}")
    if "classes" in data:
        shown = [f"{name} ({n})" for name, n in data["classes"].items()]
        more = f", … {len(shown) - 10} more" if len(shown) > 10 else ""
        lines.append(f"  {len(shown)} classes: {', '.join(shown[:10])}{more}")
    if "blocks" in data:
        blocks = _text.grouped(data["blocks"])
        lines.append(f"  {blocks} blocks of {data['block']} samples")
    if "contact_sheet" in data:
        lines.append(f"  pictures in {data['contact_sheet']}")
    return "\n".join(lines)
