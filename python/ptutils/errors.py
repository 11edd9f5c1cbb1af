"""The errors of ptutils: each says where, what was wrong, and what to do.

Every class is also the built-in error that one expects:

>>> import ptutils as pt
>>> issubclass(pt.errors.NotFound, KeyError)
True
"""

from ._core import (
    Busy,
    Error,
    IOFailed,
    Malformed,
    NotDefined,
    NotFound,
    OutOfBounds,
    OutOfMemory,
    UnknownName,
    Untrusted,
    WrongState,
    WrongType,
    WrongValue,
)


class FileMissing(IOFailed, FileNotFoundError):
    """There is no such file."""


FileMissing.__str__ = Exception.__str__  # type: ignore[method-assign]

__all__ = [
    "Busy",
    "Error",
    "FileMissing",
    "IOFailed",
    "Malformed",
    "NotDefined",
    "NotFound",
    "OutOfBounds",
    "OutOfMemory",
    "UnknownName",
    "Untrusted",
    "WrongState",
    "WrongType",
    "WrongValue",
]
