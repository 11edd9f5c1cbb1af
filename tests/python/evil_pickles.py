"""Pickles, and .pt files, that would run code, reach out of memory or fill it: name
-> content. Each is an error; nothing is run, nothing large is made.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import torch

DEEP = 100_000
HUGE = 1 << 62


def call(module: str, name: str, *args: bytes, protocol: int = 2) -> bytes:
    """REDUCE of a global; the arguments are opcodes."""
    head = b"\x80" + bytes([protocol]) + f"c{module}\n{name}\n(".encode()
    return head + b"".join(args) + b"tR."


def number(n: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", n)


def numbers(*items: int) -> bytes:
    return b"(" + b"".join(map(number, items)) + b"t"


def string(content: str) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content.encode()


def raw(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def storage() -> bytes:
    """Four floats, as pickles of torch have them."""
    pickled = pickle.dumps(torch.ones(4), 2)
    begin = pickled.index(b"ctorch.storage\n")
    return pickled[begin : pickled.index(b"Rq\x08K\0") + 1]


def rebuilt(offset: bytes, size: bytes, stride: bytes) -> bytes:
    return call("torch._utils", "_rebuild_tensor_v2", storage(), offset, size, stride,
                b"\x89", b"ccollections\nOrderedDict\n)R")  # fmt: skip


def array(shape: bytes, dtype: str, content: bytes) -> bytes:
    """_reconstruct, then BUILD."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"
        b"(K\1" + shape + b"cnumpy\ndtype\n(" + string(dtype) + b"\x89\x88tR\x89"
        + content + b"tb.")  # fmt: skip


