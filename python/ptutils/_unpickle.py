"""Pickle by allow-list: what is not on the list is never looked up, called or
changed.

The reader is the standard library's, in Python, so that each step that could
run something (REDUCE, NEWOBJ, BUILD, …) goes through a check here. Arrays,
dtypes and tensors are made by the functions of ``_rebuild``, which check their
arguments.
"""

from __future__ import annotations

import _compat_pickle
import collections
import datetime
import io
import pickle
import struct
from collections.abc import Callable, Iterable
from typing import Any

from . import _rebuild as rebuild
from ._rebuild import malformed
from .errors import Malformed, Untrusted, WrongValue

_MAX_DEPTH = 500
_Reader: Any = vars(pickle)["_Unpickler"]  # the one in Python
# What a pickle may make by NEWOBJ beside the user's classes.
_DICTS = ("State", "Configuration", "Branch", "Section")

_COLLECTIONS = (set, frozenset, collections.OrderedDict, collections.Counter)

_user: dict[tuple[str, str], type] = {}


def allow_class(*classes: type) -> None:
    """Lets pickles, and ``.pt`` files, hold instances of these classes.

    >>> from fractions import Fraction
    >>> allow_class(Fraction)
    """
    for cls in classes:
        if not isinstance(cls, type):
            raise WrongValue(f"[allow_class] takes classes, not {cls!r}")
        _user[cls.__module__, cls.__qualname__] = cls


def allowed_classes() -> list[type]:
    """The classes that the user has named."""
    return list(_user.values())


def find(module: str, name: str, classes: Iterable[type] = ()) -> Any:
    """What a name on the list stands for; Untrusted otherwise."""
    if (module, name) in rebuild.CALLS:
        return rebuild.CALLS[module, name]
    if module == "ptutils.state" and name in _DICTS:
        from . import state

        return getattr(state, name)
    if module == "torch":
        found = rebuild.torch_name(name)
        if found is not None:
            return found
    for cls in classes:
        if (cls.__module__, cls.__qualname__) == (module, name):
            return cls
    if (module, name) in _user:
        return _user[module, name]
    raise Untrusted(
        f"{module}.{name} is not on the list of what a pickle may hold. If it is "
        f"a class of yours: pt.files.allow_class({name}), or "
        f"read(path, classes=[{name}]). If you do not know it: do not read the "
        "file"
    )


class Unpickler(_Reader):
    """The standard library's reader with a check at each step that acts."""

    def __init__(
        self, content: bytes, classes: Iterable[type] = (), encoding: str = "ASCII"
    ) -> None:
        self._file = io.BytesIO(content)
        self._length = len(content)
        self._classes = tuple(classes)
        super().__init__(self._file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        if self.proto < 3:
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[module, name]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        return find(module, name, self._classes)

    def get_extension(self, code: int) -> None:
        raise malformed("a class by a registered number, which is not read")

    def persistent_load(self, _pid: Any) -> Any:
        raise malformed("an object that lies outside the file")

    def _is_user(self, cls: Any) -> bool:
        return isinstance(cls, type) and (cls in self._classes or cls in _user.values())

    def _check_call(self, function: Any, args: Any) -> None:
        known = id(function) in rebuild.CALL_IDS and not isinstance(
            function, rebuild.Token
        )
        if not (known or self._is_user(function)):
            raise malformed(f"a call of {function!r}, which is not read")
        if not isinstance(args, tuple):
            raise malformed("a call without its arguments")

    def load_reduce(self) -> None:
        function, args = self.stack[-2], self.stack[-1]
        self._check_call(function, args)
        numbers = all(a is None or type(a) is int for a in args)
        if (function is range or function is slice) and not numbers:
            raise malformed("a range that is not of numbers")
        if function in _COLLECTIONS:
            rebuild.check_collection(function, args)
        _Reader.load_reduce(self)

    def _new(self, cls: Any, args: Any, kwargs: Any) -> Any:
        from ._dot_dict import DotDict

        if not isinstance(args, tuple) or not isinstance(kwargs, dict):
            raise malformed("an object without its arguments")
        plain = cls is collections.OrderedDict or (
            isinstance(cls, type) and issubclass(cls, DotDict)
        )
        if plain and not args and not kwargs:
            return cls.__new__(cls)
        if cls in (datetime.datetime, datetime.date, datetime.time) and not kwargs:
            return cls(*args)
        if not self._is_user(cls):
            raise malformed(f"an object of {cls!r}, which is not read")
        return cls.__new__(cls, *args, **kwargs)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], args, {})

    def load_newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], args, kwargs)

    def _instantiate(self, klass: Any, args: Any) -> None:
        if not self._is_user(klass):
            raise malformed(f"an object of {klass!r}, which is not read")
        self.append(klass(*args))

    def load_build(self) -> None:
        target, state = self.stack[-2], self.stack[-1]
        if isinstance(target, rebuild.Pending):
            self._replace(target, rebuild.array(*rebuild.array_parts(state)))
        elif rebuild.is_dtype(target):
            self._replace(target, rebuild.with_dtype_state(target, state))
        elif type(target) is collections.OrderedDict and isinstance(state, dict):
            self.stack.pop()
            target.__dict__.update({str(k): v for k, v in state.items()})
        elif self._is_user(type(target)):
            _Reader.load_build(self)
        else:
            raise malformed(f"a {type(target).__name__} that would be changed")

    def _replace(self, old: Any, new: Any) -> None:
        """The finished object takes its unfinished one's place."""
        self.stack.pop()
        self.stack[-1] = new
        if new is old:
            return
        for key in [key for key, value in self.memo.items() if value is old]:
            self.memo[key] = new

    def load_frame(self) -> None:
        start = self._file.tell()
        (size,) = struct.unpack("<Q", self.read(8))
        if size > self._length - start:
            raise malformed("a frame beyond the end of the file")
        self._unframer.load_frame(size)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if size > self._length:
            raise malformed("bytes beyond the end of the file")
        self.append(bytearray(self.read(size)))

    dispatch: dict[int, Callable[..., None]] = {
        **_Reader.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.FRAME[0]: load_frame,
    }

    def at_end(self) -> bool:
        """Whether the pickle was the whole content."""
        frame = getattr(self._unframer, "current_frame", None)
        return self._file.read(1) == b"" and not (frame and frame.read(1))


