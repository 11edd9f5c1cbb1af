"""Malformed files of records: an error of ours, or samples; never a crash, a hang
or another file's content."""

from __future__ import annotations

import gzip
import random
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import full
from records import example, framed, masked, picture, tfrecord_of, write_lmdb

import ptutils as pt
from ptutils.data import Dataset, JSONLinesReader, LMDBReader, TFRecordReader

SECONDS = 2.0  # of this process


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTUTILS_CACHE", str(tmp_path / "cache"))


class Hang(Exception):
    pass


def _hangs(*_: object) -> None:
    raise Hang


@pytest.fixture(autouse=True)
def timer() -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, _hangs)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def samples(path: Path, content: bytes, reader: Any) -> list[Any] | None:
    """All of them; None where there is an error of ours, naming the file."""
    path.unlink(missing_ok=True)  # what was mapped stays as it was
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return list(Dataset(path, reader))
    except pt.Error as error:
        assert path.name in str(error) and len(str(error)) < 2000, error
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def flips(whole: bytes, count: int) -> Iterator[bytes]:
    chance = random.Random(0)
    bits = range(8 * len(whole))
    for bit in sorted(chance.sample(bits, min(count, len(bits)))):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        yield bytes(content)


FEATURES = {"image": b"\1\2\3\4", "label": 5, "x": [0.5, 2.0], "name": [b"a", b"bc"]}
RECORDS = [framed(example({**FEATURES, "label": i})) for i in range(3)]
TFRECORD = b"".join(RECORDS)
READER = TFRecordReader({"image": ("uint8", (2, 2))}, ["image", "label", "x", "name"])


def same(a: Any, b: Any) -> bool:
    return bool(pt._core._identical(a, b))


def test_a_cut_tfrecord_is_an_error_or_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    wanted = samples(path, TFRECORD, READER)
    assert wanted is not None and len(wanted) == 3
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(record))
    for size in range(len(TFRECORD)):
        got = samples(path, TFRECORD[:size], READER)
        if size in ends:
            assert same(got, wanted[: ends.index(size)])
        else:
            assert got is None


def test_each_flipped_bit_of_a_tfrecord_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    for content in flips(TFRECORD, full(1_000, 100_000)):
        assert samples(path, content, READER) is None


def test_cut_and_flipped_examples_behind_right_checksums(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    good = example(FEATURES)
    errors = 0
    cases = [good[:size] for size in range(len(good))]
    for content in [*cases, *flips(good, full(2_000, 20_000))]:
        for reader in (READER, TFRecordReader()):
            errors += samples(path, framed(content), reader) is None
    assert errors > len(cases)


def test_a_gzip_file_that_is_cut_or_flipped_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord.gz"
    packed = gzip.compress(TFRECORD, mtime=0)
    wanted = samples(path, packed, READER)
    for size in range(2, len(packed)):
        assert samples(path, packed[:size], READER) is None
    for content in flips(packed, full(500, 100_000)):
        # Not all of gzip's head counts.
        assert samples(path, content, READER) is None or same(
            samples(path, content, READER), wanted
        )


def head(length: int) -> bytes:
    size = struct.pack("<Q", length)
    return size + struct.pack("<I", masked(size))


def varint(number: int) -> bytes:
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


HUGE = [1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 16]


@pytest.mark.parametrize("length", HUGE)
def test_lengths_beyond_the_file_are_errors(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.tfrecord"
    assert samples(path, head(length) + bytes(100), READER) is None
    assert samples(path, TFRECORD + head(length) + bytes(9), READER) is None
    for field in (b"\x0a", b"\x0a\x10\x0a", b"\x0a\x20\x0a\x1e\x12"):
        record = field + varint(length) + bytes(40)
        assert samples(path, framed(record), TFRecordReader()) is None
        assert samples(path, framed(record), READER) is None


def test_shapes_that_no_memory_has_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    content = tfrecord_of([{"a": b"1234", "b": [1, 2, 3]}])
    for shape in [(1 << 62, 4), (-1, 1 << 62), (0, -1), (-1, 0), (1,) * 65, (5, -1)]:
        for name in "ab":
            reader = TFRecordReader({name: ("uint8", shape)}, name)
            with pytest.raises(pt.Error):
                path.write_bytes(content)
                print(shape, Dataset(path, reader)[0])


# LMDB and lines.

VALUES = {b"k%02d" % i: bytes([i]) * (3 if i % 3 else 5_000) for i in range(12)}


def test_a_cut_database_is_an_error_or_the_same(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "good.lmdb", VALUES)
    whole = (tmp_path / "good.lmdb").read_bytes()
    path = tmp_path / "x.lmdb"
    wanted = samples(path, whole, LMDBReader(keys=True))
    assert wanted == list(VALUES.items())
    step = full(97, 1)
    for size in [*range(0, len(whole), step), *range(len(whole) - 4096, len(whole))]:
        got = samples(path, whole[:size], LMDBReader(keys=True))
        assert got is None or got == wanted


def test_a_flipped_database_is_an_error_or_samples(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "good.lmdb", VALUES)
    whole = (tmp_path / "good.lmdb").read_bytes()
    path = tmp_path / "x.lmdb"
    # Heads of pages, and all of the leaf.
    leaf = whole.rindex(b"k00") // 4096
    structure = [
        at for at in range(len(whole)) if at % 4096 < 200 or at // 4096 == leaf
    ]
    chance = random.Random(1)
    errors = 0
    for _ in range(full(3_000, 30_000)):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3])):
            content[chance.choice(structure)] ^= 1 << chance.randrange(8)
        got = samples(path, bytes(content), LMDBReader(keys=True))
        errors += got is None
        if got is not None:
            assert sum(len(k) + len(v) for k, v in got) <= len(whole)
    assert errors > 100


def test_cut_and_flipped_lines_are_errors_or_values(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    whole = (
        '{"a": [1, 2.5, null], "é": "x\\n"}\n\n{"a": "b"}\r\n[{"c": 1e5}]\n'.encode()
    )
    wanted = samples(path, whole, JSONLinesReader())
    assert wanted is not None and len(wanted) == 3
    for size in range(len(whole)):
        got = samples(path, whole[:size], JSONLinesReader())
        assert got is None or got == wanted[: len(got)]
    packed = gzip.compress(whole, mtime=0)
    for size in range(2, len(packed)):
        assert samples(path, packed[:size], JSONLinesReader()) is None
    for content in flips(whole, full(500, 100_000)):
        samples(path, content, JSONLinesReader())


def test_lines_without_end(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    deep: list[Callable[[], bytes]] = [
        lambda: b"[" * 100_000, lambda: b'{"a":' * 100_000,
        lambda: b'"' + b"a" * 1_000_000, lambda: b"9" * 1_000_000 + b"e9999",
        lambda: b"\0" * 1000,
    ]  # fmt: skip
    for make in deep:
        assert samples(path, b"1\n" + make() + b"\n2\n", JSONLinesReader()) is None


# Pictures in records.


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_cut_and_flipped_pictures_are_errors_or_pixels(
    tmp_path: Path, kind: str
) -> None:
    good = picture(3, 9, 7, kind)
    reader = TFRecordReader({"p": "image"}, "p")
    cases = [good[:size] for size in range(len(good))]
    errors = 0
    for content in [*cases, *flips(good, full(500, 20_000))]:
        got = samples(tmp_path / "x.tfrecord", tfrecord_of([{"p": content}]), reader)
        errors += got is None
        if got is not None:
            assert got[0].dtype == np.uint8 and got[0].shape[0] == 3
    assert errors > 50
