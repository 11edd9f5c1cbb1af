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

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from . import _core
from ._dot_dict import DotDict
from ._dotted import set_path
from ._late import after_import
from .errors import WrongState, WrongValue


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
    _kind = "State"

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


DotDict._gathered = Gathered


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
    _kind = "Configuration"

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


def _fail_hidden(name: str) -> NoReturn:
    raise WrongValue(
        f"[State.from_flat] {name!r} and a shorter or equal name are both there: "
        "one would hide the other"
    )


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


def _torch_loads_them() -> None:
    """torch.load, which by default builds what it knows alone, may build these."""
    from ._rebuild import dotted

    serialization = sys.modules["torch"].serialization
    if hasattr(serialization, "add_safe_globals"):
        kinds = [State, Configuration, Branch, Section, Gathered]
        serialization.add_safe_globals([dotted, *kinds])


if hasattr(sys.modules.get("torch"), "serialization"):
    _torch_loads_them()
else:
    after_import("torch", "states", _torch_loads_them)
