"""Files of records for tests, written by the libraries that others use or byte
by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import crc32c
import lmdb
import numpy as np
from PIL import Image
from tfrecord import example_pb2


def masked(data: bytes) -> int:
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(record: bytes) -> bytes:
    head = struct.pack("<Q", len(record))
    crcs = [struct.pack("<I", masked(each)) for each in (head, record)]
    return head + crcs[0] + record + crcs[1]


def example(features: dict[str, Any]) -> bytes:
    """By protobuf: bytes, int or float, or a list of them."""
    made = example_pb2.Example()
    for name, given in features.items():
        values = given if isinstance(given, list) else [given]
        feature = made.features.feature[name]
        if not values:
            feature.int64_list.SetInParent()
        elif isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return bytes(made.SerializeToString())


def tfrecord_of(examples: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(framed(example(each)) for each in examples)


def write_lmdb(path: Path, entries: dict[bytes, bytes], subdir: bool = False) -> None:
    env = lmdb.open(str(path), subdir=subdir, map_size=1 << 26, lock=False)
    with env.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key, value)
    env.close()


def picture(seed: int, height: int = 12, width: int = 10, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    """uint8 (3, height, width)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)
