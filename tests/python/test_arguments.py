"""Arguments that a class or a function does not have, or of the wrong type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import ptutils as pt
from ptutils import arguments, nn
from ptutils.callbacks import NaNDetector
from ptutils.data import (
    MNIST,
    ArrayDataset,
    DataLoader,
    Dataset,
    SequentialSampler,
)
from ptutils.database import SQLiteInterface


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


LINEAR = nn.Linear(2, 3)
SGD = pt.optim.SGD(LINEAR.parameters())


def _set_lr(value: object) -> None:
    SGD.lr = value


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nn.Linear(2, 3, bais=False), "[Linear] no argument 'bais'; did you"),
        (lambda: pt.optim.SGD([], momentm=0.9), "did you mean momentum?"),
        (lambda: MNIST("data", dowload=True), "did you mean download?"),
        (lambda: SQLiteInterface(pth="x"), "[SQLiteInterface] no argument 'pth'; did"),
        (
            lambda: LINEAR.load_state_dict({}, strct=False),
            "[Linear.load_state_dict] no",
        ),
        (lambda: nn.Linear(2), "[Linear] needs 'out_features'"),
        (
            lambda: nn.Linear(2, 3, in_features=2),
            "[Linear] 'in_features' is given twice",
        ),
        (
            lambda: nn.Linear(2, 3, False, 4),
            "takes 3 arguments by position (in_features, out_features, bias), not 4",
        ),
        (
            lambda: LINEAR.train(True, 5),
            "[Linear.train] takes 1 argument by position (mode), not 2",
        ),
        (lambda: pt.optim.SGD([], lr="x"), "[SGD] lr is a number, not 'x' (str)"),
        (lambda: nn.Linear("a", 3), "in_features is a whole number, not 'a' (str)"),
        (lambda: LINEAR.train(mode="x"), "mode is True or False, not 'x' (str)"),
        (lambda: _set_lr("x"), "[SGD.lr] takes a number, not 'x' (str)"),
        (lambda: pt.Random(-1), "[Random] key=-1 is less than 0"),
        (lambda: pt.Random(2**70), "does not fit into 64 bits"),
        (lambda: pt.save("a\0b.json", {}), "path='a\\x00b.json' has a NUL character"),
    ],
)
def test_a_refused_call_says_what_was_wrong(call, message):
    with pytest.raises(pt.errors.WrongType) as error:
        call()
    assert message in str(error.value)
    assert "incompatible" not in str(error.value)


def test_a_type_error_from_further_in_stays():
    def wrong(session) -> None:
        len(3)  # type: ignore[arg-type]

    module = pt.Module()
    module.callbacks.on("on_this", wrong)
    with pytest.raises(TypeError, match="object of type 'int' has no len"):
        module.callbacks.call("on_this")


def test_signatures_are_read():
    signature = arguments.parse(
        "(self: ptutils.X, a: dict[str, int] = {'x': (1, 2)}, *, "
        "b: typing.SupportsInt | None = None, c: typing.Union[str, bytes], **kwargs)"
        " -> None"
    )
    assert [p.name for p in signature.parameters] == ["self", "a", "b", "c"]
    assert [p.has_default for p in signature.parameters] == [False, True, True, False]
    assert [p.keyword_only for p in signature.parameters] == [False, False, True, True]
    assert signature.parameters[2].types == ["SupportsInt", "None"]
    assert signature.parameters[3].types == ["str", "bytes"]
    assert signature.takes_any_name and not signature.takes_any


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shuffle": 3}, "[DataLoader] shuffle is True or False, not 3 (int)"),
        ({"seed": -1}, "seed is a whole number from 0 on, not -1 (int)"),
        ({"timeout": "x"}, "timeout is a number, not 'x' (str)"),
        ({"drop_last": "no"}, "drop_last is True or False, not 'no' (str)"),
    ],
)
def test_a_loader_says_which_argument_is_of_the_wrong_type(arguments, message):
    with pytest.raises(pt.Error) as error:
        DataLoader(ArrayDataset(np.arange(3)), **arguments)
    assert message in str(error.value)


def test_a_length_that_is_no_number_names_the_class():
    class Odd(Dataset):
        def __len__(self):
            return "three"

        def __getitem__(self, index):
            return index

    with pytest.raises(
        TypeError, match=r"Odd.__len__\] returns a whole number, not 'th"
    ):
        list(DataLoader(Odd()))
