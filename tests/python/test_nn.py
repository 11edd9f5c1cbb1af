"""Layers, losses and gradients, beside torch and a numeric Jacobian."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils import nn, optim


def mlp(*sizes: int) -> tuple[nn.Sequential, torch.nn.Sequential]:
    """The same net twice: ours, and torch's with our parameters."""
    ours, theirs = nn.Sequential(nn.Flatten()), torch.nn.Sequential(torch.nn.Flatten())
    for i, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False)):
        if i:
            ours.append(nn.ReLU())
            theirs.append(torch.nn.ReLU())
        ours.append(nn.Linear(n, m))
        theirs.append(torch.nn.Linear(n, m))
    for (name, p), (theirs_name, q) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == theirs_name
        q.data.copy_(torch.from_numpy(p.numpy().copy()))
    return ours, theirs


def batch(n: int = 7, shape: tuple[int, ...] = (1, 3, 4)) -> tuple:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *shape), np.float32), rng.integers(0, 5, n)


def test_outputs_and_gradients_equal_torch() -> None:
    ours, theirs = mlp(12, 16, 5)
    x, y = batch()
    out = ours(x)
    loss = nn.CrossEntropyLoss()(out, y)
    loss.backward()
    expected = theirs(torch.from_numpy(x))
    torch_loss = torch.nn.functional.cross_entropy(expected, torch.from_numpy(y))
    torch_loss.backward()
    np.testing.assert_allclose(out.numpy(), expected.detach(), rtol=1e-5, atol=1e-6)
    assert math.isclose(loss.item(), torch_loss.item(), rel_tol=1e-5)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad, rtol=1e-4, atol=1e-6)


def test_gradients_equal_a_numeric_jacobian() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    rng = np.random.default_rng(1)
    for p in net.parameters():
        p.data = rng.standard_normal(p.shape)
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)

    def loss() -> nn.Variable:
        return nn.CrossEntropyLoss()(net(x), y)

    loss().backward()
    for p in net.parameters():
        values = p.numpy()  # shares the memory
        grad = p.grad.numpy()
        for index in np.ndindex(*p.shape):
            kept = values[index]
            values[index] = kept + 1e-6
            above = float(loss())
            values[index] = kept - 1e-6
            below = float(loss())
            values[index] = kept
            assert grad[index] == pytest.approx((above - below) / 2e-6, abs=1e-7)


@pytest.mark.parametrize(
    "expression",
    [
        lambda a, b: (a + b).sum(),
        lambda a, b: (a - b).mean(),
        lambda a, b: (a * b).sum(),
        lambda a, b: (2.0 * a - b * 3 + 1).sum(),
        lambda a, b: (1.0 - a).sum() + (b / 4).sum(),
        lambda a, b: (-a).sum() + (a * b).relu().mean(),
        lambda a, b: (a.reshape(4, 3) @ b).sum(),
        lambda a, b: (a.reshape((4, -1)).relu() @ b.reshape(3, 4)).mean(),
    ],
)
def test_arithmetic_equals_torch(expression) -> None:
    rng = np.random.default_rng(2)
    values = [rng.standard_normal((3, 4), np.float32) for _ in range(2)]
    ours = [nn.Variable(v.copy(), requires_grad=True) for v in values]
    theirs = [torch.tensor(v, requires_grad=True) for v in values]
    result, expected = expression(*ours), expression(*theirs)
    assert result.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    result.backward()
    expected.backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad, rtol=1e-5, atol=1e-6)


def test_arrays_of_numpy_do_not_take_over_arithmetic() -> None:
    w = nn.Variable([1.0, 2.0], requires_grad=True)
    for result in (np.ones(2, np.float32) + w, w - np.ones(2, np.float32)):
        assert isinstance(result, nn.Variable)
        assert result.shape == (2,)
    with pytest.raises(TypeError):
        w + "a"


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, nn.Variable])
def test_a_net_takes_arrays_of_every_library(make) -> None:
    net = nn.Linear(3, 2)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_array_equal(net(make(x)).numpy(), net(x).numpy())
    assert isinstance(net(make(x)), nn.Variable)
    with nn.no_grad():
        assert isinstance(net(make(x)), pt.Tensor)


