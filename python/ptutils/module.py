"""What Module has in Python: building from configurations, aliases, pickling.

The class itself is C++ (``_core.Module``); these are its methods that are
shorter in Python, put on it once at import.
"""

from __future__ import annotations

import abc
import os
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import _core, _text, registry
from ._core import Model, Module
from .state import Configuration, State


class Loaded(NamedTuple):
    """What a ``load_state_dict`` left alone: both empty after a whole one."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def rebuild(cls: type, arguments: dict[str, Any], native: Any = None) -> Any:
    """What pickles call: an instance with its C++ part and nothing else."""
    return _core._rebuild(cls, arguments, native)


def children(self: Module) -> Iterator[Any]:
    """Direct children, in order."""
    return (child for _, child in self.named_children())


def modules(self: Module) -> Iterator[Any]:
    """This object and all below it, parents first."""
    return (module for _, module in self.named_modules())


def apply(self: Module, function: Callable[[Any], Any]) -> Module:
    """Runs a function on every child below, deepest first, then on itself."""
    for _, module in reversed(self.named_modules()):
        function(module)
    return self


def eval_(self: Module) -> Module:
    """train(False)."""
    return self.train(False)


def get_part(self: Module, path: str) -> Any:
    """The attribute, child or item at a dotted path: ``net['layers.0']``."""
    found: Any = self
    for part in str(path).split("."):
        if isinstance(found, Module):
            names = dict(found.named_children())
            if part in names:
                found = names[part]
                continue
        if hasattr(found, part):
            found = getattr(found, part)
        elif isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, (list, tuple)) and part.isdigit():
            found = found[int(part)]
        else:
            raise KeyError(f"[{type(self).__name__}] no {path!r}")
    return found


def from_config(cls: Any, config: Any = None, /, **values: Any) -> Any:
    """A new object from a Configuration, a dict, or a path to a file.

    ``func`` may be left out: it is this class then.

    >>> from ptutils import nn
    >>> nn.Linear.from_config({"in_features": 3, "out_features": 2}).weight.shape
    (2, 3)
    """
    if isinstance(config, (str, os.PathLike)):
        config = Configuration(config)
    config = {**(config or {}), **values}
    config.setdefault("func", registry.class_name(cls))
    with registry.naming(cls):
        made = Configuration(config).configure()
    if not isinstance(made, cls):
        raise TypeError(
            f"[{cls.__name__}.from_config] {config['func']} gave a "
            f"{type(made).__name__}"
        )
    return made


class _FromMeta:
    """``from_meta(state=…, config=…)``: on a class, a new object; on an
    instance, in place. Config first, then state."""

    def __get__(self, obj: Any, cls: Any) -> Callable[..., Any]:
        def from_meta(*, state: Any = None, config: Any = None) -> Any:
            target = obj
            if target is None:
                target = cls.from_config(config) if config is not None else cls()
            elif config is not None:
                made = type(target).from_config(config)
                target.__setstate__(made.__reduce_ex__(2)[2])
            if state is not None:
                if isinstance(state, (str, os.PathLike)):
                    state = State(state)
                target.load_state_dict(state)
            return target

        return from_meta


def _repr_html_(self: Module) -> str:
    return f"<pre>{_text.escaped(repr(self))}</pre>"


# What torch.nn.Module walks its own tree with.
_TORCH_METHODS = (
    "__call__",
    "apply",
    "children",
    "eval",
    "modules",
    "named_children",
    "named_modules",
    "train",
)


def _owner(cls: type, name: str) -> type | None:
    """The class that an attribute comes from."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _join_torch(cls: Any) -> None:
    """A class that is a torch.nn.Module too: torch's tree and call, our pickle.

    Its state_dict is that of whichever base comes first.
    """
    torch_nn = sys.modules.get("torch.nn")
    if torch_nn is None or not issubclass(cls, torch_nn.Module):
        return
    if issubclass(cls, _core._NetModule):
        raise TypeError(
            f"[{cls.__name__}] derives from ptutils.nn.Module and from "
            "torch.nn.Module, whose layers do not mix: take ptutils.Module"
        )
    for name in _TORCH_METHODS:
        if _owner(cls, name) is Module:
            setattr(cls, name, getattr(torch_nn.Module, name))
    if _owner(cls, "__setstate__") is torch_nn.Module:
        cls.__setstate__ = Module.__setstate__


