"""LMDB files, both ways with the lmdb package, malformed and in use."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import lmdb.verify
import numpy as np
import pytest
import torch
from conftest import full
from hypothesis import HealthCheck, given, settings
from value_cases import values

import ptutils as pt

Malformed = pt.errors.Malformed
SIZE = 1 << 26


def same(a: object, b: object) -> bool:
    return pt._core._identical(a, b)


def theirs(path: Path, entries: dict, **options: object) -> None:
    env = lmdb.open(str(path), subdir=False, map_size=SIZE, lock=False, max_dbs=9)
    with env.begin(write=True) as transaction:
        db = env.open_db(txn=transaction, **options) if options else None
        for key, value in entries.items():
            for item in value if isinstance(value, list) else [value]:
                transaction.put(key, item, db=db)
    env.close()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def as_lmdb_reads(path: Path) -> dict[bytes, bytes]:
    env = lmdb.open(str(path), subdir=False, readonly=True, lock=False)
    with env, env.begin() as transaction:
        return dict(transaction.cursor())


# Ours.


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(value=values)
def test_a_file_gives_back_what_was_saved(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.lmdb"
    pt.save(path, value, durable=False)
    assert same(value, pt.read(path, verify=True))
    assert lmdb.verify.verify(str(path)) == []


@pytest.mark.parametrize("count", [1, 2, 30, 31, 700, full(10_000, 100_000)])
def test_the_lmdb_package_reads_and_verifies_ours(count: int, tmp_path: Path) -> None:
    # Sizes about those at which a value leaves its page, and keys of all lengths.
    chance = random.Random(count)
    arrays = {}
    for i in range(count):
        size = chance.choice([0, 1, 7, 8, 1500, 1890, 1900, 1950, 4000, 5000])
        name = f"{i}_" + "n" * chance.choice([0, 1, 90, 480, 507, 700])
        arrays[name] = np.arange(size if i < 700 else 8).astype("uint8")
    path = tmp_path / "x.lmdb"
    pt.save(path, arrays, durable=False)
    assert same(arrays, pt.read(path, verify=True))
    assert lmdb.verify.verify(str(path)) == []
    raw = as_lmdb_reads(path)
    assert len(raw) == count + 1 and list(raw) == sorted(raw)
    for name, array in arrays.items():
        if len(name) <= 511:
            assert np.array_equal(np.load(io.BytesIO(raw[name.encode()])), array)


def test_the_lmdb_package_goes_on_with_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pt.save(path, {f"a{i}": np.full(i, i) for i in range(300)})
    theirs(path, {b"a7": npy(np.ones(900)), b"new": b"x", b"__ptutils__": b"{}"})
    env = lmdb.open(str(path), subdir=False, map_size=SIZE, lock=False)
    with env, env.begin(write=True) as transaction:
        for i in range(100, 300):
            transaction.delete(f"a{i}".encode())
        transaction.delete(b"__ptutils__")
    assert lmdb.verify.verify(str(path)) == []
    back = pt.read(path)
    assert len(back) == 101 and back["new"] == b"x" and back["a7"].sum() == 900


def test_long_names_that_begin_and_end_alike_stay_apart(tmp_path: Path) -> None:
    value = {f"{'é' * 400}{i}{'x' * 480}": np.full(1, i) for i in range(3)}
    pt.save(tmp_path / "x.lmdb", value)
    assert same(pt.read(tmp_path / "x.lmdb", verify=True), value)
    assert max(map(len, as_lmdb_reads(tmp_path / "x.lmdb"))) <= 511


def test_arrays_are_mapped_and_outlive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pt.save(path, {"a": np.ones(100_000), "t": torch.ones(100_000)})
    before = path.read_bytes()
    back = pt.read(path)
    lines = Path("/proc/self/maps").read_text().splitlines()
    maps = [line for line in lines if str(path) in line]
    assert maps and " rw-p " in maps[0]
    back["a"][:] = 2
    back["t"].zero_()
    assert path.read_bytes() == before
    path.unlink()
    assert back["a"].sum() == 200_000 and back["t"].sum() == 0


def test_a_save_takes_the_lock_of_the_old_database_away(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    with lmdb.open(str(path), subdir=False, map_size=SIZE) as env:
        with env.begin(write=True) as transaction:
            transaction.put(b"k", b"old")
        pt.save(path, {"k": 1})
        assert pt.read(path) == {"k": 1}
        with env.begin() as transaction:
            assert transaction.get(b"k") == b"old"
    assert os.listdir(tmp_path) == ["x.lmdb"]


# Other programs'.


def test_values_of_the_lmdb_package(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    array = np.arange(5000.0).reshape(2, -1).T
    theirs(path, {b"a": npy(array), b"b": b"raw", "ü".encode(): b"", b"c": b"z" * 9999})
    for name in ("x.lmdb", "y.bin"):
        if name != path.name:
            shutil.copy(path, tmp_path / name)
        back = pt.read(tmp_path / name)
        assert type(back) is dict and list(back) == ["a", "b", "c", "ü"]
        assert np.array_equal(back["a"], array)
        assert (back["b"], back["ü"], back["c"]) == (b"raw", b"", b"z" * 9999)


def test_both_kinds_of_database(tmp_path: Path) -> None:
    for name in ("x.lmdb", "plain"):
        env = lmdb.open(str(tmp_path / name), map_size=SIZE)
        with env, env.begin(write=True) as transaction:
            transaction.put(b"k", npy(np.ones(2)))
        for path in (tmp_path / name, tmp_path / name / "data.mdb"):
            assert pt.read(path)["k"].sum() == 2
    (tmp_path / "empty.lmdb").mkdir()
    with pytest.raises(pt.errors.IOFailed, match=r"without data\.mdb"):
        pt.read(tmp_path / "empty.lmdb")
    theirs(tmp_path / "nothing.lmdb", {})
    assert pt.read(tmp_path / "nothing.lmdb") == {}


def test_named_databases_are_dicts_and_duplicates_lists(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    many = [b"%05d" % i for i in range(3000)]
    fixed = [i.to_bytes(8, "little") for i in range(2000)]
    theirs(path, {b"one": b"1", b"two": npy(np.ones(3))}, key=b"plain")
    theirs(path, {b"k": [b"a", b"bb"], b"m": many}, key=b"dup", dupsort=True)
    theirs(path, {b"k": fixed, b"s": [b"1" * 8]}, key=b"fix", dupsort=True,
           dupfixed=True)  # fmt: skip
    theirs(path, {i.to_bytes(8, "little"): b"v" for i in (1, 256, 3)}, key=b"int",
           integerkey=True)  # fmt: skip
    theirs(path, {b"top": b"t"})
    back = pt.read(path)
    assert back["plain"]["one"] == b"1" and back["plain"]["two"].sum() == 3
    assert back["dup"] == {"k": [b"a", b"bb"], "m": many}
    assert sorted(back["fix"]["k"]) == sorted(fixed)
    assert back["fix"]["s"] == [b"1" * 8]
    assert back["int"] == {1: b"v", 3: b"v", 256: b"v"} and back["top"] == b"t"


def test_keys_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    theirs(tmp_path / "x.lmdb", {b"\xff\x00": b"v"})
    with pytest.raises(Malformed, match="bytes ff00 is no UTF-8.*lmdb package"):
        pt.read(tmp_path / "x.lmdb")


def test_a_database_of_lmdb_1_says_so(tmp_path: Path) -> None:
    head = bytes(16) + b"\x08\0" + bytes(6) + b"\xde\xc0\xef\xbe\x02\0\0\0"
    (tmp_path / "x.any").write_bytes(head.ljust(8192, b"\0"))
    with pytest.raises(Malformed, match=r"LMDB 1\.0.*mdb_dump"):
        pt.read(tmp_path / "x.any")


@contextlib.contextmanager
def writing(path: Path, script: str) -> Iterator[None]:
    """While another process writes to it, from the first transaction on."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


