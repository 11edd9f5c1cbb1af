"""CrossEntropyLoss and its arguments, against torch and numeric gradients."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils import nn

LOGITS = np.random.default_rng(0).normal(size=(5, 4)) * 3
TARGET = np.array([0, 3, -100, 1, 3])
WEIGHT = [0.5, 2.0, 1.0, 0.25]


@pytest.mark.parametrize(
    "reduction, smoothing, weight, ignore, dtype",
    list(
        itertools.product(
            ["mean", "sum", "none"],
            [0.0, 0.1, 1.0],
            [None, WEIGHT],
            [-100, 3],
            ["float32", "float64"],
        )
    ),
)
def test_it_is_torchs(reduction, smoothing, weight, ignore, dtype):
    target = np.where(TARGET == -100, ignore, TARGET)
    options = {
        "ignore_index": ignore,
        "reduction": reduction,
        "label_smoothing": smoothing,
    }
    x = torch.tensor(LOGITS.astype(dtype), requires_grad=True)
    wanted = torch.nn.CrossEntropyLoss(
        weight=None if weight is None else torch.tensor(weight, dtype=x.dtype),
        **options,
    )(x, torch.tensor(target))
    factor = np.arange(1, 6) if reduction == "none" else np.array(1)
    (wanted * torch.tensor(factor)).sum().backward()

    ours = nn.Variable(LOGITS.astype(dtype), requires_grad=True)
    loss = nn.CrossEntropyLoss(weight=weight, **options)(ours, target)
    assert loss.shape == tuple(wanted.shape) and loss.numpy().dtype == dtype
    (loss * nn.Variable(factor.astype(dtype))).sum().backward()
    close = {"rtol": 1e-5 if dtype == "float32" else 1e-12, "atol": 1e-6}
    np.testing.assert_allclose(loss.numpy(), wanted.detach().numpy(), **close)
    np.testing.assert_allclose(ours.grad.numpy(), x.grad.numpy(), **close)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing, weight", [(0.0, None), (0.2, WEIGHT)])
def test_its_gradient_is_the_numeric_one(reduction, smoothing, weight):
    def loss(x: np.ndarray) -> tuple[nn.Variable, nn.Variable]:
        variable = nn.Variable(x, requires_grad=True)
        out = nn.cross_entropy(
            variable, TARGET, weight, reduction=reduction, label_smoothing=smoothing
        )
        return variable, out

    variable, out = loss(LOGITS)
    out.backward()
    step = 1e-6
    for index in np.ndindex(*LOGITS.shape):
        moved = np.zeros_like(LOGITS)
        moved[index] = step
        difference = loss(LOGITS + moved)[1].item() - loss(LOGITS - moved)[1].item()
        assert variable.grad.numpy()[index] == pytest.approx(
            difference / (2 * step), abs=1e-6
        )


def test_only_ignored_targets_have_no_mean():
    loss = nn.CrossEntropyLoss()(np.zeros((2, 3), np.float32), np.array([-100, -100]))
    assert np.isnan(float(loss))


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_only_ignored_targets_have_no_gradient(smoothing):
    logits = nn.Variable(LOGITS, requires_grad=True)
    target = np.full(len(LOGITS), -100)
    loss = nn.cross_entropy(logits, target, label_smoothing=smoothing)
    loss.backward()
    assert np.isnan(loss.item()) and (logits.grad.numpy() == 0).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"reduction": "summ"}, "'mean', 'sum' or 'none', not 'summ'"),
        ({"label_smoothing": "x"}, "label_smoothing is a number, not 'x'"),
        ({"wieght": [1.0]}, r"\[CrossEntropyLoss\] no argument 'wieght'; did you mean"),
        ({"size_average": True}, "no argument 'size_average'"),
    ],
)
def test_arguments_that_it_cannot_take_are_errors(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        nn.CrossEntropyLoss(**arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weight": [1.0, 2.0]}, "weight has 2 numbers for 4 classes"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5 does not lie in 0 to 1"),
        ({"ignore_index": 7}, "target -100 of row 2 is not one of 4 classes"),
    ],
)
def test_options_that_do_not_fit_the_data_are_errors(arguments, message):
    with pytest.raises((ValueError, IndexError), match=message):
        nn.CrossEntropyLoss(**arguments)(LOGITS, TARGET)


def test_its_arguments_are_its_configuration_and_are_copied():
    arguments = {"weight": WEIGHT, "reduction": "sum", "label_smoothing": 0.5}
    loss = nn.CrossEntropyLoss(**arguments)
    config = loss.to_config()
    assert config == {"func": "ptutils.nn.CrossEntropyLoss", **arguments}
    assert nn.CrossEntropyLoss().to_config() == {"func": config["func"]}
    built = pt.Configuration(config).configure()
    for twin in (built, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert float(twin(LOGITS, TARGET)) == float(loss(LOGITS, TARGET))
    with pytest.raises(KeyError, match="did you mean reduction"):
        pt.Configuration({"func": "CrossEntropyLoss", "reducton": "sum"}).configure()


def test_its_arguments_are_attributes():
    loss = nn.CrossEntropyLoss(reduction="sum", ignore_index=3, label_smoothing=0.5)
    assert (loss.reduction, loss.ignore_index, loss.label_smoothing) == ("sum", 3, 0.5)
    loss.reduction = "none"
    assert loss(LOGITS, np.zeros(5, int)).shape == (5,)
    with pytest.raises(ValueError, match="not 'summ'"):
        loss.reduction = "summ"
    assert loss.state_dict() == {}


def test_a_subclass_need_not_call_super_init():
    class Mine(nn.CrossEntropyLoss):
        def __init__(self, factor: float) -> None:
            self.factor = factor

    assert float(Mine(2.0)(LOGITS, TARGET)) == float(
        nn.CrossEntropyLoss()(LOGITS, TARGET)
    )


@pytest.mark.parametrize(
    ("logits", "target", "options"),
    [
        ([[np.nan]], 0, {"weight": [0.0], "label_smoothing": 0.1, "reduction": "none"}),
        ([[1.0, 2.0]], 0, {"weight": [0.0, 1.0], "label_smoothing": 0.1}),
        ([[-np.inf, 2.0]], 0, {"weight": [0.0, 1.0], "reduction": "sum"}),
    ],
)
def test_a_weight_of_zero_is_torchs(
    logits: Any, target: int, options: dict[str, Any]
) -> None:
    theirs = {**options, "weight": torch.tensor(options["weight"])}
    x = torch.tensor(logits, requires_grad=True)
    wanted = torch.nn.CrossEntropyLoss(**theirs)(x, torch.tensor([target]))
    wanted.sum().backward()
    v = nn.Variable(np.array(logits, np.float32), requires_grad=True)
    loss = nn.CrossEntropyLoss(**options)(v, np.array([target]))
    loss.sum().backward()
    np.testing.assert_array_equal(loss.numpy(), wanted.detach().numpy())
    np.testing.assert_array_equal(v.grad.numpy(), x.grad.numpy())