def check_size(value: Any, limit: int) -> None:
    """Refuses what is nested too deep (or in itself), and what is small in the
    file but without end when written out (lists of one list, again and again).
    """
    sizes: dict[int, int] = {}  # id -> entries, written out
    open_ids: set[int] = set()
    stack: list[tuple[Any, Any]] = [(value, None)]
    while stack:
        item, children = stack[-1]
        if children is None:
            if id(item) in sizes or not isinstance(
                item, (dict, list, tuple, set, frozenset)
            ):
                stack.pop()
                continue
            if id(item) in open_ids or len(stack) > _MAX_DEPTH + 2:
                raise malformed(f"nested deeper than {_MAX_DEPTH}, or in itself")
            open_ids.add(id(item))
            inner = list(dict.values(item) if isinstance(item, dict) else item)
            children = iter(inner)
            stack[-1] = (item, children)
            sizes[-id(item)] = 1
        child = next(children, stack)
        parent = -id(item)
        if child is stack:
            open_ids.discard(id(item))
            sizes[id(item)] = sizes.pop(parent)
            stack.pop()
            if stack:
                sizes[-id(stack[-1][0])] += sizes[id(item)]
        elif id(child) in sizes:
            sizes[parent] += sizes[id(child)]
        elif isinstance(child, (dict, list, tuple, set, frozenset)):
            stack.append((child, None))
            continue
        elif (
            isinstance(child, (rebuild.Token, rebuild.Pending))
            or id(child) in rebuild.FUNCTION_IDS
        ):
            raise malformed("a part that was never finished")
        else:
            sizes[parent] += 1
        if sizes.get(parent, 0) > limit:
            raise malformed(f"more than {limit} entries when written out")


def loads(content: bytes, classes: Iterable[type] = (), encoding: str = "ASCII") -> Any:
    """The object of a pickle; Malformed or Untrusted otherwise. Python 2's strings
    are read by `encoding` ("latin1" for those that are bytes)."""
    reader = Unpickler(content, classes, encoding)
    try:
        value = reader.load()
        complete = reader.at_end()
    except (Malformed, Untrusted):
        raise
    except RecursionError as error:
        raise malformed("nested too deep") from error
    except Exception as error:
        text = str(error) or type(error).__name__
        raise malformed(f"not a whole pickle: {text}") from error
    if not complete:
        raise malformed("more bytes behind its end")
    check_size([value], max(1_000_000, 64 * len(content)))
    return value
