"""Classes by name: what a configuration may build, and the trust rule.

What the user names on this machine (a file on the command line, a class in
Python) may be imported. A database record, a checkpoint, or a file that it
loads may name only ptutils' own classes and those the user has named before;
these names are remembered in ``$XDG_STATE_HOME/ptutils/trusted.json``, never in
a database.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import _core

# What takes long to import is imported where it is used.
if TYPE_CHECKING:
    from pathlib import Path

NOT_FOUND = object()

_user_classes: dict[str, list[weakref.ref[type]]] = {}
_trusted: set[str] = set()
_remembers = contextvars.ContextVar("remembers", default=True)
_built: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
_naming: contextvars.ContextVar[tuple[type, ...]] = contextvars.ContextVar(
    "naming", default=()
)

# Where bare names of a slot are looked up for a torch net.
_TORCH = {
    "optimizer": ("torch.optim",),
    "criterion": ("torch.nn",),
    "net": ("torch.nn",),
}


def class_name(cls: Any) -> str:
    """The dotted name that a configuration has, of a class or a function."""
    return f"{cls.__module__}.{cls.__qualname__}"


def note_class(cls: type) -> None:
    """Remembers a user's Module class under its bare name; a later class of the
    same name (a notebook's cell run again) comes first."""
    if cls.__module__.split(".")[0] == "ptutils":
        return
    _user_classes.setdefault(cls.__name__.lower(), []).append(weakref.ref(cls))


def _user_class(name: str, slot: str) -> type | None:
    found = [
        cls
        for ref in _user_classes.get(name.lower(), ())
        if (cls := ref()) is not None and _fits(cls, slot)
    ]
    exact = [cls for cls in found if cls.__name__ == name]
    if exact:
        return exact[-1]
    return found[-1] if len({cls.__name__ for cls in found}) == 1 else None


def _fits(cls: type, slot: str) -> bool:
    return slot != "callbacks" or issubclass(cls, _core.Callback)


def shadows(name: str, slot: str) -> bool:
    """Whether the user defined a class of this bare name for the slot."""
    return "." not in name and _user_class(name, slot) is not None


@contextlib.contextmanager
def naming(*classes: type) -> Iterator[None]:
    """Within it these classes are found by name, whatever their module."""
    token = _naming.set((*_naming.get(), *classes))
    try:
        yield
    finally:
        _naming.reset(token)


def _named_class(name: str) -> type | None:
    for cls in reversed(_naming.get()):
        if name in (cls.__name__, class_name(cls)):
            return cls
    return None


def trust(*names: str) -> None:
    """Trusts packages, modules or classes by dotted name in this process."""
    _trusted.update(names)


def _remembered_path() -> Path:
    from pathlib import Path

    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "ptutils" / "trusted.json"


def _remembered() -> set[str]:
    import json

    try:
        return set(json.loads(_remembered_path().read_text()))
    except (OSError, ValueError):
        return set()


@contextlib.contextmanager
def forgetting() -> Iterator[None]:
    """Within it nothing is remembered on this machine."""
    token = _remembers.set(False)
    try:
        yield
    finally:
        _remembers.reset(token)


def remember(name: str) -> None:
    """Notes on this machine that the user has named a class."""
    known = _remembered()
    if name in known or not _remembers.get():
        return
    import json

    path = _remembered_path()
    with contextlib.suppress(OSError):  # a home that cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
        _core.write_file(
            str(path), json.dumps(sorted({*known, name}), indent=1).encode(), True
        )


def is_trusted(name: str) -> bool:
    """ptutils' own, trusted in this process, or named before on this machine."""

    def under(prefix: str) -> bool:
        return name == prefix or name.startswith(prefix + ".")

    return (
        under("ptutils")
        or any(under(prefix) for prefix in _trusted)
        or name in _remembered()
    )


def _is_torchs(name: str) -> bool:
    """A module, criterion (also as a function), optimizer or schedule of torch's
    own, not any code that its packages lead to."""
    if not name.startswith(("torch.nn.", "torch.optim.")):
        return False
    found = _import(name, name)
    torch = sys.modules["torch"]
    kinds = (
        torch.nn.Module,
        torch.optim.Optimizer,
        torch.optim.lr_scheduler.LRScheduler,
    )
    if isinstance(found, types.FunctionType):
        return found.__module__ == "torch.nn.functional"
    return (
        isinstance(found, type)
        and issubclass(found, kinds)
        and f"{found.__module__}.".startswith(("torch.nn.", "torch.optim."))
    )


def _import(name: str, where: str) -> Any:
    """The object at a dotted name; classes inside classes too."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (
                module_name == error.name or module_name.startswith(error.name + ".")
            ):
                continue
            raise
        for i, part in enumerate(parts[cut:], cut):
            if not hasattr(found, part):
                if parts[0] == "ptutils":  # whose names the core knows
                    return NOT_FOUND
                hint = _core._did_you_mean(part, _parts_of(found))
                place = ".".join(parts[:i])
                raise _core.NotFound(f"[{where}] no {part!r} in {place}{hint}")
            found = getattr(found, part)
        return found
    raise _core.NotFound(f"[{where}] no {name!r}: {_no_package(parts[0])}")


def _parts_of(found: Any) -> list[str]:
    """Names of what may be built, and of modules that have it; not what a
    module has imported for itself."""
    import pkgutil

    inside = [m.name for m in pkgutil.iter_modules(getattr(found, "__path__", ()))]
    root = class_name(found) if isinstance(found, type) else found.__name__
    root = root.partition(".")[0] + "."
    public = getattr(found, "__all__", None) or [
        name
        for name, value in vars(found).items()
        if callable(value) and f"{getattr(value, '__module__', None)}.".startswith(root)
    ]
    names = dict.fromkeys([*public, *inside])
    return [name for name in names if not name.startswith("_")]


# Where these are missing, the name is hardly misspelt.
_INSTALLABLE = ("torch", "torchvision", "torchaudio", "timm", "transformers")


def _no_package(name: str) -> str:
    """Of a dotted name whose first part cannot be imported."""
    import pkgutil

    if name in _INSTALLABLE:
        return f"{name} is not installed: pip install {name}"
    here = {m.name for m in pkgutil.iter_modules([os.getcwd()])} - {name}
    near = _core._nearest_names(name, [*here, *_INSTALLABLE], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no package {name!r} on Python's path (sys.path){hint}"


def _find(name: str, slot: str, net: Any, trusted: bool, where: str) -> Any:
    named = _named_class(name)
    if named is not None:
        return named
    if "." not in name:
        user = _user_class(name, slot)
        if user is not None:
            return user
        main = getattr(sys.modules.get("__main__"), name, None)
        if trusted and isinstance(main, type):
            return main
        if net is None or _is_native(net):
            return NOT_FOUND
        return _torch_class(name, slot)
    if slot == "criterion" and "<" in name:
        raise _core.NotFound(
            f"[{where}] {name} has no name that it could be imported by (a lambda, "
            "a function in a function): give the session its model, "
            "pt.Session(exp_id, …, model=…).resume()"
        )
    if name.startswith("__main__.") and not trusted:
        raise _core.Untrusted(
            f"[{where}] {name} was defined in a script: give it, "
            f"classes=[{name.split('.')[-1]}]"
        )
    # Asked before anything is imported: an import runs code.
    if not (trusted or is_trusted(name) or _is_torchs(name)):
        package = name.rpartition(".")[0]
        raise _core.Untrusted(
            f"[{where}] {name} is not trusted: a stored configuration names it, "
            f"not you; if you know it, --trust {package} "
            f"(in Python: ptutils.registry.trust({package!r}))"
        )
    return _import(name, where)


def _is_native(net: Any) -> bool:
    return isinstance(net, _core.Module)


def _torch_class(name: str, slot: str) -> Any:
    for module_name in _TORCH.get(slot, ()):
        module = importlib.import_module(module_name)
        found = getattr(module, name, None)
        if found is None:
            lower = {n.lower(): n for n in dir(module)}
            found = getattr(module, lower.get(name.lower(), name), None)
        if isinstance(found, type):
            return found
    return NOT_FOUND


def build(
    name: str,
    arguments: dict[str, Any],
    slot: str,
    net: Any,
    trusted: bool,
    where: str,
) -> Any:
    """Builds ``func=name`` with its arguments; NOT_FOUND when nothing has it."""
    found = _find(name, slot, net, trusted, f"{where}.func")
    if found is NOT_FOUND:
        return NOT_FOUND
    _check_builds(found, name, where)
    if slot == "criterion" and _is_criterion(found, arguments):
        return _criterion(found, arguments, name, where)
    config = {"func": name if not isinstance(found, type) else class_name(found)}
    config.update(_as_config(arguments))
    positional: tuple[Any, ...] = ()
    if _is_torch_optimizer(found) and "params" not in arguments:
        if net is None:
            raise _core.WrongState(f"[{where}] {name} wants the net that it is for")
        positional = (net.parameters(),)
    _check_arguments(found, positional, arguments, name, where)
    try:
        made = found(*positional, **arguments)
    except TypeError as error:
        raise TypeError(f"[{where}] {name}: {error}") from error
    with contextlib.suppress(TypeError):  # without a hash, or a weak reference
        _built[made] = config
    if trusted and "." in name:
        remember(name)
        remember(config["func"])
    return made


def _is_criterion(found: Any, arguments: dict[str, Any]) -> bool:
    """A function that is called with outputs and targets, not one that makes a
    criterion: it wants more than the configuration has."""
    import inspect

    if not is_function(found) or isinstance(found, type):
        return False
    try:
        inspect.signature(found).bind(**arguments)
    except TypeError:
        return True
    return False


def _criterion(
    found: Any, arguments: dict[str, Any], name: str, where: str
) -> Callable[..., Any]:
    made = functools.partial(found, **arguments) if arguments else found
    _check_arguments(found, (None, None), arguments, name, where)
    return made


def _check_builds(found: Any, name: str, where: str) -> None:
    """A class, or a function written in Python, but not the language's own:
    those do things, they are no parts of an experiment."""
    inner = found
    while isinstance(inner, functools.partial):
        inner = inner.func
    is_own = not _is_standard(str(getattr(inner, "__module__", None)))
    if is_own and isinstance(inner, (type, types.FunctionType)):
        return
    what = "is of the standard library" if not is_own else "is not one"
    raise _core.WrongType(
        f"[{where}.func] a class, or a function that makes a part; {name} {what}"
    )


def _check_arguments(
    found: Any, positional: tuple[Any, ...], arguments: Any, name: str, where: str
) -> None:
    """As for our own classes, before it is called."""
    import inspect

    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # of an extension, without one
        return
    parameters = list(signature.parameters.values())[len(positional) :]
    known = [
        "**" if p.kind is p.VAR_KEYWORD else p.name  # the core's word for any
        for p in parameters
        if p.kind is not p.VAR_POSITIONAL
    ]
    _core._check_keys(dict.fromkeys(arguments), known, where)
    try:
        signature.bind(*positional, **arguments)
    except TypeError as error:
        raise _core.WrongType(f"[{where}] {name}: {error}") from None


def _is_standard(module: str) -> bool:
    """Of Python itself; a user's file may have such a name, too."""
    if module == "__main__" or module.split(".")[0] not in sys.stdlib_module_names:
        return False
    import sysconfig
    from pathlib import Path

    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or Path(file).is_relative_to(sysconfig.get_path("stdlib"))


def _as_config(value: Any) -> Any:
    """Arguments with the configurations of the objects among them."""
    if isinstance(value, _core.Module):
        return value.to_config()
    if _core._is_child(value):
        return configuration_of(value)
    if isinstance(value, dict):
        return {key: _as_config(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_as_config, value))
    return value


def built_from(made: Any) -> dict[str, Any] | None:
    """The configuration that an object was built from here; None: of none."""
    try:
        found = _built.get(made)
    except TypeError:  # without a hash
        return None
    return None if found is None else dict(found)


def configuration_of(made: Any) -> dict[str, Any]:
    """Of an object of another library: its class, and the arguments where they
    are known: it was built from them, has them as ``config``, or is an optimizer
    of torch's.

    >>> import torch
    >>> parameters = torch.nn.Linear(1, 1).parameters()
    >>> configuration_of(torch.optim.SGD(parameters, lr=0.5))["lr"]
    0.5
    """
    if is_function(made):
        inner, keywords = _unwrapped(made)
        return {"func": class_name(inner), **_as_config(keywords)}
    config = {"func": class_name(type(made))}
    given = getattr(made, "config", None)
    if isinstance(given, dict):
        config.update(given)
    config = built_from(made) or config
    if _is_torch_optimizer(type(made)) and made.param_groups:
        group = made.param_groups[0]
        taken = _parameters(type(made))
        config.update({k: v for k, v in group.items() if taken is None or k in taken})
        # What a schedule does to the rate is its state, no change of the optimizer.
        config["lr"] = group.get("initial_lr", group.get("lr"))
    for key in ("params", "initial_lr"):
        config.pop(key, None)
    return config


def is_function(made: Any) -> bool:
    """Not an object of a class that has a configuration of its own."""
    inner = _unwrapped(made)[0]
    return callable(inner) and hasattr(inner, "__qualname__")


def _unwrapped(made: Any) -> tuple[Any, dict[str, Any]]:
    """The function that a partial is of, and the arguments that it has."""
    keywords: dict[str, Any] = {}
    while isinstance(made, functools.partial):
        keywords = {**made.keywords, **keywords}
        made = made.func
    return made, keywords


def _parameters(cls: type) -> set[str] | None:
    """Names of what its constructor takes; None for any."""
    import inspect

    found = inspect.signature(cls).parameters
    if any(p.kind is p.VAR_KEYWORD for p in found.values()):
        return None
    return set(found)


def _is_torch_optimizer(cls: Any) -> bool:
    torch = sys.modules.get("torch")
    return (
        torch is not None
        and isinstance(cls, type)
        and issubclass(cls, torch.optim.Optimizer)
    )


def names(slot: str) -> list[str]:
    """Bare names of the user's classes that fit the slot."""
    found = []
    for refs in _user_classes.values():
        for ref in refs:
            cls = ref()
            if cls is not None and _fits(cls, slot):
                found.append(cls.__name__)
    return sorted(set(found))