def _init_subclass(cls: Any, **kwargs: Any) -> None:
    super(Module, cls).__init_subclass__(**kwargs)
    _join_torch(cls)
    registry.note_class(cls)


class ModuleMeta(type(Module), abc.ABCMeta):  # type: ignore[misc]
    """The metaclass of a Module with abstract methods.

    >>> import abc
    >>> import ptutils as pt
    >>> class Reader(pt.Module, abc.ABC, metaclass=pt.ModuleMeta):
    ...     @abc.abstractmethod
    ...     def read(self): ...
    >>> Reader()
    Traceback (most recent call last):
    TypeError: [Reader] is abstract: define read
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new object; not of a class that leaves something to define."""
        missing = getattr(cls, "__abstractmethods__", ())
        if missing:
            names = ", ".join(sorted(missing))
            raise TypeError(f"[{cls.__name__}] is abstract: define {names}")
        return super().__call__(*args, **kwargs)


def _model_init(
    self: Model,
    net: Any = None,
    criterion: Any = None,
    optimizer: Any = None,
    **unknown: typing.Never,
) -> None:
    """net, criterion and optimizer; torch's or ours.

    The criterion may be any callable of outputs and targets.
    """
    for name in unknown:
        hint = _core._did_you_mean(name, ["net", "criterion", "optimizer"])
        raise _core.WrongType(f"[Model] no argument {name!r}{hint}")
    _check_kinds(net, criterion, optimizer)
    self.net = net
    self.criterion = criterion
    self.optimizer = optimizer


def _check_kinds(net: Any, criterion: Any, optimizer: Any) -> None:
    """torch's parts go with a torch net, ours with a native one."""
    torch: Any = sys.modules.get("torch")
    is_torch = torch is not None and isinstance(net, torch.nn.Module)
    if not is_torch and not isinstance(net, _core._NetModule):
        return
    for slot, part, package in (
        ("criterion", criterion, "nn"),
        ("optimizer", optimizer, "optim"),
    ):
        library = _library_of(part)
        if library == ("ptutils" if is_torch else "torch"):
            mine = "torch" if is_torch else "ptutils"
            package = f"{mine}.{package}"
            same = hasattr(sys.modules.get(package), type(part).__name__)
            name = f"{package}.{type(part).__name__}" if same else f"one of {package}"
            raise _core.WrongType(
                f"[Model] the net is of {mine} ({type(net).__name__}), the {slot} "
                f"of {library}: take {name}"
            )


def _library_of(part: Any) -> str:
    """'torch' or 'ptutils' where the part can work with its own tensors only; a
    user's class may do as it likes."""
    kind = part if hasattr(part, "__qualname__") else type(part)
    library = str(getattr(kind, "__module__", None)).partition(".")[0]
    return library if library in ("torch", "ptutils") else ""


def extend(cls: type, **attributes: Any) -> None:
    """Puts methods that are written in Python on a class of the core."""
    for name, attribute in attributes.items():
        setattr(cls, name, attribute)


extend(
    Module,
    children=children,
    modules=modules,
    apply=apply,
    eval=eval_,
    __getitem__=get_part,
    from_config=classmethod(from_config),
    from_params=classmethod(from_config),
    to_params=Module.to_config,
    from_meta=_FromMeta(),
    _repr_html_=_repr_html_,
    __init_subclass__=classmethod(_init_subclass),
)
_model_init.__qualname__ = "Model"  # as Python's own errors name it
extend(Model, __init__=_model_init)

Base = Module

_core._finish_registry()
