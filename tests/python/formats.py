"""The file formats in tests: what is written, by us and by others, and what the
format's own library reads from the same bytes.

A new codec is one line of FORMATS.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import multiprocessing
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
import safetensors.numpy
import safetensors.torch
import tfrecord
import tfrecord.reader
import torch
import yaml

import ptutils as pt

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)
ARRAYS = {"w": ARRAY, "b": np.array([True, False, True]), "n": np.arange(3)}
VALUE = {
    "w": ARRAY,
    "t": [torch.ones(2), torch.ones(3).bfloat16(), np.array([True, False])],
    "x": {"n": 5, "f": 1.5, "inf": float("inf"), "p": (1, [None]), "raw": b"\0"},
    7: "text",
}
NATURAL = {"w": torch.ones(2, 3), "t": [torch.arange(3), 1.5], "x": {"n": 5, "p": (1,)}}
COLUMNS = {"i": np.arange(3), "f": np.array([0.5, 1e9, -2.0]), "t": ["a", 'b"', "c,"]}
TEXT = {"name": "é", "xs": [1, 2.5, None, True, {"k": [[]]}], "s": "a: b", "big": 2**70}
_SKELETON = "__ptutils__"


# What is compared: values of whatever library, in plain tuples.


def plain(value: Any) -> Any:
    """Equal for equal types, order and bits; arrays of any library alike."""
    if isinstance(value, (torch.Tensor, pt.Tensor, np.ndarray, np.generic)):
        return _plain_array(value)
    if isinstance(value, dict):
        return "dict", [(plain(k), plain(v)) for k, v in dict.items(value)]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(item) for item in value]
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    return type(value).__name__, value


def _plain_array(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        flat = value.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
        raw = bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""
        return "array", str(value.dtype)[6:], tuple(value.shape), raw
    if isinstance(value, pt.Tensor):
        dtype, shape, content = value.__reduce_ex__(4)[1]
        return "array", str(_torch_dtype(dtype))[6:], tuple(shape), bytes(content)
    return "array", value.dtype.name, value.shape, value.tobytes()


# The flattening rule, written once more: what a skeleton and arrays stand for.


class Skeleton:
    """Reads skeletons; ``arrays`` are those of a library, by name."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.arrays = arrays
        self.path: list[str] = []

    def _at(self, step: Any, node: Any) -> Any:
        self.path.append(str(step))
        value = self.value(node)
        self.path.pop()
        return value

    def value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._at(i, item) for i, item in enumerate(node)]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (tag,) = node
            if str(tag).startswith("$"):
                return getattr(self, f"_{tag[1:]}")(node[tag])
        return {key: self._at(key, item) for key, item in node.items()}

    def _tensor(self, content: Any) -> Any:
        if isinstance(content, list):
            return viewed(self.arrays[content[0]], content[1])
        if content["name"] not in self.arrays:
            raw = np.frombuffer(bytearray(base64.b64decode(content["data"])), np.uint8)
            self.arrays[content["name"]] = _shaped(
                raw, content["dtype"], content["shape"]
            )
        return self.arrays[content["name"]]

    def _tensors(self, content: Any) -> Any:
        _, *pairs = content
        out = {}
        for key, how in zip(pairs[::2], pairs[1::2], strict=True):
            name = ".".join([*self.path, key])
            out[key] = self._tensor([name, how] if isinstance(how, str) else how)
        return out

    def _dict(self, content: Any) -> Any:
        if isinstance(content, dict):
            return self.value(content)
        return {key: self._at(key, item) for key, item in content}

    _state = _config = _ordered = _dict

    def _tuple(self, content: Any) -> Any:
        return tuple(self.value(content))

    def _float(self, content: Any) -> float:
        if content.startswith("nan:"):
            return struct.unpack(">d", bytes.fromhex(content[4:]))[0]
        return float(content)

    def _int(self, content: Any) -> int:
        return int(content)

    def _bytes(self, content: Any) -> bytes:
        return base64.b64decode(content, validate=True)

    def _complex(self, content: Any) -> complex:
        real, imaginary = map(self.value, content)
        return complex(real, imaginary)


_SHORT = {"f": "float", "i": "int", "u": "uint", "c": "complex"}


def _torch_dtype(name: str) -> torch.dtype:
    if name in ("bool", "bf16"):
        return {"bool": torch.bool, "bf16": torch.bfloat16}[name]
    return getattr(torch, f"{_SHORT[name[0]]}{name[1:]}")


