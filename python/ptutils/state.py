"""State and Configuration: dictionaries with dot access.

>>> from ptutils.state import State
>>> s = State(net={'weight': [1.0, 2.0]}, step=3)
>>> s.net.weight, s['net.weight'], s['net']['weight']
([1.0, 2.0], [1.0, 2.0], [1.0, 2.0])
>>> s.net.bias = 0.5
>>> s['net']
State
  weight: [1.0, 2.0]
  bias: 0.5
"""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, ClassVar, NoReturn, TypeVar

from . import _core, _text, _tree
from ._dotted import MISSING, find_path, owner, set_path
from .errors import UnknownName, WrongState, WrongType, WrongValue

_READ_OPTIONS = ("as_", "verify", "classes", "isolate", "mmap")
_Self = TypeVar("_Self", bound="DotDict")


class DotDict(dict[Any, Any]):
    """What State and Configuration share. Methods win over keys of the same
    name: ``s['items']`` always works, and ``s.items = …`` is an error.

    A plain dict in it becomes a :class:`Branch` (a :class:`Section`) when it is
    reached, in place: what is written through it, by dot or by ``[]``, is in the
    whole. So is an array of a file that has not been read yet. A dotted key
    that is no key itself is the way to a nested one, to be read, set and
    removed: ``s['net.weight']`` is ``s['net']['weight']``. Of flat names
    (``'conv1.weight'``) ``s.conv1`` gathers those under it, to be read.
    """

    __slots__ = ("__weakref__",)
    _branch: ClassVar[type[DotDict]]

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
        raise UnknownName(f"[{_kind(self)}] no {key!r}{_keys(self, str(key))}")

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

    def _under(self, name: str) -> Gathered | None:
        """Of a flat one, the entries whose names begin so."""
        start = f"{name}."
        found = {
            key[len(start) :]: value
            for key, value in dict.items(self)
            if isinstance(key, str) and key.startswith(start)
        }
        return Gathered(found) if found else None

    def __getattr__(self, name: str) -> Any:
        if name[:2] != "__":
            value = self._own(name)
            if value is not MISSING:
                return value
            if under := self._under(name):
                return under
        raise AttributeError(f"{_kind(self)} has no {name!r}{_keys(self, name)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of {_kind(self)}: write s[{name!r}] = …"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"{_kind(self)} has no {name!r}{_keys(self)}")
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

    def __reduce_ex__(self, _protocol: Any) -> Any:
        # Protocol 2's form in every protocol: a class, then its items.
        if not any(owner(self, key)[0] is not MISSING for key in self._dotted()):
            return super().__reduce_ex__(2)
        from . import _rebuild

        self._adopt()
        return _rebuild.dotted, (type(self), list(dict.items(self)))

    def _dotted(self) -> list[str]:
        return [key for key in self if isinstance(key, str) and "." in key]

    def assign(self: _Self, other: Any) -> _Self:
        """Takes over the content of another state, file or module, in place:
        nested states stay the same objects.

        >>> s = State(net={'lr': 1}); net = s.net
        >>> s.assign({'net': {'lr': 2}}) is s, net.lr
        (True, 2)
        """
        source = self._source(other) if not isinstance(other, Mapping) else other
        if not isinstance(source, Mapping):
            raise WrongType(
                f"[{_kind(self)}.assign] takes a dictionary, a path or a module, "
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
        return _tree.text(self, _kind(self))

    def _repr_html_(self) -> str:
        return _tree.html(self, _kind(self))


class State(DotDict):
    """An ordered dictionary with dot access: the state of something.

    It answers as a Module does, by itself: ``s(…) is s.state_dict(…) is
    s.load_state_dict(…) is s``.

    Parameters
    ----------
    source : dict, path, list of paths, or module, optional
        ``State('weights.safetensors')`` reads any known format, and of its
        arrays only those that are asked for, when they are: they are mapped, or
        (compressed ones of HDF5) read then. The file may be replaced or deleted
        meanwhile. Of several files, the shards of one state, each name is in one.
        ``State(net)`` is the module's ``state_dict()``.

    Examples
    --------
    >>> s = State(model={'net': {'weight': 1.5}}, step=7)
    >>> s['model.net.weight']
    1.5
    >>> s() is s.state_dict() is s.load_state_dict({}) is s
    True
    >>> dict(s.flat())
    {'model.net.weight': 1.5, 'step': 7}
    """

    __slots__ = ()

    def flat(self) -> State:
        """Names with dots: ``{'conv1.weight': …}``; empty dicts stay.

        Raises
        ------
        WrongValue
            When two entries have one dotted name.
        """
        out: dict[str, Any] = {}
        _flatten(self, "", out)
        return State(out)

    @staticmethod
    def from_flat(flat: Mapping[str, Any]) -> State:
        """The nested form of dotted names; the inverse of :meth:`flat` where no
        key has a dot and all keys are text.

        >>> State.from_flat({'conv1.weight': 1, 'conv1.bias': 2}).conv1.bias
        2
        """
        parts = {"": State()}
        for name, value in flat.items():
            *parents, last = str(name).split(".")
            path = ""
            for parent in parents:
                here, path = parts[path], f"{path}.{parent}"
                if path not in parts and parent not in here:
                    parts[path] = here[parent] = State()
                if path not in parts:
                    _fail_hidden(name)
            if last in parts[path]:
                _fail_hidden(name)
            parts[path][last] = value
        return parts[""]


class Branch(State):
    """A plain dict inside a State, as it was reached. In files and in the core
    it is the plain dict that it was."""

    __slots__ = ()


State._branch = Branch


class Gathered(State):
    """What a flat State holds under a name: ``s.conv1`` of an entry
    ``'conv1.weight'``. Of the same arrays, but no entry of the whole: so it
    cannot be changed.

    >>> s = State({'conv1.weight': [1.0], 'conv1.bias': 0.5})
    >>> s.conv1.weight is s['conv1.weight']
    True
    """

    __slots__ = ()

    def _fixed(self, *_args: Any, **_items: Any) -> NoReturn:
        raise WrongState(
            "[State] these entries are gathered from flat names: set the whole "
            "name in the whole State, s['conv1.weight'] = …, or take "
            "State.from_flat(s), which is nested"
        )

    __setitem__ = __delitem__ = __ior__ = _fixed
    assign = clear = pop = popitem = setdefault = update = _fixed


class Configuration(DotDict):
    """The structure of something that can be built.

    Parameters
    ----------
    source : dict or path, optional
        ``Configuration('experiment.yaml')`` reads a file.

    Examples
    --------
    >>> c = Configuration({'func': 'ptutils.nn.Linear', 'in_features': 4,
    ...                    'out_features': 2})
    >>> c.out_features
    2
    >>> c.with_values({'out_features': 3}).diff(c)
    [('out_features', 3, 2)]
    """

    __slots__ = ()

    def configure(self, **context: Any) -> Any:
        """Builds it: a dict with ``func`` (a class, or its dotted name) becomes
        ``func(**rest)``, recursively; an experiment's becomes its Session.

        Parameters
        ----------
        **context
            ``slot='optimizer'`` resolves bare names as that part of an
            experiment; ``net`` is the net that it goes with.
        """
        from ._given_classes import with_names

        experiment = {"exp_id", "model", "dataprovider"} <= set(self)
        if experiment and self.get("func", "ptutils.Session") == "ptutils.Session":
            from .session import Session

            return Session.from_config(self)
        with with_names(self) as named:
            return _core.configure(named, **context)

    def with_values(self, values: Mapping[str, Any]) -> Configuration:
        """A copy with other values at dotted paths; the last step may be new,
        the way to it must be there."""
        out = _copied(self)
        for path, value in values.items():
            set_path(out, path, value)
        return out

    def diff(self, other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
        """What differs, leaf by leaf: ``(path, here, there)``; None where there
        is nothing."""
        return [
            (path, before, after)
            for path, before, after, _ in _core._compare(self, other)
        ]


class Section(Configuration):
    """A plain dict inside a Configuration, as it was reached. In files and in
    the core it is the plain dict that it was."""

    __slots__ = ()


Configuration._branch = Section
Config = Configuration


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _kind(of: DotDict) -> str:
    return "Configuration" if isinstance(of, Configuration) else "State"


def _fail_hidden(name: str) -> NoReturn:
    raise WrongValue(
        f"[State.from_flat] {name!r} and a shorter or equal name are both there: "
        "one would hide the other"
    )


def _keys(of: Mapping[Any, Any], asked: str = "") -> str:
    """What there is; the names nearest to the one that was asked for first."""
    every = [str(key) for key in of]
    near = _core._nearest_names(asked, every, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    names = every[:8]
    more = ", …" if len(of) > len(names) else ""
    has = f"; it has: {', '.join(names)}{more}" if names else "; it is empty"
    return hint or has


def _flatten(value: Mapping[Any, Any], prefix: str, out: dict[str, Any]) -> None:
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict) and item:
            _flatten(item, f"{name}.", out)
        elif name in out:
            raise WrongValue(f"[State.flat] two entries are named {name!r}")
        else:
            out[name] = item


def _copied(value: Any) -> Any:
    """Containers anew, the rest as it is."""
    if isinstance(value, dict):
        return type(value)({key: _copied(item) for key, item in dict.items(value)})
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return value


_core._set_dict_types(State, Configuration, (Branch, Section, Gathered))