WRITER = """
import sys, lmdb
env = lmdb.open(sys.argv[1], subdir=False, map_size=1 << 28, sync=False)
n = 0
while True:
    n += 1
    with env.begin(write=True) as t:
        for i in range(40):
            t.put(b'%d' % i, b'%d ' % n * (1 + n * 7 % 900))
    if n == 1:
        print('ready', flush=True)
"""


def test_a_database_that_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    with writing(path, WRITER):
        seen = set()
        end = time.monotonic() + full(1, 10)
        while time.monotonic() < end:
            try:
                back = pt.read(path)
            except pt.errors.IOFailed as error:
                assert "written faster" in str(error)
                continue
            numbers = {number for text in back.values() for number in text.split()}
            assert len(back) == 40 and len(numbers) == 1
            seen |= numbers
        assert len(seen) > 5


GROWER = """
import sys, time, lmdb
env = lmdb.open(sys.argv[1], subdir=False, map_size=1 << 32, sync=False)
n = 0
while True:
    n += 1
    with env.begin(write=True) as t:
        t.put(b'%d' % n, b'x' * 20_000)
    time.sleep(.001)
    if n == 1:
        print('ready', flush=True)
"""


def test_a_database_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    with writing(path, GROWER):
        end = time.monotonic() + full(2, 10)
        counts = [0]
        while time.monotonic() < end:
            try:
                counts.append(len(pt.read(path)))  # not "is it truncated?"
            except pt.errors.IOFailed as error:
                assert "written faster" in str(error)
        assert counts == sorted(counts) and counts[-1] > 10


