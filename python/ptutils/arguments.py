"""What was wrong with the arguments of a call to the core.

The core refuses a call with every signature that it knows and every argument
that it was given. Here that becomes the one thing that was wrong. Only a call
that failed comes here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

from . import _core
from .errors import WrongType, WrongValue

_OPEN, _CLOSE = "([{", ")]}"


@dataclass
class Parameter:
    """One parameter of a signature."""

    name: str
    types: list[str]
    has_default: bool
    keyword_only: bool = False

    @property
    def named(self) -> bool:
        """pybind11 calls those without a name arg0, arg1, …"""
        return not re.fullmatch(r"arg\d+", self.name)


@dataclass
class Signature:
    """A way to call a function."""

    text: str
    parameters: list[Parameter] = field(default_factory=list)
    takes_any: bool = False  # *args
    takes_any_name: bool = False  # **kwargs

    @property
    def takes_self(self) -> bool:
        """Of a method."""
        return bool(self.parameters) and self.parameters[0].name == "self"

    def bound(self) -> Signature:
        """Without the first parameter, the object."""
        text = self.text.partition(", ")[2]
        rest = self.parameters[1:]
        return Signature(text, rest, self.takes_any, self.takes_any_name)

    @property
    def names(self) -> list[str]:
        """The names that a caller may use."""
        return [p.name for p in self.parameters if p.named and p.name[0] != "_"]


def _split(text: str, mark: str) -> Iterator[str]:
    """Parts of a text between marks that no bracket nor quote encloses."""
    depth, quote, start = 0, "", 0
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char == mark and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if last := text[start:].strip():
        yield last


def _types(annotation: str) -> list[str]:
    """The members of a union."""
    found = re.fullmatch(r"(?:typing\.)?(Optional|Union)\[(.*)\]", annotation)
    if not found:
        return [part.removeprefix("typing.") for part in _split(annotation, "|")]
    parts = [one for part in _split(found[2], ",") for one in _types(part)]
    return [*parts, "None"] if found[1] == "Optional" else parts


def parse(text: str) -> Signature:
    """``(self: T, n: int = 3, *, flag: bool, **kwargs) -> None``."""
    inside = text[text.index("(") + 1 :]
    depth = 1
    for at, char in enumerate(inside):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth == 0:
            inside = inside[:at]
            break
    out = Signature(inside)
    keyword_only = False
    for part in _split(inside, ","):
        if part.startswith("**"):
            out.takes_any_name = True
        elif part.startswith("*"):
            out.takes_any = out.takes_any or part != "*"
            keyword_only = True
        elif part != "/":
            name, _, rest = part.partition(":")
            annotation, *default = _split(rest, "=")
            out.parameters.append(
                Parameter(name, _types(annotation), bool(default), keyword_only)
            )
    return out


def _has(name: str) -> Callable[[Any], bool]:
    return lambda value: hasattr(type(value), name)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


# What a type is called, and what may be given for it.
_KNOWN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "SupportsInt": ("a whole number", _has("__index__")),
    "SupportsIndex": ("a whole number", _has("__index__")),
    "int": ("a whole number", _has("__index__")),
    "SupportsFloat": ("a number", lambda v: isinstance(v, Number)),
    "float": ("a number", lambda v: isinstance(v, Number)),
    "bool": ("True or False", _is_flag),
    "str": ("text", lambda v: isinstance(v, str)),
    "bytes": ("bytes", lambda v: isinstance(v, bytes)),
    "os.PathLike": ("a path", _has("__fspath__")),
    "dict": ("a dict", lambda v: isinstance(v, dict)),
    "list": ("a list", lambda v: isinstance(v, list)),
    "tuple": ("a tuple", lambda v: isinstance(v, tuple)),
    "slice": ("a slice", lambda v: isinstance(v, slice)),
    "None": ("None", lambda v: v is None),
    "collections.abc.Sequence": ("a list", lambda v: isinstance(v, (list, tuple))),
    "collections.abc.Callable": ("a function", callable),
    "Callable": ("a function", callable),
}
_ANYTHING = ("object", "Any")


def _fits(kind: str, value: Any) -> bool:
    kind = kind.partition("[")[0]
    if kind in _ANYTHING:
        return True
    if kind in _KNOWN:
        return _KNOWN[kind][1](value)
    last = kind.rpartition(".")[2]
    return any(base.__name__ == last for base in type(value).__mro__)


def _wanted(types: list[str]) -> str:
    kinds = [kind.partition("[")[0] for kind in types]
    if "SupportsFloat" in kinds:  # pybind11 adds SupportsIndex
        kinds.remove("SupportsIndex")
    names = [
        _KNOWN[kind][0] if kind in _KNOWN else f"a {kind.rpartition('.')[2]}"
        for kind in kinds
    ]
    return " or ".join(dict.fromkeys(names))


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # an object's own fault is not this call's
        text = "…"
    text = text if len(text) <= 60 else text[:57] + "…"
    return f"{text} ({type(value).__name__})"


def _count(places: list[Parameter]) -> str:
    return "1 argument" if len(places) == 1 else f"{len(places)} arguments"


def _property_name(owner: Any, cls: type) -> str:
    """The property whose getter or setter is the function of `owner`."""
    for base in cls.__mro__:
        for name, found in vars(base).items():
            parts = (getattr(found, part, None) for part in ("fget", "fset"))
            if any(getattr(part, "__self__", None) is owner for part in parts):
                return name
    return "?"


def _bind(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, list[tuple[Parameter, Any]]]:
    """What is wrong with the names and the count, and who gets what."""
    by_name = {p.name: p for p in signature.parameters if p.named}
    for name in kwargs:
        if name not in by_name and not signature.takes_any_name:
            hint = _core._did_you_mean(name, signature.names)
            return f"no argument '{name}'{hint}", []
    places = [p for p in signature.parameters if not p.keyword_only]
    if len(args) > len(places) and not signature.takes_any:
        names = ", ".join(p.name for p in places if p.named)
        by_position = f" by position ({names})" if names else ""
        return f"takes {_count(places)}{by_position}, not {len(args)}", []
    bound = list(zip(places, args, strict=False))
    taken = {p.name for p, _ in bound}
    for name, value in kwargs.items():
        if name in taken:
            return f"'{name}' is given twice", []
        if name in by_name:
            bound.append((by_name[name], value))
            taken.add(name)
    for parameter in signature.parameters:
        if parameter.name not in taken and not parameter.has_default:
            if parameter.named:
                return f"needs '{parameter.name}'", bound
            return f"takes {_count(places)}, not {len(args)}", bound
    return "", bound


def _lone_surrogate(value: Any) -> str:
    """The text with one, of a value or of its items."""
    items = value if isinstance(value, (list, tuple, dict)) else [value]
    for item in items:
        if isinstance(item, str) and re.search("[\ud800-\udfff]", item):
            return item
    return ""


def _wrong_value(bound: list[tuple[Parameter, Any]]) -> str:
    """The argument of a type that its parameter does not take."""
    for parameter, value in bound:
        if any(_fits(kind, value) for kind in parameter.types):
            continue
        name = f"{parameter.name} is " if parameter.named else "takes "
        return f"{name}{_wanted(parameter.types)}, not {_short(value)}"
    for parameter, value in bound:  # the right type, and yet refused
        name = f"{parameter.name}=" if parameter.named else ""
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                return f"{name}{value} is less than 0"
            if value >= 2**63:
                return f"{name}{value} does not fit into 64 bits"
        if isinstance(value, str) and "\0" in value:
            return f"{name}{value!r} has a NUL character"
        if text := _lone_surrogate(value):
            return f"{name}{text!r} has a lone surrogate, which no UTF-8 holds"
    return ""


def _problem(
    signatures: list[Signature], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str:
    """Of the signature that the call comes nearest to."""
    first = ""
    for signature in signatures:
        problem, bound = _bind(signature, args, kwargs)
        if not problem and (wrong := _wrong_value(bound)):
            return wrong
        first = first or problem
    if first:
        return first
    texts = " or ".join(f"({s.text})" for s in signatures)
    given = ", ".join([*map(_short, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return f"takes {texts}, not {given}"


def explain(
    text: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Exception:
    """The error for a call that the core refused with `text`.

    owner : what the refusing function is bound to (its ``__self__``).
    """
    name = text.partition("(")[0]
    lines = text.partition("\n\nInvoked with")[0].splitlines()[1:]
    lines = [re.sub(r"^ *\d+\. ", "", line) for line in lines]
    signatures = [parse(line) for line in lines]
    where = name if name.startswith("__") else name.strip("_")
    if name == "__init__":
        where = lines[0].partition("(")[0].rpartition(".")[2]
        args = args[1:]
    elif name == "initialize":  # of an object that is there already
        where, args = type(args[0]).__name__, args[1:]
        signatures = [signature.bound() for signature in signatures]
    elif args and (not name or signatures[0].takes_self):
        where = (
            f"{type(args[0]).__name__}.{where or _property_name(owner, type(args[0]))}"
        )
        args = args[1:]
        signatures = [signature.bound() for signature in signatures]
    return WrongType(f"[{where}] {_problem(signatures, args, kwargs)}")


def not_utf8(error: UnicodeEncodeError, owner: Any, args: tuple[Any, ...]) -> Exception:
    """The error for text in an argument that the core cannot hold."""
    where = "ptutils"
    if args:
        cls = type(args[0])
        where = f"{cls.__name__}.{_method_name(owner, cls)}"
    text = error.object
    shown = text if len(text) <= 60 else text[:57] + "…"
    return WrongValue(f"[{where}] {shown!r} has a lone surrogate, which no UTF-8 holds")


def _method_name(owner: Any, cls: type) -> str:
    """The method or property whose function is of `owner`."""
    for base in cls.__mro__:
        for name, found in vars(base).items():
            if getattr(getattr(found, "__func__", found), "__self__", None) is owner:
                return name
    return _property_name(owner, cls)
