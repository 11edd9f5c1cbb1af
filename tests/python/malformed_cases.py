"""Files made to break their readers: name -> suffix and content. Each is an
error, within little time and memory."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from typing import Any

DEEP = 100_000
HUGE = 1 << 62


# .npy and .npz


def npy(
    shape: str, descr: str = "'<f4'", data: bytes = b"", order: str = "False"
) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    header = text.encode()
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data


NPY = {
    "shape x size overflows": npy("(4294967296, 4294967296, 2)"),
    "shape x size overflows to 0": npy(f"({1 << 63}, 2)"),
    "a size of 2^64": npy(f"({1 << 64},)"),
    "a negative size": npy("(-1,)", data=b"1234"),
    "an empty array of an overflowing shape": npy(f"(0, {HUGE}, {HUGE})"),
    "more than the file": npy(f"({HUGE // 8},)"),
    "65 dimensions": npy("(" + "1, " * 65 + ")", data=b"1234"),
    "a header of 64 KB beyond the file": b"\x93NUMPY\x01\0\xff\xff{",
    "a header of 4 GB": b"\x93NUMPY\x02\0\xff\xff\xff\xff{",
    "objects": npy("(1,)", "'|O'", pickle.dumps([print])),
    "structures": npy("(1,)", "[('a', '|O')]", b"12345678"),
    "a key twice": npy("(1,), 'shape': (2,)", data=bytes(8)),
    "code in the header": npy("(__import__('os').getpid(),)", data=bytes(8)),
    "nested 30 000": npy("(" * 30_000 + ")" * 30_000),
    "a bool of 2": npy("(2,)", "'|b1'", b"\1\2"),
}  # fmt: skip


def packed(content: bytes, zeros: int = 0) -> bytes:
    """Deflated, with so many megabytes of zeros behind it."""
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    out = deflater.compress(content)
    for _ in range(zeros):
        out += deflater.compress(bytes(1 << 20))
    return out + deflater.flush()


def member(
    name: bytes, data: bytes, size: int | None = None, crc: int = 0, method: int = 0
) -> bytes:
    """A local header and its data."""
    size = len(data) if size is None else size
    head = struct.pack(
        "<IHHHHHIIIHH", 0x04034B50, 20, 0, method, 0, 33, crc, len(data), size,
        len(name), 0)  # fmt: skip
    return head + name + data


def entry(name: bytes, offset: int, pack: int, size: int, crc: int, method: int = 0,
          flags: int = 0, extra: bytes = b"") -> bytes:  # fmt: skip
    return struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, flags, method, 0, 33, crc, pack,
        size, len(name), len(extra), 0, 0, 0, 0, offset) + name + extra  # fmt: skip


def archive(body: bytes, entries: list[bytes], count: int | None = None,
            offset: int | None = None) -> bytes:  # fmt: skip
    directory = b"".join(entries)
    count = len(entries) if count is None else count
    offset = len(body) if offset is None else offset
    return body + directory + struct.pack(
        "<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), offset,
        0)  # fmt: skip


def one(name: bytes, data: bytes, size: int | None = None, method: int = 0,
        crc: int | None = None, **more: Any) -> bytes:  # fmt: skip
    real = zlib.crc32(data if method == 0 else zlib.decompress(data, -15))
    crc = real if crc is None else crc
    size = len(data) if size is None else size
    return archive(
        member(name, data, size, crc, method),
        [entry(name, more.pop("offset", 0), more.pop("pack", len(data)), size, crc,
               method, **more)])  # fmt: skip


GOOD = npy("(2,)", data=bytes(8))


def same_data_many_times(count: int) -> bytes:
    """The bomb that is made of members over the same bytes."""
    head = npy(f"({50 << 18},)")
    kernel, size = packed(head, 50), len(head) + (50 << 20)
    body = member(b"0.npy", kernel, size, 0, 8)
    entries = [entry(b"%d.npy" % i, 0, len(kernel), size, 0, 8) for i in range(count)]
    return archive(body, entries)


def bomb(megabytes: int) -> bytes:
    """An array of 12 bytes and zeros behind it."""
    data, size = packed(npy("(3,)"), megabytes), len(npy("(3,)")) + (megabytes << 20)
    return archive(member(b"a.npy", data, size, 0, 8),
                   [entry(b"a.npy", 0, len(data), size, 0, 8)])  # fmt: skip


NPZ = {
    "lengths beyond the file": one(b"a.npy", GOOD, pack=HUGE >> 32, size=HUGE >> 32),
    "an offset beyond the file": one(b"a.npy", GOOD, offset=1 << 30),
    "a directory beyond the file": archive(b"PK\3\4" + bytes(40), [], 0, 1 << 30),
    "a directory of 65 535 members in none": archive(b"PK\3\4" + bytes(40), [], 65535),
    "a member twice": archive(
        member(b"a.npy", GOOD, crc=zlib.crc32(GOOD)),
        [entry(b"a.npy", 0, len(GOOD), len(GOOD), zlib.crc32(GOOD))] * 2),
    "overlapping members": archive(
        member(b"a.npy", GOOD), [entry(b"a.npy", 0, len(GOOD), len(GOOD), 0),
                                 entry(b"b.npy", 0, len(GOOD), len(GOOD), 0)]),
    "a bomb of overlapping members": lambda: same_data_many_times(1000),
    "a bomb behind a small shape": lambda: bomb(400),
    "a bomb that claims more than deflate can": one(
        b"a.npy", packed(GOOD), 0xFFFFFFF0, 8),
    "a wrong crc": one(b"a.npy", GOOD, crc=1),
    "a wrong crc, deflated": one(b"a.npy", packed(GOOD), len(GOOD), 8, crc=1),
    "deflated to another size": one(b"a.npy", packed(GOOD), len(GOOD) + 1, 8),
    "not deflated at all": archive(
        member(b"a.npy", b"\xff" * 30, len(GOOD), 1, 8),
        [entry(b"a.npy", 0, 30, len(GOOD), 1, 8)]),
    "encrypted": one(b"a.npy", GOOD, flags=1),
    "packed with bzip2": archive(member(b"a.npy", GOOD, method=12),
                                 [entry(b"a.npy", 0, len(GOOD), len(GOOD), 0, 12)]),
    "zip64 sizes beyond the file": archive(
        member(b"a.npy", GOOD),
        [entry(b"a.npy", 0, 0xFFFFFFFF, 0xFFFFFFFF, 0,
               extra=struct.pack("<HHQQ", 1, 16, HUGE, HUGE))]),
    "a zip64 field cut short": archive(
        member(b"a.npy", GOOD),
        [entry(b"a.npy", 0, 0xFFFFFFFF, 0xFFFFFFFF, 0,
               extra=struct.pack("<HHI", 1, 4, 5))]),
    "another name in its own header": archive(
        member(b"b.npy", GOOD, crc=zlib.crc32(GOOD)),
        [entry(b"a.npy", 0, len(GOOD), len(GOOD), zlib.crc32(GOOD))]),
    "a name that is not UTF-8": one(b"\xff\xfe.npy", GOOD),
    "objects": one(b"a.npy", NPY["objects"]),
    "an array and more behind it": one(b"a.npy", GOOD + b"more"),
    "shape x size overflows": one(b"a.npy", NPY["shape x size overflows"]),
    "a skeleton that is no text": one(b"__ptutils__.npy", GOOD),
    "a skeleton of nothing": one(
        b"__ptutils__.npy", npy("(2,)", "'|u1'", b"{}")),
}  # fmt: skip


# .safetensors


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


_ROW = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
SAFETENSORS = {
    "a header of 2^63": struct.pack("<Q", 1 << 63) + b"{}",
    "a header of 100 MB": struct.pack("<Q", 99_999_999) + b"{}",
    "an end beyond the file": safetensors({"a": tensor(0, 400, [100])}, bytes(4)),
    "an end before its begin": safetensors({"a": tensor(4, 0, [1])}, bytes(8)),
    "a begin below 0": safetensors({"a": tensor(-4, 0, [1])}, bytes(4)),
    "an offset of 2^64": safetensors({"a": tensor(0, 1 << 64, [1])}, bytes(4)),
    "overlapping tensors": safetensors(
        {"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)),
    "the same bytes twice": safetensors(
        {"a": tensor(0, 8, [2]), "b": tensor(0, 8, [2])}, bytes(8)),
    "a gap": safetensors({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)),
    "bytes behind the last": safetensors({"a": tensor(0, 4, [1])}, bytes(8)),
    "shape x size overflows": safetensors(
        {"a": tensor(0, 4, [1 << 62, 4, 1])}, bytes(4)),
    "an empty tensor of an overflowing shape": safetensors(
        {"a": tensor(0, 0, [0, HUGE, HUGE])}),
    "a size that is no integer": safetensors({"a": tensor(0, 4, [1.0])}, bytes(4)),
    "a tensor twice": safetensors(b"{" + _ROW + b"," + _ROW + b"}", bytes(4)),
    "metadata that is no text": safetensors({"__metadata__": {"a": 1}}),
    "metadata that is a list": safetensors({"__metadata__": []}),
    "nested 100 000": safetensors(b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"),
    "a bool of 2": safetensors({"a": tensor(0, 1, [1], "BOOL")}, b"\2"),
    "a NUL behind the header": safetensors(b"{}\0{"),
    "an unknown dtype": safetensors({"a": tensor(0, 4, [1], "F4_E9")}, bytes(4)),
    "a skeleton of a missing tensor": safetensors({"__metadata__": {
        "__ptutils__": '{"version":1,"value":{"$tensor":["a","f32","numpy"]}}'}}),
    "a skeleton nested 100 000": safetensors({"__metadata__": {
        "__ptutils__": '{"version":1,"value":' + "[" * DEEP + "]" * DEEP + "}"}}),
    "a skeleton of a newer version": safetensors({"__metadata__": {
        "__ptutils__": '{"version":9,"value":1}'}}),
}  # fmt: skip


# .tfrecord


def _crc_table() -> list[int]:
    out = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        out.append(byte)
    return out


_TABLE = _crc_table()


def masked_crc(content: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(content: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<Q", len(content) if length is None else length)
    return head + masked_crc(head) + content + masked_crc(content)


def part(number: int, content: bytes) -> bytes:
    """A field of a message of protocol buffers."""
    size, out = len(content), b""
    while size >= 128:
        out += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + out + bytes([size]) + content


def example(**features: bytes) -> bytes:
    pairs = (part(1, part(1, k.encode()) + part(2, v)) for k, v in features.items())
    return part(1, b"".join(pairs))


def text(*items: bytes) -> bytes:
    return part(1, b"".join(part(1, item) for item in items))


def integers(*items: int) -> bytes:
    out = b""
    for item in items:
        item &= (1 << 64) - 1
        while item >= 128:
            out += bytes([item & 127 | 128])
            item >>= 7
        out += bytes([item])
    return part(3, part(1, out))


def ours_as_records(
    *shape: int, data: bytes = bytes(4), dtype: bytes = b"f32"
) -> bytes:
    skeleton = b'{"version":1,"value":{"$tensor":["a","f32","numpy"]}}'
    return record(example(__ptutils__=text(skeleton))) + record(
        example(name=text(b"a"), dtype=text(dtype), shape=integers(*shape),
                data=text(data)))  # fmt: skip


TFRECORD = {
    "a length of 2^62": record(b"", HUGE),
    "a length of 2^64 - 1": record(b"", (1 << 64) - 1),
    "a damaged length": struct.pack("<Q", 5) + bytes(13),
    "a damaged record": record(b"hello")[:-1] + b"?",
    "no example": record(b"hello, this is no message"),
    "a field beyond the record": record(b"\x0a\x7f"),
    "a field of 2^64 bytes": record(b"\x0a" + b"\xff" * 9 + b"\x01"),
    "a number without end": record(b"\x08" + b"\xff" * 100),
    "an unknown wire type": record(b"\x0f"),
    "floats in 3 bytes": record(example(x=part(2, part(1, b"abc")))),
    "a name that is not UTF-8": record(
        part(1, part(1, part(1, b"\xff") + part(2, b"")))),
    "shape x size overflows": ours_as_records(1 << 62, 4),
    "a negative size": ours_as_records(-1),
    "data of another size": ours_as_records(2),
    "65 dimensions": ours_as_records(*[1] * 65),
    "an unknown dtype": ours_as_records(1, dtype=b"O"),
}  # fmt: skip


# Text


def _aliases(levels: int) -> str:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(rows)


TEXTS = {
    "json": {
        "nested 100 000": "[" * DEEP + "]" * DEEP,
        "nested 100 000, open": "[" * DEEP,
        "objects nested 100 000": '{"a":' * DEEP + "1" + "}" * DEEP,
        "a key twice": '{"a": 1, "a": 2}',
        "a key twice, escaped": '{"a": 1, "\\u0061": 2}',
        "a number too large": "1e999",
        "not a number": "[1NaN]",
        "half a surrogate": '"\\ud800"',
        "not UTF-8": b'"\xff"',
        "UTF-16": '"a"'.encode("utf-16"),
        "a NUL": b'"a\0b"',
        "a NUL behind the value": "[1]\0 and more",
        "two values": "1 2",
        "a comment": "[1] // one",
        "a trailing comma": "[1,]",
        "an array of an overflowing shape": json.dumps(
            {"__ptutils__": 1, "value": {"$tensor": {
                "name": "a", "dtype": "f32", "shape": [HUGE, 4], "origin": "numpy",
                "data": ""}}}),
        "an array of less data": json.dumps(
            {"__ptutils__": 1, "value": {"$tensor": {
                "name": "a", "dtype": "f32", "shape": [2], "origin": "numpy",
                "data": "AAAA"}}}),
    },
    "yaml": {
        "nested 100 000": "[" * DEEP + "]" * DEEP,
        "maps nested 100 000": "{a: " * DEEP + "}" * DEEP,
        "lists nested 100 000": "- " * DEEP + "a",
        "keys nested 100 000": "? " * DEEP + "a",
        "an alias bomb": _aliases(12),
        "a bomb of merges": "a: &a {b: " + "x" * 100_000 + "}\n"
                            + "".join(f"c{i}: {{<<: *a}}\n" for i in range(1000)),
        "an alias in its own anchor": "a: &a [*a]",
        "a key twice": "a: 1\na: 2",
        "an object": "!!python/object/apply:os.system ['touch PWNED']",
        "an unknown alias": "a: *b",
        "a quote without end": 'a: 1\nb: "',
        "a quote without end, later": "a: 1\nb: 'x\n",
        "a key without a colon": "a: 1\nb",
        "an empty entry": "[a,,b]",
        "a tag without a value": "a: !!str",
        "a lone carriage return": "a: 1\rb: 2",
        "two documents": "a: 1\n---\nb: 2",
        "not UTF-8": b"a: \xff",
        "a NUL": b"a: \0",
        "100 000 anchors": "\n".join(f"- &a{i} *b" for i in range(DEEP)),
        "open brackets and keys": "{a: [" * 20_000,
    },
    "csv": {
        "a quote without end": 'a\n"' + "x" * 1_000_000,
        "rows of other widths": "a,b\n1,2\n3\n",
        "a column twice": "a,a\n1,2\n",
        "not UTF-8": b"a\n\xff\n",
    },
}  # fmt: skip


CASES: dict[str, dict[str, Any]] = {
    "npy": NPY, "npz": NPZ, "safetensors": SAFETENSORS, "tfrecord": TFRECORD,
    **TEXTS,
}  # fmt: skip