def test_threads_read_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    value = {f"a{i}": np.full(1000, i) for i in range(50)}
    pt.save(path, value)
    right = []
    threads = [
        threading.Thread(target=lambda: right.append(same(pt.read(path), value)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 8


# Malformed.


def test_truncation_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pt.save(path, {"a": np.ones(3), "b": np.ones(900), "c": ["x", 1.5]})
    whole = path.read_bytes()
    lengths = [*range(300), *range(300, len(whole), 97), len(whole) - 1]
    for n in lengths:
        path.write_bytes(whole[:n])
        with pytest.raises(pt.Error, match=r"x\.lmdb"):
            pt.read(path)


def foreign(path: Path) -> None:
    theirs(path, {b"%d" % i: b"v" * i * 9 for i in range(60)})
    theirs(path, {b"n": npy(np.ones(700)), b"m": npy(np.ones(3))}, key=b"sub")
    theirs(path, {b"k": [b"%04d" % i for i in range(500)], b"l": [b"a", b"b"]},
           key=b"dup", dupsort=True)  # fmt: skip
    theirs(path, {b"k": [b"%04d" % i for i in range(20)]}, key=b"fix",
           dupsort=True, dupfixed=True)  # fmt: skip


FLIPS = """
import random, resource, sys, time
import ptutils as pt
path, count, verify = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'ours'
whole = open(path, 'rb').read()
right = pt.read(path, verify=verify)
used = [i for i in range(len(whole)) if whole[i] or i % 4096 < 160]
chance = random.Random(2)
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
errors = same = longest = 0
for i in range(count):
    content = bytearray(whole)
    for _ in range(chance.choice([1, 1, 1, 3, 9])):
        content[chance.choice(used)] ^= 1 << chance.randrange(8)
    with open(path, 'wb') as file:
        file.write(content)
    before = time.perf_counter()
    try:
        back = pt.read(path, verify=verify)
    except pt.Error:
        errors += 1
    else:
        equal = pt._core._identical(back, right)
        same += equal
        gone = content.count(b'__ptutils__') < whole.count(b'__ptutils__')
        assert equal or gone or not verify, i
    longest = max(longest, time.perf_counter() - before)
more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
assert more < 256_000 and longest < 2, (more, longest)
print(errors, same)
"""


@pytest.mark.parametrize("which", ["ours", "theirs"])
def test_flipped_bits(
    which: str, tmp_path: Path, python: Callable[..., object]
) -> None:
    path = tmp_path / "x.lmdb"
    if which == "ours":
        pt.save(path, {f"a{i}": np.arange(i * 20) for i in range(40)})
    else:
        foreign(path)
    done = python(FLIPS, str(path), str(full(400, 20_000)), which)
    assert int(done.stdout.split()[0]) > 30


def test_pages_that_lead_in_a_circle_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pt.save(path, {f"a{i}": np.ones(200, "uint8") for i in range(100)})
    whole = path.read_bytes()
    root = 4096 * int.from_bytes(whole[128:136], "little")  # of the first meta
    assert whole[root + 10] == 1  # a branch
    first = root + int.from_bytes(whole[root + 16 : root + 18], "little")
    for child, why in ((root >> 12, "used twice"), (3, "used twice"),
                       (1, "used twice"), (10**6, "truncated")):  # fmt: skip
        changed = bytearray(whole)
        changed[first : first + 4] = child.to_bytes(4, "little")
        path.write_bytes(changed)
        with pytest.raises(Malformed, match=why):
            pt.read(path)
