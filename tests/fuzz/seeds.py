"""Writes small files for the fuzzer to begin with: ours, and other libraries'.

    python tests/fuzz/seeds.py OUT

OUT/NAME/ has those of each reader. Into the tree come the few of them, and of
the fuzzer's finds, that reach code of their own:

    fuzz_reader --reader=NAME -merge=1 tests/fuzz/corpus/NAME OUT/NAME FINDS
"""

from __future__ import annotations

import datetime
import gzip
import io
import json
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pandas
import safetensors.numpy
import torch
from PIL import Image
from tfrecord.writer import TFRecordWriter

import ptutils as pt

DTYPES = ["bool", *(f"{k}{n}" for k in ("uint", "int") for n in (8, 16, 32, 64))]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]

ARRAYS: list[Any] = [
    *(np.arange(3).astype(dtype) for dtype in DTYPES),
    np.float32(1.5),
    np.zeros((2, 0), "f4"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    torch.arange(4, dtype=torch.bfloat16).reshape(2, 2),
    pt.Tensor(torch.ones(2, 1)),
]
SHARED = np.arange(2.0)
VALUES: list[Any] = [
    None,
    True,
    [1, -(2**63), 2**64, -(10**30), 1.5, -0.0, float("nan"), float("inf"), 1e300],
    ["", "no", "1e-4", "~", "a: b", "- x", "# c", "é\u2028\U0001f600", 'tab\t\n\\"'],
    {"a": {"b": [{"c": []}, {}], 3: (1, (2,))}, "$x": b"\0\xff", "e": 1 + 2j},
    OrderedDict(
        t=datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        u=datetime.datetime.now(datetime.UTC),
    ),
    pt.State(w=SHARED, again=SHARED),
    pt.Configuration(lr=1e-3, name="x"),
    {str(i): array for i, array in enumerate(ARRAYS)},
]
COLUMNS: dict[str, Any] = {
    "i": np.arange(3),
    "x": np.array([1.5, np.nan, np.inf]),
    "b": np.array([True, False, True]),
    "s": ["a", 'q"q', "line\nbreak,"],
}

JSON = [
    '{"a": [1, 2.5e-3, null, true, "\\u00e9\\ud83d\\ude00"], "b": {"c": {}}}',
    "[" * 300 + "]" * 300,
    '{"a": 1, "a": 2}',
    "[1e999]",
    "[123456789012345678901234567890, -0, 1E+2]",
    ' "text" \n',
]
YAML = [
    "a: &x {p: 1, q: [1, 2]}\nb: *x\nc:\n  <<: [*x, {r: 2}]\n  p: 0x1f\n",
    "- |\n  block\n   text\n- >-\n  folded\n  text\n",
    "- 'single ''quote'''\n- \"\\x41\\u00e9\"\n",
    "%YAML 1.2\n---\n!!map {? a : !!int 0o17, ? [b] : c}\n...\n",
    "? key\n: - - nested\n  - .inf\n  - -.INF\n  - 1_000\n# comment\n",
    "a: &a [l, l]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    "{a: !!python/object:os.system x, b: !local y}\n",
    "[" * 100 + "]" * 100,
    "a0: &a0 [l, l]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)),  # a bomb
]
CSV = ["a,b\n1,2.5\n3,\n", 'x,"y ""z"\n"1,2",True\r\n', "\ufeffn\n1\n\n2\n", "\n"]


def skeletons() -> Iterable[bytes]:
    inner: list[Any] = [
        {"$tensor": ["w" * 13, "f32", "torch"]},
        {"$tensors": ["numpy", "x", "f32", "y", ["z", "bf16", "torch"]]},
        {"$float": "nan:7ff8000000000001"},
        {"$int": "18446744073709551616"},
        {"$complex": [1.0, {"$float": "-inf"}]},
        {"$time": [0, 3600]},
        {"$tuple": [{"$bytes": "AP8="}]},
        {"$state": [[1, None], ["a", [True, 1.5, "x"]]]},
        {"$dict": {"a": {"$ordered": {}}, "b": {"$config": []}}},
    ]
    for value in [*inner, inner]:
        for version in ("1", '2,"sum":"0123456789abcdef","sums":"AAAAAAAAAAA="'):
            text = json.dumps(value, separators=(",", ":"))
            yield f'{{"version":{version},"value":{text}}}'.encode()
    for i in range(15):
        yield b'{"version":1,"value":{"$tensor":["%s","bf16","numpy"]}}' % (b"n" * i)


def idx_files() -> Iterable[bytes]:
    for code, item in (
        (8, "u1"),
        (9, "i1"),
        (11, ">i2"),
        (12, ">i4"),
        (13, ">f4"),
        (14, ">f8"),
    ):
        for shape in ((3,), (2, 2), ()):
            count = int(np.prod(shape, dtype=int))
            header = bytes([0, 0, code, len(shape)]) + struct.pack(
                f">{len(shape)}I", *shape
            )
            plain = header + np.arange(count).astype(item).tobytes()
            yield plain
            yield gzip.compress(plain, mtime=0)


def save_all(folder: Path, suffix: str, values: Iterable[Any]) -> None:
    """Whatever the format takes."""
    for i, value in enumerate(values):
        try:
            pt.save(folder / f"ours{i}{suffix}", value, durable=False)
        except (TypeError, ValueError):
            pass


def put(folder: Path, contents: Iterable[str | bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(contents):
        data = content.encode() if isinstance(content, str) else content
        (folder / f"other{i}").write_bytes(data)


def numpys(out: Path) -> None:
    arrays = [a for a in ARRAYS if isinstance(a, np.ndarray)]
    for i, array in enumerate(arrays):
        np.save(out / "npy" / f"numpy{i}.npy", array)
    np.save(out / "npy" / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez_compressed(out / "npz" / "bomb.npz", np.zeros(10**5))
    named = {f"a{i}": array for i, array in enumerate(arrays[:4])}
    np.savez(out / "npz" / "numpy.npz", **named)
    np.savez_compressed(out / "npz" / "packed.npz", **named)
    with zipfile.ZipFile(out / "npz" / "other.npz", "w") as file:
        file.comment = b"a comment"
        file.writestr("../x.txt", "text")
        with file.open("y.npy", "w", force_zip64=True) as member:
            np.save(member, arrays[-1])
    safetensors.numpy.save_file(
        named, out / "safetensors" / "other.safetensors", {"format": "np"}
    )


def tfrecords(out: Path) -> None:
    writer = TFRecordWriter(str(out / "tfrecord" / "other.tfrecord"))
    for i in range(2):
        writer.write(
            {"i": (i, "int"), "x": ([1.5, 2.0], "float"), "b": (b"xy", "byte")}
        )
    writer.close()
    records = []
    for path in (out / "tfrecord").iterdir():
        rest = path.read_bytes()
        while rest:
            size = struct.unpack("<Q", rest[:8])[0]
            records.append(rest[12 : 12 + size])
            rest = rest[16 + size :]
    put(out / "example", records)


def lmdbs(out: Path) -> None:
    path = str(out / "lmdb" / "other.lmdb")
    with lmdb.open(path, subdir=False, lock=False, max_dbs=2) as env:
        names = env.open_db(b"names")
        many = env.open_db(b"many", dupsort=True, dupfixed=True)
        with env.begin(write=True) as writing:
            writing.put(b"large", b"x" * 5000)
            writing.put(b"a", b"1", db=names)
            for i in range(300):
                writing.put(b"k", struct.pack("<I", i), db=many)


def pictures() -> Iterable[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (9, 11, 4), np.uint8)
    rgb = Image.fromarray(noise[..., :3])
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *(("PNG", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "I;16")),
        *(("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ]
    for kind, mode, options in kinds:
        image = Image.fromarray(noise[..., :2].copy().view("<u2")[..., 0])
        data = io.BytesIO()
        (image if mode == "I;16" else rgb.convert(mode)).save(data, kind, **options)
        yield data.getvalue()


def records(out: Path) -> None:
    """What the readers of samples take."""
    for name in ("tfrecord", "lmdb"):
        folder = out / f"{name}-records"
        folder.mkdir(exist_ok=True)
        (folder / "other").write_bytes((out / name / f"other.{name}").read_bytes())
    tfrecord = out / "tfrecord-records" / "other"
    tfrecord.with_name("gzip").write_bytes(
        gzip.compress(tfrecord.read_bytes(), mtime=0)
    )
    path = str(out / "lmdb-records" / "plain")
    with lmdb.open(path, subdir=False, lock=False) as env, env.begin(write=True) as w:
        for i in range(5):
            w.put(b"%d" % i, b"x" * (5000 if i == 2 else i))
    put(out / "json-lines", ['{"a": 1}\n\n{"a": [2, "\u00e9"]}\r\n', "1\n{\n", " \n"])


def main(out: Path) -> None:
    for name, texts in (("json", JSON), ("yaml", YAML), ("csv", CSV)):
        put(out / name, texts)
    put(out / "skeleton", skeletons())
    put(out / "idx", idx_files())
    for name in (
        "json",
        "yaml",
        "npy",
        "npz",
        "safetensors",
        "tfrecord",
        "csv",
        "lmdb",
    ):
        (out / name).mkdir(exist_ok=True)
        save_all(out / name, f".{name}", [*VALUES, *ARRAYS, COLUMNS])
    pt.save(out / "npz" / "packed-ours.npz", VALUES[-1], compress=True, durable=False)
    pandas.DataFrame(COLUMNS).to_csv(out / "csv" / "pandas.csv", index=False)
    numpys(out)
    tfrecords(out)
    lmdbs(out)
    records(out)
    put(out / "image", pictures())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