def _shaped(raw: np.ndarray, dtype: str, shape: list[int]) -> torch.Tensor:
    if not raw.size:
        return torch.empty(tuple(shape), dtype=_torch_dtype(dtype))
    return torch.from_numpy(raw).view(_torch_dtype(dtype)).reshape(tuple(shape))


def viewed(array: Any, dtype: str) -> torch.Tensor:
    """What stands for a dtype that the format lacks (bf16 as u16, …)."""
    _, stored, shape, raw = plain(array)
    pairs = stored.startswith("float") and dtype.startswith("c")
    bits = np.frombuffer(bytearray(raw), np.uint8)
    return _shaped(bits, dtype, list(shape[:-1] if pairs else shape))


def _restored(arrays: dict[str, Any], skeleton: str | bytes | None) -> Any:
    if skeleton is None:
        return arrays
    return Skeleton(arrays).value(json.loads(skeleton)["value"])


# The libraries.


def _native(array: Any) -> Any:
    """An array in this machine's order of bytes; a member that is none."""
    if not isinstance(array, np.ndarray):
        return array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_npy(path: Path) -> Any:
    array = _native(np.load(path))
    with open(path, "rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
        file.seek(offset - 2)
        marked = file.read(2) == b"\t\n"
        file.seek(offset + array.nbytes)
        rest = file.read()
    if not marked:
        return array
    skeleton = rest.removeprefix(_SKELETON.encode())
    return Skeleton({"value": array}).value(json.loads(skeleton)["value"])


def read_npz(path: Path) -> Any:
    with np.load(path) as archive:
        arrays = {name: _native(archive[name]) for name in archive.files}
    skeleton = arrays.pop(_SKELETON, None)
    return _restored(arrays, None if skeleton is None else skeleton.tobytes())


def read_safetensors(path: Path) -> Any:
    arrays = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        skeleton = (file.metadata() or {}).get(_SKELETON)
    if skeleton is None:  # in the order of the header
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
        arrays = {name: arrays[name] for name in header if name != "__metadata__"}
    return _restored(arrays, skeleton)


def read_tfrecord(path: Path) -> Any:
    records = list(tfrecord.reader.tfrecord_loader(str(path), None, None))
    if list(records[0]) != [_SKELETON]:
        return [
            {k: [v] if isinstance(v, bytes) else v for k, v in record.items()}
            for record in records
        ]
    arrays = {
        bytes(record["name"]).decode(): _shaped(
            np.frombuffer(bytearray(record["data"]), np.uint8),
            bytes(record["dtype"]).decode(),
            list(map(int, record["shape"])),
        )
        for record in records[1:]
    }
    return _restored(arrays, bytes(records[0][_SKELETON]))


def read_hdf5(path: Path) -> Any:
    """In a child: h5py's library, too, crashes on some malformed files."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(_read_hdf5, (path,)).get(timeout=20)


def _read_hdf5(path: Path) -> Any:
    with h5py.File(path) as file:
        if _SKELETON not in file:
            return _hdf5_group(file)
        arrays: dict[str, Any] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                arrays[name.replace("/", ".")] = item[()]

        file.visititems(visit)
    return _restored(arrays, arrays.pop(_SKELETON).tobytes())


def _hdf5_group(group: Any) -> Any:
    return {
        name: _hdf5_group(item) if isinstance(item, h5py.Group) else item[()]
        for name, item in group.items()
        if not isinstance(item, h5py.Datatype)
    }


def read_json(path: Path) -> Any:
    return _document(json.loads(path.read_bytes().decode()))


class _Yaml12(yaml.SafeLoader):
    """PyYAML with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict = {}

    def scan_anchor(self, token: Any) -> Any:
        """Of more than letters, as YAML 1.2 has them."""
        start = self.get_mark()
        self.forward()
        name = ""
        while self.peek() not in "\0 \t\r\n\x85\u2028\u2029,[]{}":
            name += self.peek()
            self.forward()
        return token(name, start, self.get_mark())


for _tag, _pattern in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": "<<",
}.items():
    _Yaml12.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), None
    )


def _yaml_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text.startswith(("0x", "0o")) else int(text)


def _yaml_float(loader: Any, node: Any) -> float:
    return float(loader.construct_scalar(node).lower().replace(".inf", "inf").replace(
        ".nan", "nan"))  # fmt: skip


_Yaml12.add_constructor("tag:yaml.org,2002:int", _yaml_int)
_Yaml12.add_constructor("tag:yaml.org,2002:float", _yaml_float)