def test_no_grad_nests_decorates_and_ends_after_an_error() -> None:
    @nn.no_grad()
    def inside() -> bool:
        with nn.no_grad():
            pass
        return nn.is_grad_enabled()

    assert not inside()
    assert nn.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), nn.no_grad():
        1 / 0  # noqa: B018
    assert nn.is_grad_enabled()


def test_variables_keep_their_identity() -> None:
    net = nn.Linear(3, 2)
    assert net.weight is net.weight
    assert next(net.parameters()) is net.weight
    shared = nn.Linear(3, 2)
    shared.weight = net.weight
    assert shared.weight is net.weight
    assert len(list(nn.Sequential(net, shared).parameters())) == 3


def test_variable_attributes() -> None:
    v = nn.Variable([[1.0, 2.0]], requires_grad=True)
    assert (v.shape, v.ndim, v.numel(), len(v)) == ((1, 2), 2, 2, 1)
    assert v.grad is None
    v.grad = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(v.grad.numpy(), [[1, 1]])
    v.grad = None
    assert v.grad is None
    assert "requires_grad" in repr(v)
    assert not v.detach().requires_grad
    v.detach().numpy()[0, 0] = 5  # the same memory
    assert v.numpy()[0, 0] == 5
    assert float(v.sum()) == 7.0
    with pytest.raises(ValueError, match="element"):
        v.item()
    with pytest.raises(RuntimeError, match="scalar"):
        (v + 1).backward()
    with pytest.raises(RuntimeError, match="leaf"):
        v.sum().requires_grad = False
    with pytest.raises(TypeError, match="f32"):
        nn.Variable(np.arange(3), requires_grad=True)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_variables_are_copied_with_their_gradient(copied) -> None:
    v = nn.Variable([1.0, 2.0], requires_grad=True)
    (v * v).sum().backward()
    other = copied(v)
    np.testing.assert_array_equal(other.numpy(), v.numpy())
    np.testing.assert_array_equal(other.grad.numpy(), [2, 4])
    assert other.requires_grad
    other.numpy()[0] = 9
    assert v.numpy()[0] == 1
    with pytest.raises(RuntimeError, match="detach"):
        copied(v * v)


class Net(nn.Module):
    """Layers as an attribute, in a list, in a dict; no super().__init__()."""

    def __init__(self, width: int = 6) -> None:
        self.first = nn.Linear(4, width)
        self.layers = [nn.Linear(width, width), nn.Linear(width, 3)]
        self.heads = {"a": nn.Linear(3, 2)}
        self.scale = nn.Variable(np.ones(2, np.float32), requires_grad=True)
        self.seen: str = ""

    def forward(self, x: nn.Variable) -> nn.Variable:
        self.seen = type(x).__name__
        x = self.first(x).relu()
        for layer in self.layers:
            x = nn.relu(layer(x))
        return self.heads["a"](x) * self.scale


class TorchNet(torch.nn.Module):
    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, width)
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(width, width), torch.nn.Linear(width, 3)]
        )
        self.heads = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2)})
        self.scale = torch.nn.Parameter(torch.ones(2))


def test_a_net_in_python_has_torch_s_names() -> None:
    ours = [name for name, _ in Net().named_parameters()]
    assert ours == [name for name, _ in TorchNet().named_parameters()]


def test_a_net_in_python_sees_variables_and_gets_gradients() -> None:
    net = Net()
    x = np.ones((5, 4), np.float32)
    out = net(x)
    assert net.seen == "Variable"
    assert out.shape == (5, 2)
    out.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    with nn.no_grad():
        assert isinstance(net(x), pt.Tensor)
        assert net.seen == "Variable"
    np.testing.assert_array_equal(nn.Sequential(net)(x).numpy(), net(x).numpy())


