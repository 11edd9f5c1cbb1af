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
import importlib
import json
import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _core

NOT_FOUND = object()

_user_classes: dict[str, list[weakref.ref[type]]] = {}
_trusted: set[str] = set()
_naming: contextvars.ContextVar[tuple[type, ...]] = contextvars.ContextVar(
    "naming", default=()
)

# Where bare names of a slot are looked up for a torch net.
_TORCH = {
    "optimizer": ("torch.optim",),
    "criterion": ("torch.nn",),
    "net": ("torch.nn",),
}


def class_name(cls: type) -> str:
    """The dotted name that a configuration has."""
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
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "ptutils" / "trusted.json"


def _remembered() -> set[str]:
    try:
        return set(json.loads(_remembered_path().read_text()))
    except (OSError, ValueError):
        return set()


def remember(name: str) -> None:
    """Notes on this machine that the user has named a class."""
    known = _remembered()
    if name in known:
        return
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
        for part in parts[cut:]:
            if not hasattr(found, part):
                known = [n for n in dir(found) if not n.startswith("_")]
                hint = _core._did_you_mean(part, known)
                raise _core.NotFound(f"[{where}] no {part!r} in {module_name}{hint}")
            found = getattr(found, part)
        return found
    return NOT_FOUND


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
    if name.startswith("__main__.") and not trusted:
        raise _core.Untrusted(
            f"[{where}] {name} was defined in a script: give it, "
            f"classes=[{name.split('.')[-1]}]"
        )
    # Asked before anything is imported: an import runs code.
    if not (trusted or is_trusted(name)):
        package = name.rpartition(".")[0]
        raise _core.Untrusted(
            f"[{where}] {name} is not trusted: a stored configuration names it, "
            f"not you; if you know it, --trust {package} "
            f"(in Python: ptutils.registry.trust({package!r}))"
        )
    found = _import(name, where)
    if found is not NOT_FOUND and trusted:
        remember(name)
    return found


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
    if not callable(found):
        raise TypeError(f"[{where}.func] {name} is a {type(found).__name__}")
    try:
        if _is_torch_optimizer(found) and "params" not in arguments:
            return found(net.parameters(), **arguments)
        return found(**arguments)
    except TypeError as error:
        raise TypeError(f"[{where}] {name}: {error}") from error


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