def read_yaml(path: Path) -> Any:
    return _document(yaml.load(path.read_bytes(), _Yaml12))


def _document(document: Any) -> Any:
    if isinstance(document, dict) and _SKELETON in document:
        return Skeleton({}).value(document["value"])
    return document


def _storage(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)


def read_pickle(path: Path) -> Any:
    """Of tensors of any device, on this machine without one."""
    with mock.patch("torch.storage._load_from_bytes", _storage):
        return pickle.loads(path.read_bytes())  # what ours has read is harmless


def read_torch(path: Path) -> Any:
    return torch.load(path, weights_only=True, mmap=zipfile.is_zipfile(path))


def read_csv(path: Path) -> Any:
    """As text: which of it is a number is not the library's to say."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    columns = map(list, zip(*rows, strict=True))
    return {name: texts for name, *texts in columns}


def same_columns(ours: Any, theirs: Any) -> bool:
    """Numbers as the texts say them."""
    return list(ours) == list(theirs) and all(
        len(column) == len(texts)
        and (
            column == texts
            if isinstance(column, list)
            else all(map(_says, texts, column.tolist()))
        )
        for column, texts in zip(ours.values(), theirs.values(), strict=True)
    )


def _says(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    return plain(type(value)(text or "nan")) == plain(value)


def same(ours: Any, theirs: Any) -> bool:
    return plain(ours) == plain(theirs)


def same_records(ours: Any, theirs: Any) -> bool:
    """Features have no order to the library."""
    return same(ours, theirs) or (
        isinstance(ours, list)
        and same(*([dict(sorted(r.items())) for r in v] for v in (ours, theirs)))
    )


# What others write.


def write_tfrecord(path: Path) -> None:
    writer = tfrecord.TFRecordWriter(str(path))
    for i in range(2):
        writer.write({"x": ([0.5, i], "float"), "i": (i, "int"), "b": (b"b", "byte")})
    writer.close()


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["w"], file["g/n"] = ARRAYS["w"], ARRAYS["n"]
        file.create_dataset("c", data=np.arange(99), chunks=(40,), compression="gzip")


def write_csv(path: Path) -> None:
    path.write_text("i,f,t\r\n1,0.5,a\r\n-2,1e9,b c\r\n")


@dataclass
class Format:
    name: str
    read: Callable[[Path], Any]  # by the library
    value: Any  # what we write
    write: Callable[[Path], Any]  # by the library
    options: dict[str, Any] = field(default_factory=dict)  # of pt.save
    reading: dict[str, Any] = field(default_factory=dict)  # of pt.read
    same: Callable[[Any, Any], bool] = same
    sealed: bool = True  # verify=True finds every changed bit
    twice: bool = False  # the skeleton has the values that are no tensors
    share: float = 1.0  # of its truncations that are tried in a short run

    @property
    def suffix(self) -> str:
        return self.name.partition("-")[0]

    def files(self, folder: Path) -> Iterator[Path]:
        """One of ours and one of theirs."""
        ours, theirs = (folder / f"{who}.{self.suffix}" for who in ("ours", "theirs"))
        pt.save(ours, self.value, **self.options)
        self.write(theirs)
        yield from (ours, theirs)


FORMATS = {
    f.name: f
    for f in [
        Format("npy", read_npy, ARRAY, lambda p: np.save(p, ARRAYS["n"])),
        Format("npz", read_npz, VALUE, lambda p: np.savez(p, **ARRAYS)),
        Format("npz-deflated", read_npz, VALUE,
               lambda p: np.savez_compressed(p, **ARRAYS), {"compress": True}),
        Format("safetensors", read_safetensors, VALUE,
               lambda p: safetensors.numpy.save_file(ARRAYS, p)),
        Format("tfrecord", read_tfrecord, VALUE, write_tfrecord, same=same_records),
        Format("json", read_json, VALUE, lambda p: p.write_text(json.dumps(TEXT))),
        Format("yaml", read_yaml, VALUE,
               lambda p: p.write_text(yaml.safe_dump(TEXT, allow_unicode=True))),
        Format("hdf5", read_hdf5, VALUE, write_hdf5, reading={"isolate": True},
               share=0.1),
        Format("csv", read_csv, COLUMNS, write_csv, same=same_columns,
               sealed=False),
        Format("pkl", read_pickle, VALUE,
               lambda p: p.write_bytes(pickle.dumps(VALUE, 2))),
        Format("pt", read_torch, NATURAL, lambda p: torch.save(NATURAL, p),
               twice=True),
    ]
}  # fmt: skip