def test_forward_of_a_native_class_is_reached_by_super() -> None:
    class Doubled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)

        def forward(self, x):
            return super().forward(x) * 2

    net = Doubled()
    x = np.ones((1, 2), np.float32)
    plain = nn.Linear(2, 2)
    plain.weight, plain.bias = net.weight, net.bias
    for _ in range(3):
        np.testing.assert_allclose(net(x).numpy(), 2 * plain(x).numpy())
        np.testing.assert_allclose(nn.Sequential(net)(x).numpy(), 2 * plain(x).numpy())


def test_a_net_without_forward_says_so() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty.*forward"):
        Empty()(np.ones(1, np.float32))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
def test_nets_are_copied_with_ties_types_and_attributes(copied) -> None:
    net = nn.Sequential(Net(), nn.Dropout(0.25), nn.Flatten(0), nn.Linear(2, 2))
    net[0].note = "kept"
    net[3].weight = nn.Variable(np.eye(2, dtype=np.float64), requires_grad=True)
    net[0].tied = net[3]
    before = pt.seed  # copies draw nothing from the default stream
    before(7)
    expected = nn.Linear(1, 1).weight.numpy().copy()
    before(7)
    other = copied(net)
    np.testing.assert_array_equal(nn.Linear(1, 1).weight.numpy(), expected)
    assert type(other[0]) is Net
    assert other[0].note == "kept"
    assert other[0].tied is other[3]
    assert other[1].p == 0.25
    assert other[3].weight.numpy().dtype == np.float64
    for (name, p), (other_name, q) in zip(
        net.named_parameters(), other.named_parameters(), strict=True
    ):
        assert name == other_name
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert not np.shares_memory(p.numpy(), q.numpy())


def test_a_copy_stays_in_evaluation() -> None:
    net = nn.Sequential(nn.Dropout(0.9)).train(False)
    other = copy.deepcopy(net)
    assert not other.training
    assert not other[0].training
    net[0].train(True)
    other = copy.deepcopy(net)
    assert (other.training, other[0].training) == (False, True)


def flat_torch(state) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(np.array(v.numpy())) for k, v in state.flat().items()}


def test_states_go_to_torch_and_back() -> None:
    ours, theirs = mlp(12, 8, 5)
    x, _ = batch()
    fresh = torch.nn.Sequential(*[copy.deepcopy(layer) for layer in theirs])
    for p in fresh.parameters():
        p.data.zero_()
    fresh.load_state_dict(flat_torch(ours.state_dict()))
    np.testing.assert_allclose(
        fresh(torch.from_numpy(x)).detach(), ours(x).numpy(), rtol=1e-5, atol=1e-6
    )
    other, _ = mlp(12, 8, 5)
    other.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(other(x).numpy(), ours(x).numpy())
    with pytest.raises(RuntimeError, match="1.weight"):
        mlp(12, 9, 5)[0].load_state_dict(theirs.state_dict())


def test_a_state_of_a_net_in_python_comes_back() -> None:
    net, other, reference = Net(), Net(), TorchNet()
    other.load_state_dict(net.state_dict())
    reference.load_state_dict(flat_torch_without(net.state_dict(), "seen"))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(net(x).numpy(), other(x).numpy())
    weight = other.scale
    other.load_state_dict(reference.state_dict(), strict=False)
    assert other.scale is weight  # loaded in place


