"""Arguments that a class or a function does not have, or of the wrong type."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import ptutils as pt
from ptutils import nn
from ptutils.callbacks import NaNDetector
from ptutils.data import SequentialSampler


class Plain(pt.Module):
    """No __init__ of its own."""


@pytest.mark.parametrize(
    "cls", [nn.ReLU, NaNDetector, SequentialSampler, pt.Module, pt.Callback, Plain]
)
def test_a_class_without_arguments_refuses_them(cls):
    with pytest.raises(TypeError, match=rf"\[{cls.__name__}\].*not foo=3"):
        cls(foo=3)
    with pytest.raises(TypeError, match=rf"\[{cls.__name__}\].*not 1, 2"):
        cls(1, 2)


def test_arguments_of_a_subclass_are_its_own():
    class Silent(nn.ReLU):
        def __init__(self, n: int, *, text: str) -> None:
            self.n = n

    class Calling(nn.ReLU):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.n = n

    class Making(pt.Module):
        def __new__(cls, n: int):
            made = super().__new__(cls)
            made.n = n
            return made

    assert Silent(3, text="x").n == Calling(3).n == Making(3).n == 3


def test_arguments_go_on_to_a_class_that_is_not_ours():
    class Mixin:
        def __init__(self, x: int, *, y: int = 0) -> None:
            self.x, self.y = x, y

    class Both(pt.Module, Mixin):
        def __init__(self, x: int) -> None:
            super().__init__(x, y=4)

    assert Both(3).state_dict() == {"x": 3, "y": 4}


def test_an_error_of_the_next_class_is_the_error():
    class Mixin:
        def __init__(self) -> None:
            raise LookupError("from the mixin")

    made: Callable[[], object] = type("Both", (pt.Module, Mixin), {})
    with pytest.raises(LookupError, match="from the mixin"):
        made()
