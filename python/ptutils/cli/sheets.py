"""Contact sheets: some pictures of a data set, with their labels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import _core
from ..data import Dataset, LMDBReader, TFRecordReader
from ..data import transforms as T
from ..errors import Malformed, NotDefined, WrongState, WrongValue
from .common import replacing

_COLUMNS, _ROWS, _TILE, _CAPTION, _GAP = 8, 8, 96, 14, 4  # pixels
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n")
_LABELS = ("class", "label", "labels", "y", "target", "1")  # the first there is


def fields_of(sample: Any) -> dict[str, Any]:
    """A sample's parts by name."""
    if isinstance(sample, dict):
        return {str(key): value for key, value in sample.items()}
    if isinstance(sample, tuple):
        return {str(i): value for i, value in enumerate(sample)}
    return {"sample": sample}


def first_of(dataset: Any) -> dict[str, Any]:
    """The parts of the first sample that is whole; none of an empty data set."""
    for i in range(len(dataset)):
        try:
            return fields_of(dataset[i])
        except Malformed:
            if i + 1 == min(len(dataset), 100):
                raise
    return {}


def _channels_first(value: Any) -> Any:
    """uint8 (3, height, width) of an image in any layout, else None."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or value.ndim not in (2, 3) or value.size == 0:
        return None
    if value.ndim == 2:
        value = value[None]
    elif value.shape[0] not in (1, 3) and value.shape[2] in (1, 3):
        value = value.transpose(2, 0, 1)
    if len(value) not in (1, 3) or min(value.shape[1:]) < 4:
        return None
    if np.issubdtype(dtype, np.floating):  # shown from its least to its most
        low, high = float(value.min()), float(value.max())
        if low < 0 or high > 1:
            value = (value - low) / ((high - low) or 1)
        value = (value * 255).round().astype(np.uint8)
    if value.dtype != np.uint8:
        return None
    return np.broadcast_to(value, (3, *value.shape[1:]))


def _memory(value: Any, fields: dict[str, Any]) -> Any:
    """Bytes that are an array of the sample's height and width: `data pack`'s."""
    height, width = fields.get("height"), fields.get("width")
    if isinstance(height, int) and isinstance(width, int) and height * width > 0:
        for channels in (3, 1):
            if len(value) == height * width * channels:
                return np.frombuffer(value, np.uint8).reshape(height, width, channels)
    return None


def _decoded(paths: list[str], name: str) -> Any:
    """The data set of a field of picture files, decoded."""
    if isinstance(_core._reader_for(paths[0]), TFRecordReader):
        return Dataset(paths, TFRecordReader({name: "image"}, name))
    return Dataset(paths, LMDBReader("image"))


def _tiles(paths: list[str], dataset: Any, classes: list[str]) -> list[tuple[Any, str]]:
    """Pictures of the first field that has some, from all over the data set."""
    count = min(_COLUMNS * _ROWS, len(dataset))
    chosen = [i * len(dataset) // count for i in range(count)]
    decoded = None
    sample = first_of(dataset)
    for name, value in sample.items():
        if isinstance(value, bytes) and value.startswith(_PICTURES):
            decoded = _decoded(paths, name)
        elif isinstance(value, bytes):
            if _memory(value, sample) is None:
                continue
        elif _channels_first(value) is None:
            continue
        tiles = []
        for i in chosen:
            try:
                fields = fields_of(dataset[i])
                image = fields[name] if decoded is None else decoded[i]
            except Malformed:
                tiles.append((None, "damaged"))
                continue
            if isinstance(image, bytes):
                image = _memory(image, fields)
            label = next((fields[k] for k in _LABELS if k in fields and k != name), "")
            tiles.append((_channels_first(image), _caption(label, classes)))
        return tiles
    raise NotDefined(
        f"[data info] {paths[0]}: no field of a sample is an image (uint8 or floats, "
        "of two dimensions or of 1 or 3 channels)"
    )


def _caption(label: Any, classes: list[str]) -> str:
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if isinstance(label, str):
        return " ".join(label.split())
    if np.ndim(label) != 0:
        return ""
    if classes and 0 <= int(label) < len(classes):
        return " ".join(classes[int(label)].split())
    return str(label)


def _tile(image: Any) -> Any:
    """(height, width, 3), as large as fits."""
    height, width = image.shape[1:]
    scale = _TILE / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    tile = np.asarray(T.Resize(size)(np.ascontiguousarray(image)))
    return tile.transpose(1, 2, 0).copy()


def draw(paths: list[str], dataset: Any, classes: list[str], out: str) -> None:
    """Up to 64 pictures of the data set, each as large as fits its tile, its label
    below it."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise WrongState(
            "[data info] a contact sheet is written by Pillow: pip install pillow"
        ) from error
    suffix = os.path.splitext(out)[1].lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in ("PNG", "JPEG", "WEBP"):
        raise WrongValue(f"[data info] {out}: the sheet is .png, .jpg or .webp")
    tiles = _tiles(paths, dataset, classes)
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    step = (_TILE + _CAPTION + _GAP, _TILE + _GAP)
    sheet = Image.new(
        "RGB", (columns * step[1] + _GAP, rows * step[0] + _GAP), (255, 255, 255)
    )
    pen = ImageDraw.Draw(sheet)
    for i, (image, caption) in enumerate(tiles):
        y, x = i // columns * step[0] + _GAP, i % columns * step[1] + _GAP
        if image is None:
            pen.rectangle((x, y, x + _TILE - 1, y + _TILE - 1), outline=(200, 0, 0))
        else:
            tile = _tile(image)
            place = (x + (_TILE - tile.shape[1]) // 2, y + (_TILE - len(tile)) // 2)
            sheet.paste(Image.fromarray(tile), place)
        while caption and pen.textlength(caption) > _TILE:
            caption = caption[:-2].rstrip("…") + "…" if len(caption) > 2 else ""
        middle = x + (_TILE - pen.textlength(caption)) / 2
        pen.text((middle, y + _TILE + 1), caption, fill=(60, 60, 60))
    with replacing(out) as part:
        sheet.save(part, kind)