def flat_torch_without(state, name: str) -> dict[str, torch.Tensor]:
    return {
        k: torch.from_numpy(np.array(v.numpy()))
        for k, v in state.flat().items()
        if k != name
    }


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    assert [type(layer) for layer in net[1:]] == [nn.ReLU, nn.Linear]
    assert net[1:][1] is layers[2]
    assert net.append(nn.ReLU()) is net
    assert len(net) == 4
    with pytest.raises(IndexError, match="4 layers"):
        net[4]
    with pytest.raises(TypeError, match="int"):
        nn.Sequential(3)
    layers[0].note = 1
    del layers
    gc.collect()
    assert net[0].note == 1  # a child keeps its Python attributes


def test_initial_values_lie_in_torch_s_range() -> None:
    pt.seed(3)
    layer = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.97 * bound
        assert abs(values.mean()) < 0.1 * bound
    assert layer.weight.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    pt.seed(3)
    np.testing.assert_array_equal(
        nn.Linear(400, 300).weight.numpy(), layer.weight.numpy()
    )


def test_dropout_keeps_the_mean_and_is_off_in_evaluation() -> None:
    pt.seed(0)
    net, x = nn.Dropout(0.25), np.ones((400, 500), np.float32)
    y = net(x).numpy()
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.005)
    np.testing.assert_allclose(y[y != 0], 1 / 0.75, rtol=1e-6)
    assert not np.array_equal(net(x).numpy(), y)
    v = nn.Variable(x, requires_grad=True)
    out = net(v)
    out.sum().backward()
    np.testing.assert_array_equal(v.grad.numpy(), out.numpy())
    net.train(False)
    np.testing.assert_array_equal(net(x).numpy(), x)


@pytest.mark.parametrize("dims", [(1, -1), (0, 1), (-2, -1), (2, 2)])
def test_flatten_equals_torch(dims: tuple[int, int]) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    expected = torch.nn.Flatten(*dims)(torch.from_numpy(x))
    assert nn.Flatten(*dims)(x).shape == tuple(expected.shape)


def test_a_criterion_in_python() -> None:
    class MSE(nn.Criterion):
        def loss(self, outputs, targets):
            error = outputs - targets
            return (error * error).mean()

    net, x, y = (
        nn.Linear(3, 1),
        np.ones((4, 3), np.float32),
        np.ones((4, 1), np.float32),
    )
    loss = MSE()(net(x), y)
    loss.backward()
    expected = torch.nn.functional.mse_loss(
        torch.tensor(net(x).numpy()), torch.tensor(y)
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert net.weight.grad is not None


def test_bad_input_is_named() -> None:
    net = nn.Linear(3, 2)
    with pytest.raises(TypeError, match="str"):
        net("x")
    with pytest.raises(TypeError, match="one"):
        net(np.ones((1, 3), np.float32), 2)
    with pytest.raises(IndexError, match="7"):
        nn.CrossEntropyLoss()(np.zeros((1, 3), np.float32), np.array([7]))
    with pytest.raises(ValueError, match="p=2"):
        nn.Dropout(2)


def test_cycles_through_a_net_are_collected() -> None:
    class Owner(pt.Module):
        pass

    owner = Owner()
    owner.net = Net()
    owner.net.owner = owner
    owner.net.hook = owner.net.forward
    gone = weakref.finalize(owner.net, lambda: None)
    del owner
    gc.collect()
    assert not gone.alive


def test_classes_have_their_public_names() -> None:
    for name in nn.__all__:
        if isinstance(getattr(nn, name), type):
            assert getattr(nn, name).__module__ == "ptutils.nn", name
    assert nn.Module.__qualname__ == "Module"
    assert "Linear" in repr(nn.Linear(2, 1))


def test_a_parameter_changed_before_backward_is_an_error():
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    x = np.ones((5, 3), np.float32)

    def loss() -> nn.Variable:
        return nn.cross_entropy(second(nn.relu(first(x))), np.zeros(5, np.int64))

    stale = loss()
    second.weight.data[0, 0] = 7.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        stale.backward()
    stale = loss()
    optimizer = optim.SGD(second.parameters(), lr=1.0)
    loss().backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        stale.backward()
    loss().backward()
