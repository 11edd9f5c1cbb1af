"""SGD and Adam beside torch's; optimizers written in Python."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from test_nn import mlp

import ptutils as pt
from ptutils import nn, optim

SGD_CHOICES = [
    {},
    {"lr": 0.05, "momentum": 0.9},
    {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 1e-2},
    {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
]
ADAM_CHOICES = [
    {},
    {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.02},
]
CHOICES = [("SGD", c) for c in SGD_CHOICES] + [("Adam", c) for c in ADAM_CHOICES]


def pair(kind: str, choice: dict):
    ours, theirs = mlp(12, 8, 5)
    return (
        (ours, getattr(optim, kind)(ours.parameters(), **choice)),
        (
            theirs,
            getattr(torch.optim, kind)(theirs.parameters(), **{"lr": 1e-3, **choice}),
        ),
    )


def train(net, optimizer, steps: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    is_torch = isinstance(net, torch.nn.Module)
    for _ in range(steps):
        x = rng.standard_normal((9, 12), np.float32)
        y = rng.integers(0, 5, 9)
        if is_torch:
            x, y = torch.from_numpy(x), torch.from_numpy(y)
        criterion = torch.nn.CrossEntropyLoss() if is_torch else nn.CrossEntropyLoss()
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def same(ours, theirs, **tolerance: float) -> None:
    tolerance = tolerance or {"rtol": 2e-4, "atol": 2e-6}
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), **tolerance)


def as_torch(value):
    if isinstance(value, dict):
        return {k: as_torch(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_torch(v) for v in value]
    return (
        torch.from_numpy(np.array(value.numpy())) if hasattr(value, "numpy") else value
    )


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
def test_fifty_steps_equal_torch(kind: str, choice: dict) -> None:
    (ours, our_opt), (theirs, their_opt) = pair(kind, choice)
    train(ours, our_opt, 50)
    train(theirs, their_opt, 50)
    same(ours, theirs)


@pytest.mark.parametrize(("kind", "choice"), CHOICES)
def test_states_go_to_torch_and_back(kind: str, choice: dict) -> None:
    (ours, our_opt), (theirs, their_opt) = pair(kind, choice)
    train(ours, our_opt, 5)
    train(theirs, their_opt, 5)
    state, expected = our_opt.state_dict(), their_opt.state_dict()
    assert set(state["state"]) == set(expected["state"])
    for name in ("lr", "weight_decay", "params"):
        assert state["param_groups"][0][name] == expected["param_groups"][0][name]

    (other, other_opt), (torch_other, torch_other_opt) = pair(kind, {})
    other.load_state_dict(theirs.state_dict())
    other_opt.load_state_dict(expected)
    torch_other.load_state_dict(theirs.state_dict())
    torch_other_opt.load_state_dict(as_torch(state))
    for net, optimizer in ((other, other_opt), (torch_other, torch_other_opt)):
        train(net, optimizer, 5, seed=1)
    train(theirs, their_opt, 5, seed=1)
    same(other, theirs)
    np.testing.assert_allclose(
        [p.detach().numpy().sum() for p in torch_other.parameters()],
        [p.detach().numpy().sum() for p in theirs.parameters()],
        rtol=2e-3,
        atol=2e-5,
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
@pytest.mark.parametrize(("kind", "choice"), CHOICES)
def test_a_copy_of_net_and_optimizer_goes_on_alike(
    kind: str, choice: dict, copied
) -> None:
    (net, optimizer), _ = pair(kind, choice)
    train(net, optimizer, 3)
    other, other_optimizer = copied((net, optimizer))
    assert other_optimizer.params[0] is other[1].weight
    train(net, optimizer, 3, seed=2)
    train(other, other_optimizer, 3, seed=2)
    same(net, other, rtol=0, atol=0)


def test_a_state_is_the_state_at_that_moment() -> None:
    (net, optimizer), _ = pair("Adam", {})
    train(net, optimizer, 3)
    best = net.state_dict(), optimizer.state_dict()
    expected = [p.numpy().copy() for p in net.parameters()]
    train(net, optimizer, 10, seed=3)
    net.load_state_dict(best[0])
    optimizer.load_state_dict(best[1])
    for p, q in zip(net.parameters(), expected, strict=True):
        np.testing.assert_array_equal(p.numpy(), q)
    train(net, optimizer, 4, seed=3)
    first = [p.numpy().copy() for p in net.parameters()]
    net.load_state_dict(best[0])
    optimizer.load_state_dict(best[1])
    train(net, optimizer, 4, seed=3)
    for p, q in zip(net.parameters(), first, strict=True):
        np.testing.assert_array_equal(p.numpy(), q)


def test_options_are_read_and_written_by_param_groups() -> None:
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    (group,) = optimizer.param_groups
    assert group["lr"] == 0.5
    assert group["params"][0] is net.weight
    assert {"lr", "momentum", "params"} <= set(group)
    assert "lr" in group
    for each in optimizer.param_groups:
        each["lr"] *= 0.1
    assert optimizer.lr == pytest.approx(0.05)
    optimizer.lr = 0.25
    assert group["lr"] == 0.25
    group["momentum"] = 0.5
    assert optimizer.state_dict()["param_groups"][0]["momentum"] == 0.5
    with pytest.raises(KeyError, match="momentum"):
        group["momentun"] = 1
    with pytest.raises(ValueError, match="lr=-1"):
        optimizer.lr = -1


def test_bad_parameters_are_named() -> None:
    net = nn.Linear(2, 1)
    with pytest.raises(TypeError, match="iterable"):
        optim.SGD(net.weight)
    with pytest.raises(TypeError, match="groups"):
        optim.SGD([{"params": list(net.parameters())}])
    with pytest.raises(ValueError, match="twice"):
        optim.SGD([net.weight, net.weight])
    with pytest.raises(ValueError, match="betas|beta"):
        optim.Adam(net.parameters(), betas=(2.0, 0.9))
    assert len(optim.SGD(net.named_parameters()).params) == 2


class SignSGD(optim.Optimizer):
    """No super().__init__(); its attributes are its state."""

    def __init__(self, params=(), lr: float = 0.1) -> None:
        self.params, self.lr = list(params), lr
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        for p in self.params:
            if p.grad is not None:
                p.numpy()[...] -= self.lr * np.sign(p.grad.numpy())


def test_an_optimizer_in_python() -> None:
    net = nn.Linear(3, 1)
    optimizer = SignSGD(net.parameters(), lr=0.5)
    before = net.weight.numpy().copy()
    net(np.ones((2, 3), np.float32)).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(net.weight.numpy(), before - 0.5)
    optimizer.zero_grad()
    assert net.weight.grad is None
    assert optimizer.state_dict() == {"lr": 0.5, "steps": 1}
    optimizer.load_state_dict({"lr": 0.25, "steps": 4})
    assert (optimizer.lr, optimizer.steps) == (0.25, 4)
    with pytest.raises(NotImplementedError, match="step"):
        optim.Optimizer().step()


def test_step_overridden_over_sgd_reaches_the_class_by_super() -> None:
    class Counted(optim.SGD):
        count = 0

        def step(self) -> None:
            self.count += 1
            super().step()

    net = nn.Linear(2, 1)
    optimizer = Counted(net.parameters(), lr=1.0)
    net(np.ones((1, 2), np.float32)).sum().backward()
    before = net.bias.numpy().copy()
    optimizer.step()
    assert optimizer.count == 1
    np.testing.assert_allclose(net.bias.numpy(), before - 1)


def test_step_takes_a_closure() -> None:
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def closure() -> nn.Variable:
        optimizer.zero_grad()
        loss = net(np.ones((1, 2), np.float32)).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > net(np.ones((1, 2), np.float32)).item()


@pytest.mark.parametrize("cls", [optim.SGD, optim.Adam])
def test_only_the_parameters_that_it_was_given_are_trained(cls) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    body = np.array(net[0].weight)
    head = np.array(net[1].weight)
    optimizer = cls(net[1].parameters(), lr=0.1)
    model = pt.Model(net, nn.CrossEntropyLoss(), optimizer)
    batch = (np.ones((5, 3), np.float32), np.zeros(5, np.int64))
    model.step(batch)
    np.testing.assert_array_equal(np.array(net[0].weight), body)
    assert (np.array(net[1].weight) != head).any()
    model.optimizer = cls(lr=0.1)  # without any: the net's
    model.step(batch)
    assert (np.array(net[0].weight) != body).any()
    model.net = nn.Linear(3, 2)  # another net, and its parameters
    assert [p.shape for p in model.optimizer.params] == [(2, 3), (2,)]
    with pytest.raises(ValueError, match="params is empty: nothing would be trained"):
        cls([])
    assert copy.deepcopy(cls(lr=0.5)).lr == 0.5