def torch_archive(pickled: bytes, data: bytes = bytes(16)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in {
            "data.pkl": pickled,
            "byteorder": b"little",
            "data/0": data,
            "version": b"3\n",
        }.items():
            file.writestr(f"archive/{name}", content)  # fmt: skip
    return out.getvalue()


def torch_tensor(offset: int, size: tuple, stride: tuple, count: int = 4) -> bytes:
    persistent = (b"(" + string("storage") + b"ctorch\nFloatStorage\n" + string("0")
                  + string("cpu") + number(count) + b"tQ")  # fmt: skip
    return call("torch._utils", "_rebuild_tensor_v2", persistent, number(offset),
                numbers(*size), numbers(*stride), b"\x89",
                b"ccollections\nOrderedDict\n)R")  # fmt: skip


_EXEC = string("open('PWNED', 'w')")
_TOUCH = string("touch PWNED")
PICKLES: dict[str, bytes] = {
    **{
        f"{module}.{name}": call(module, name, *args)
        for module, name, args in [
            ("os", "system", [_TOUCH]), ("posix", "system", [_TOUCH]),
            ("nt", "system", [_TOUCH]), ("os", "popen", [_TOUCH]),
            ("subprocess", "Popen", [b"](" + string("touch") + string("PWNED") + b"e"]),
            ("subprocess", "check_output", [_TOUCH]), ("pty", "spawn", [_TOUCH]),
            ("builtins", "eval", [_EXEC]), ("builtins", "exec", [_EXEC]),
            ("builtins", "compile", [_EXEC, string("x"), string("exec")]),
            ("builtins", "open", [string("PWNED"), string("w")]),
            ("builtins", "getattr", [string("a"), string("__class__")]),
            ("builtins", "setattr", [string("a"), string("b"), b"N"]),
            ("builtins", "__import__", [string("antigravity")]),
            ("builtins", "globals", []), ("builtins", "breakpoint", []),
            ("builtins", "type", [string("X"), b")", b"}"]),
            ("builtins", "map", [b"cos\nsystem\n", b"](" + _TOUCH + b"e"]),
            ("builtins", "print", [string("PWNED")]), ("io", "open", [string("PWNED")]),
            ("operator", "attrgetter", [string("system")]),
            ("operator", "methodcaller", [string("system"), _TOUCH]),
            ("functools", "partial", [b"cos\nsystem\n", _TOUCH]),
            ("functools", "reduce", [b"cos\nsystem\n", b"](" + _TOUCH + b"e"]),
            ("importlib", "import_module", [string("antigravity")]),
            ("runpy", "run_path", [string("x.py")]), ("code", "interact", []),
            ("webbrowser", "open", [string("x")]), ("ctypes", "CDLL", [string("x.so")]),
            ("shutil", "rmtree", [string("/nowhere")]), ("pathlib", "Path", []),
            ("types", "CodeType", []), ("types", "FunctionType", []),
            ("marshal", "loads", [raw(b"N")]), ("pickle", "loads", [raw(b"N.")]),
            ("_pickle", "loads", [raw(b"N.")]), ("pickle", "Unpickler", [b"N"]),
            ("copyreg", "_reconstructor", [b"cbuiltins\nobject\n"] * 2 + [b"N"]),
            ("copyreg", "add_extension", [string("os"), string("system"), b"K\1"]),
            ("numpy", "load", [string("x.npy"), b"N", b"\x88"]),
            ("numpy", "fromfile", [string("x")]), ("numpy", "save", [string("PWNED")]),
            ("numpy", "memmap", [string("PWNED"), string("u1"), string("w+"), b"K\0",
                                 numbers(9)]),
            ("numpy", "ndarray", [numbers(HUGE)]), ("numpy", "zeros", [numbers(HUGE)]),
            ("numpy.f2py", "compile", [_EXEC]),
            ("numpy.testing._private.utils", "runstring", [_EXEC, b"}"]),
            ("torch", "load", [string("x.pt")]), ("torch", "zeros", [numbers(HUGE)]),
            ("torch.hub", "load", [string("a/b"), string("c")]),
            ("torch.jit", "load", [string("x")]), ("torch.ops", "load_library",
                                                   [string("x.so")]),
            ("torch.serialization", "load", [string("x.pt")]),
            ("torch._utils", "_rebuild_qtensor", []),
            ("torch._utils", "_rebuild_device_tensor_from_numpy", []),
            ("torch._utils", "_rebuild_sparse_tensor", []),
            ("torch.utils.data.datapipes.utils.decoder", "basichandlers",
             [string("pkl"), raw(b"N.")]),
            ("ptutils._core", "write_file", [string("PWNED"), raw(b"x")]),
            ("ptutils.files", "read", [string("x.pkl")]),
            ("ptutils._unpickle", "allow_class", [b"cos\nsystem\n"]),
            ("ptutils._rebuild", "os.system", [_TOUCH]),
            ("pandas", "read_pickle", [string("x.pkl")]),
            ("timeit", "timeit", [_EXEC]), ("cProfile", "run", [_EXEC]),
            ("asyncio", "run", [b"N"]), ("socket", "create_connection", []),
            ("urllib.request", "urlopen", [string("file:///etc/passwd")]),
        ]
    },
    "getattr by a dotted name":
        b"\x80\x04\x8c\x05numpy\x8c\x12core.multiarray.sys\x93.",
    "a class of a class": b"\x80\x04\x8c\x08datetime\x8c\x12datetime.__class__\x93.",
    "INST of os.system": b"(" + _TOUCH + b"ios\nsystem\n.",
    "OBJ of os.system": b"(cos\nsystem\n" + _TOUCH + b"o.",
    "NEWOBJ of os.system": b"\x80\x02cos\nsystem\n(" + _TOUCH + b"t\x81.",
    "NEWOBJ of a tensor": b"\x80\x02ctorch\nTensor\n)\x81.",
    "NEWOBJ of an array": b"\x80\x02cnumpy\nndarray\n" + numbers(HUGE) + b"\x85\x81.",
    "NEWOBJ_EX of an array": b"\x80\x04cnumpy\nndarray\n)}\x92.",
    "BUILD with a state that is run": b"\x80\x02ccollections\nOrderedDict\n)R}"
        + string("__setstate__") + b"cos\nsystem\nsb" + _TOUCH + b"b.",
    "BUILD of a function": b"\x80\x02cnumpy\ndtype\n}" + string("__code__") + b"K\1sb.",
    "BUILD of a dict": b"\x80\x02}}" + string("a") + b"K\1sb.",
    "BUILD of slots": b"\x80\x02ccollections\nOrderedDict\n)RN}"
        + string("__class__") + b"K\1s\x86b.",
    "PERSID": b"P/etc/passwd\n.",
    "BINPERSID": b"\x80\x02(" + string("storage") + b"tQ.",
    "EXT1": b"\x80\x02\x82\x01.", "EXT2": b"\x80\x02\x83\x01\x01.",
    "EXT4": b"\x80\x02\x84\xff\xff\xff\x7f.",
    "NEXT_BUFFER": b"\x80\x05\x97.", "READONLY_BUFFER": b"\x80\x05N\x98.",
    **{f"{name} of 2^62 bytes": b"\x80\x05" + code + struct.pack("<Q", HUGE) + b"x."
       for name, code in {"BINBYTES8": b"\x8e", "BINUNICODE8": b"\x8d",
                          "BYTEARRAY8": b"\x96", "FRAME": b"\x95"}.items()},
    **{f"{name} of 1 GB": b"\x80\x05" + code + struct.pack("<Q", 1 << 30) + b"x."
       for name, code in {"BINBYTES8": b"\x8e", "BINUNICODE8": b"\x8d",
                          "BYTEARRAY8": b"\x96", "FRAME": b"\x95"}.items()},
    "BINBYTES of 4 GB": b"\x80\x03B\xff\xff\xff\xffx.",
    "BINUNICODE of 4 GB": b"\x80\x03X\xff\xff\xff\xffx.",
    "BINSTRING of -1": b"\x80\x02T\xff\xff\xff\xffx.",
    "LONG4 of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
    "LONG4 of -1": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "LONG of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "INT of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    "FLOAT that is none": b"Fabc\n.", "UNICODE that is none": b"V\\ud8\n.",
    "STRING without quotes": b"Sabc\n.",
    "lists nested 100 000": b"\x80\x02" + b"](" * DEEP + b"e" * DEEP + b".",
    "tuples nested 100 000": b"\x80\x02N" + b"\x85" * DEEP + b".",
    "dicts nested 100 000": b"\x80\x02" + b"}K\1" * DEEP + b"N" + b"s" * DEEP + b".",
    "marks, 100 000 of them": b"\x80\x02" + b"(" * DEEP + b".",
    "a memo bomb": b"\x80\x02]q\0" + b"".join(
        b"](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(40)) + b".",
    "a memo bomb of tuples": b"\x80\x02)q\0" + b"".join(
        b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b".",
    "a memo bomb of texts": b"\x80\x02" + string("x" * 1000) + b"q\0" + b"".join(
        b"(" + b"h%c" % i * 10 + b"lq%c" % (i + 1) for i in range(9)) + b".",
    "a memo that was never set": b"\x80\x02h\x63.",
    "a list in itself": b"\x80\x02]q\0h\0a.",
    "a dict in itself": b"\x80\x02}q\0K\1h\0s.",
    "a set of a list": b"\x80\x04\x8f(]\x90.",
    "a range without end": call("builtins", "range", string("a")),
    "bytes by their number": call("builtins", "bytes", number(HUGE)),
    "a bytearray by its number": call("builtins", "bytearray", number(HUGE)),
    "set of a range": call("builtins", "set",
                           b"cbuiltins\nrange\n(" + number(HUGE) + b"tR"),
    "an OrderedDict of a range": call(
        "collections", "OrderedDict", b"cbuiltins\nrange\n(" + number(HUGE) + b"tR"),
    "a torch.Size of a range": call(
        "torch", "Size", b"cbuiltins\nrange\n(" + number(HUGE) + b"tR"),
    "a timedelta of days": call("datetime", "timedelta", number(HUGE)),
    "a datetime of 11 bytes": call("datetime", "datetime", raw(b"x" * 10)),
    "a text in rot13": call("_codecs", "encode", string("a"), string("rot13")),
    "a text that is compressed": call(
        "_codecs", "encode", string("a"), string("zlib")),
    "an array that is never built": call(
        "numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"(K\0t",
        b"U\1b"),
    "an array of another class": call(
        "numpy.core.multiarray", "_reconstruct", b"cbuiltins\nset\n", b"(K\0t",
        b"U\1b"),
    "an array of a huge shape": array(numbers(HUGE), "f4", raw(bytes(4))),
    "an array of an overflowing shape": array(
        numbers(1 << 32, 1 << 32), "f4", raw(b"")),
    "an array of a negative shape": array(numbers(-1, -1), "f4", raw(bytes(4))),
    "an array of little content": array(numbers(4), "f8", raw(bytes(4))),
    "an array of objects": array(numbers(1), "O", raw(bytes(8))),
    "an array of objects in a list": array(numbers(1), "O", b"](cos\nsystem\ne"),
    "an array of records": array(numbers(1), "f4,O", raw(bytes(12))),
    "an array of huge texts": array(numbers(0), "U999999999", raw(b"")),
    "an array of an empty overflowing shape": array(
        numbers(0, HUGE, HUGE), "f8", raw(b"")),
    "an array of a bool shape": array(b"\x88\x85", "f8", raw(bytes(8))),
    "a dtype by code": call("numpy", "dtype", string("__import__('os')")),
    "a dtype of fields": call("numpy", "dtype", b"](" + string("a") + b"e"),
    "a scalar of little content": call(
        "numpy.core.multiarray", "scalar", b"cnumpy\ndtype\n(" + string("f8")
        + b"\x89\x88tR", raw(b"x")),
    "a scalar of objects": call(
        "numpy.core.multiarray", "scalar", b"cnumpy\ndtype\n(" + string("O8")
        + b"\x89\x88tR", raw(bytes(8))),
    "_frombuffer with axes of another": call(
        "numpy._core.numeric", "_frombuffer", raw(bytes(8)), b"cnumpy\ndtype\n("
        + string("f8") + b"\x89\x88tR", numbers(1), string("K"), numbers(0, 1)),
    "a tensor larger than its storage": rebuilt(b"K\0", numbers(5), numbers(1)),
    "a tensor of a huge stride": rebuilt(b"K\0", numbers(2), numbers(HUGE)),
    "a tensor at a huge offset": rebuilt(number(HUGE), numbers(1), numbers(1)),
    "a tensor at a negative offset": rebuilt(number(-1), numbers(1), numbers(1)),
    "a tensor of a negative stride": rebuilt(b"K\3", numbers(2), numbers(-1)),
    "a tensor whose extent overflows": rebuilt(
        b"K\0", numbers(1 << 32, 1 << 32), numbers(1 << 32, 1 << 32)),
    "a tensor of 2^62 by stride 0": rebuilt(b"K\0", numbers(HUGE), numbers(0)),
    "a tensor of less strides": rebuilt(b"K\0", numbers(1, 1), numbers(1)),
    "a tensor of a text for its size": rebuilt(b"K\0", string("ab"), numbers(1, 1)),
    "an empty tensor of an overflowing shape": rebuilt(
        b"K\0", numbers(0, HUGE, HUGE), numbers(1, 1, 1)),
    "a tensor without storage": call(
        "torch._utils", "_rebuild_tensor_v2", b"N", b"K\0", b")", b")", b"\x89", b"}"),
    "a storage of an evil pickle": call(
        "torch.storage", "_load_from_bytes", raw(call("os", "system", _TOUCH))),
    "a storage in a storage": call(
        "torch.storage", "_load_from_bytes",
        raw(call("torch.storage", "_load_from_bytes", raw(b"N.")))),
    "a parameter of no tensor": call(
        "torch._utils", "_rebuild_parameter", b"N", b"\x88"),
    "a native tensor of a huge shape": call(
        "ptutils._rebuild", "native", string("f32"), numbers(HUGE, HUGE), raw(b"")),
    "a native tensor of more than its bytes": call(
        "ptutils._rebuild", "native", string("f64"), numbers(2), raw(bytes(8))),
    "a native tensor of an empty overflowing shape": call(
        "ptutils._rebuild", "native", string("f64"), numbers(0, HUGE, HUGE), raw(b"")),
    "a native tensor of an unknown dtype": call(
        "ptutils._rebuild", "native", string("O"), numbers(1), raw(bytes(8))),
    "a tensor of float8 in wide bits": call(
        "ptutils._rebuild", "unsigned", rebuilt(b"K\0", numbers(4), numbers(1))[2:-1],
        string("float8_e5m2")),
}  # fmt: skip

TORCH = {
    "os.system": torch_archive(call("os", "system", _TOUCH)),
    "eval": torch_archive(call("builtins", "eval", _EXEC)),
    "old and evil": call("os", "system", _TOUCH),
    "a tensor larger than its storage": torch_archive(torch_tensor(0, (5,), (1,))),
    "a storage larger than its member": torch_archive(
        torch_tensor(0, (4000,), (1,), 4000)),
    "a tensor of a huge stride": torch_archive(torch_tensor(0, (2,), (HUGE,))),
    "a tensor at a huge offset": torch_archive(torch_tensor(HUGE, (1,), (1,))),
    "a tensor at a negative offset": torch_archive(torch_tensor(-1, (1,), (1,))),
    "a tensor of a negative stride": torch_archive(torch_tensor(3, (2,), (-1,))),
    "a tensor of a negative size": torch_archive(torch_tensor(0, (-1,), (1,))),
    "a tensor whose extent overflows": torch_archive(
        torch_tensor(0, (1 << 32, 1 << 32), (1 << 32, 1 << 32))),
    "a pickle of nothing": torch_archive(b""),
    "lists nested 100 000": torch_archive(PICKLES["lists nested 100 000"]),
    "a memo bomb": torch_archive(PICKLES["a memo bomb"]),
    "bytes of 2^62": torch_archive(PICKLES["BINBYTES8 of 2^62 bytes"]),
    "a storage that is not there": torch_archive(torch_tensor(0, (4,), (1,)).replace(
        string("0"), string("9"))),
}  # fmt: skip

EVIL = {"pkl": PICKLES, "pt": TORCH}
