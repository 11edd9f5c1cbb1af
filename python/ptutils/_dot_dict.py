"""Dictionaries with dot access: what State and Configuration share."""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, ClassVar, TypeVar

from . import _core, _text, _tree
from ._dotted import MISSING, find_path, owner
from .errors import UnknownName, WrongType, WrongValue

_READ_OPTIONS = ("as_", "verify", "classes", "isolate", "mmap")
_Self = TypeVar("_Self", bound="DotDict")


class DotDict(dict[Any, Any]):
    """Methods win over keys of the same name: ``s['items']`` always works, and
    ``s.items = …`` is an error.

    A plain dict in it becomes a :class:`Branch` (a :class:`Section`) when it is
    reached, in place: what is written through it, by dot or by ``[]``, is in the
    whole. So is an array of a file that has not been read yet. A dotted key
    that is no key itself is the way to a nested one, to be read, set and
    removed: ``s['net.weight']`` is ``s['net']['weight']``. Of flat names
    (``'conv1.weight'``) ``s.conv1`` gathers those under it, to be read.
    """

    __slots__ = ("__weakref__",)
    _branch: ClassVar[type[DotDict]]  # what a plain dict in it becomes
    _gathered: ClassVar[type[DotDict]]  # what entries under a name become
    _kind: ClassVar[str]  # what messages call it

    def __init__(self, *args: Any, **items: Any) -> None:
        if len(args) == 1 and not isinstance(args[0], dict):
            args = (self._source(args[0]),)
            if not isinstance(args[0], Iterable):
                raise WrongType(
                    f"[{type(self).__name__}] takes a dictionary, a path or a module, "
                    f"not {args[0]!r}"
                )
            wrong = [name for name in items if name in _READ_OPTIONS]
            if wrong:
                raise WrongType(
                    f"[{type(self).__name__}] {wrong[0]}= is an option of "
                    f"ptutils.read: {type(self).__name__}(ptutils.read(path, "
                    f"{wrong[0]}=…))"
                )
        super().__init__(*args, **items)

    @classmethod
    def _source(cls, given: Any) -> Any:
        """What the constructor's argument stands for: a file's content, that of
        several, a module's state."""
        if isinstance(given, (list, tuple)) and given and all(map(_is_path, given)):
            return cls._together(given)
        if _is_path(given):
            from . import files

            content = files._read(given, lazy=True)
            if content is None:
                raise WrongType(
                    f"[{cls.__name__}] {os.fspath(given)} is empty; "
                    "a dictionary is wanted"
                )
            if not isinstance(content, dict):
                raise WrongType(
                    f"[{cls.__name__}] {os.fspath(given)} holds a "
                    f"{type(content).__name__}, not a dictionary; "
                    "ptutils.read(path) gives it as it is"
                )
            return content
        if _core._is_child(given):
            return given.state_dict()
        return given

    @classmethod
    def _together(cls, paths: Iterable[str | os.PathLike[str]]) -> dict[Any, Any]:
        """The shards of one state: each name is in one of them."""
        out: dict[Any, Any] = {}
        where: dict[Any, Any] = {}
        for path in dict.fromkeys(os.fspath(path) for path in paths):
            content = cls._source(path)
            twice = next((key for key in content if key in out), None)
            if twice is not None:
                raise WrongValue(
                    f"[{cls.__name__}] {path} has {twice!r}, as {where[twice]} has"
                )
            dict.update(out, dict.items(content))
            where.update(dict.fromkeys(content, path))
        return out

    # The identity law.
    def __call__(self: _Self, *_args: Any, **_kwargs: Any) -> _Self:
        """Itself, whatever the arguments."""
        return self

    def state_dict(self: _Self, *_args: Any, **_kwargs: Any) -> _Self:
        """Itself."""
        return self

    def load_state_dict(self: _Self, *_args: Any, **_kwargs: Any) -> _Self:
        """Itself, unchanged; :meth:`assign` takes over another's content."""
        return self

    state = state_dict
    load_state = load_state_dict

    # Access.
    def __getitem__(self, key: Any) -> Any:
        value = self._own(key)
        if value is not MISSING:
            return value
        if isinstance(key, str) and "." in key:
            value = find_path(self, key)
            if value is not MISSING:
                return value
        if isinstance(key, str) and (under := self._under(key)):
            return under
        raise UnknownName(f"[{self._kind}] no {key!r}{_keys(self, str(key))}")

    def _own(self, key: Any) -> Any:
        value = dict.get(self, key, MISSING)
        if type(value) is dict:
            value = self._branch(value)
            dict.__setitem__(self, key, value)
        elif type(value) is _core._Deferred:
            value = value.get()
            dict.__setitem__(self, key, value)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        """The value at a key or a dotted path, else the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def _place(self, key: Any) -> tuple[Any, Any]:
        """The nested dict or list that a dotted key leads to, and the key there;
        itself and the key, where it leads nowhere."""
        if isinstance(key, str) and "." in key and not dict.__contains__(self, key):
            where, last = owner(self, key)
            if where is not MISSING:
                return where, last
        return self, key

    def __contains__(self, key: object) -> bool:
        if super().__contains__(key):
            return True
        return (
            isinstance(key, str) and "." in key and find_path(self, key) is not MISSING
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        where, last = self._place(key)
        if where is self:
            super().__setitem__(key, value)
        else:
            where[last] = value

    def __delitem__(self, key: Any) -> None:
        where, last = self._place(key)
        if where is self:
            super().__delitem__(key)
        else:
            del where[last]

    def update(self, *args: Any, **items: Any) -> None:
        for key, value in dict(*args, **items).items():
            self[key] = value

    def __ior__(self: _Self, other: Any) -> _Self:
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, *default: Any) -> Any:
        where, last = self._place(key)
        if where is not self:
            return where.pop(last, *default)
        self._own(key)
        return super().pop(key, *default)

    def popitem(self) -> tuple[Any, Any]:
        for key in reversed(self):
            return key, self.pop(key)
        return super().popitem()  # its KeyError

    def _adopt(self) -> None:
        for key, value in dict.items(self):
            if type(value) is dict or type(value) is _core._Deferred:
                self._own(key)  # no new key

    def __iter__(self) -> Iterator[Any]:
        # Overridden at all, dict(s) and {**s} ask for the items one by one.
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        for side in (self, other):
            if isinstance(side, DotDict):
                side._adopt()
        try:
            return super().__eq__(other)
        except (ValueError, RuntimeError):  # arrays have no one truth
            return not _core._compare(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._adopt()
        return super().values()

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        self._adopt()
        return super().items()

    def _under(self, name: str) -> DotDict | None:
        """Of a flat one, the entries whose names begin so."""
        start = f"{name}."
        found = {
            key[len(start) :]: value
            for key, value in dict.items(self)
            if isinstance(key, str) and key.startswith(start)
        }
        return self._gathered(found) if found else None

    def __getattr__(self, name: str) -> Any:
        if name[:2] != "__":
            value = self._own(name)
            if value is not MISSING:
                return value
            if under := self._under(name):
                return under
        raise AttributeError(f"{self._kind} has no {name!r}{_keys(self, name)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of {self._kind}: write s[{name!r}] = …"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"{self._kind} has no {name!r}{_keys(self)}")
        del self[name]

    def __dir__(self) -> list[str]:
        keys = (k for k in self if isinstance(k, str) and k.isidentifier())
        return [*super().__dir__(), *keys]

    # Copies keep the class.
    def copy(self: _Self) -> _Self:
        return type(self)(self)

    def __or__(self: _Self, other: Any) -> _Self:
        if not isinstance(other, dict):
            return NotImplemented
        out = self.copy()
        out.update(other)
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A class, then its items. Not where keys are dotted, nor in protocol 2,
        # which is torch.save's: torch.load takes no such class, but a function.
        if protocol != 2 and not any(
            owner(self, key)[0] is not MISSING for key in self._dotted()
        ):
            return super().__reduce_ex__(2)
        from . import _rebuild

        self._adopt()
        return _rebuild.dotted, (type(self), list(dict.items(self)))

    def _dotted(self) -> list[str]:
        return [key for key in self if isinstance(key, str) and "." in key]

    def assign(self: _Self, other: Any) -> _Self:
        """Takes over the content of another state, file or module, in place:
        nested states stay the same objects.

        >>> import ptutils as pt
        >>> s = pt.State(net={'lr': 1}); net = s.net
        >>> s.assign({'net': {'lr': 2}}) is s, net.lr
        (True, 2)
        """
        source = self._source(other) if not isinstance(other, Mapping) else other
        if not isinstance(source, Mapping):
            raise WrongType(
                f"[{self._kind}.assign] takes a dictionary, a path or a module, "
                f"not {_text.with_article(other)}"
            )
        if source is self:
            return self
        content = dict(source.items())
        for key in [key for key in self if key not in content]:
            dict.__delitem__(self, key)
        for key, value in content.items():
            mine = self._own(key)
            if isinstance(mine, DotDict) and isinstance(value, dict):
                mine.assign(value)
            else:
                dict.__setitem__(self, key, value)
        if list(self) != list(content):  # the other's order, too
            items = {key: dict.__getitem__(self, key) for key in content}
            self.clear()
            dict.update(self, items)
        return self

    def save(self, path: str | os.PathLike[str], durable: bool = True) -> None:
        """``ptutils.save(path, self)``."""
        from . import files

        files.save(path, self, durable=durable)

    def __repr__(self) -> str:
        return _tree.text(self, self._kind)

    def _repr_html_(self) -> str:
        return _tree.html(self, self._kind)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _keys(of: Mapping[Any, Any], asked: str = "") -> str:
    """What there is; the names nearest to the one that was asked for first."""
    every = [str(key) for key in of]
    near = _core._nearest_names(asked, every, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    names = every[:8]
    more = ", …" if len(of) > len(names) else ""
    has = f"; it has: {', '.join(names)}{more}" if names else "; it is empty"
    return hint or has
