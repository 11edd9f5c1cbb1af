"""Classes that are ours and something else: torch's, abstract, with slots."""

from __future__ import annotations

import abc
import copy
import dataclasses
import pickle
from typing import Generic, TypeVar

import numpy as np
import pytest

import ptutils as pt
from ptutils import nn
from ptutils.data import Dataset

torch = pytest.importorskip("torch")


class TorchFirst(torch.nn.Module, pt.Base):
    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(n, 2)
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.fc(x)) * self.scale


class OursFirst(pt.Base, torch.nn.Module):
    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(n, 2)
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.drop = torch.nn.Dropout(0.5)
        self.note = "ours"

    def forward(self, x):
        return self.drop(self.fc(x)) * self.scale


BOTH = pytest.mark.parametrize("cls", [TorchFirst, OursFirst])


@BOTH
def test_what_torch_does_with_a_net_works(cls):
    net = cls()
    names = [name for name, _ in net.named_parameters()]
    assert names == ["scale", "fc.weight", "fc.bias"]
    assert [name for name, _ in net.named_children()] == ["fc", "drop"]
    assert len(list(net.modules())) == 3
    assert net.training and net.drop.training
    assert net.eval() is net
    assert not net.training and not net.drop.training
    net.train()
    assert net.training and net.drop.training
    assert net.to(torch.float64).fc.weight.dtype == torch.float64
    assert net.eval()(torch.ones(4, 3, dtype=torch.float64)).shape == (4, 2)
    net(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    net.zero_grad()
    assert net.scale.grad is None


def test_the_state_is_that_of_the_first_base():
    theirs = TorchFirst().state_dict()
    assert list(theirs) == ["scale", "seen", "fc.weight", "fc.bias"]
    assert isinstance(theirs["scale"], torch.Tensor)
    ours = OursFirst().state_dict()
    assert set(ours) == {"scale", "seen", "fc", "note"}
    assert list(ours["fc"]) == ["weight", "bias"]
    assert isinstance(ours, pt.State)


@BOTH
def test_its_state_loads_in_place(cls):
    net, other = cls(), cls()
    weight = net.fc.weight
    with torch.no_grad():
        other.scale.fill_(7)
        other.seen.fill_(4)
    net.load_state_dict(other.state_dict())
    assert net.fc.weight is weight and isinstance(net.scale, torch.nn.Parameter)
    assert torch.equal(net.fc.weight, other.fc.weight)
    assert net.scale.tolist() == [7, 7] and net.seen.tolist() == [4]
    with pytest.raises(RuntimeError, match="scale"):
        net.load_state_dict({"fc": {}})


@BOTH
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_it_is_copied_and_pickled(cls, duplicate):
    net = cls()
    net.eval()
    twin = duplicate(net)
    assert type(twin) is cls and not twin.training
    assert twin.fc is not net.fc and twin.scale is not net.scale
    x = torch.ones(2, 3)
    assert torch.equal(twin(x), net(x))


def _run(cls, path, until: int) -> tuple[list[float], object]:
    torch.manual_seed(0)
    net = cls()
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    x = torch.arange(12, dtype=torch.float32).reshape(4, 3) / 12
    batches = [x * k for k in range(1, 7)]
    with pt.Session("both", dbinterface=str(path), seed=0, net=net, opt=opt) as s:
        assert s.net is net
        for batch in s.loop(batches, epochs=1):
            loss = net(batch).square().mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
            losses.append(loss.item())
            if len(losses) == until:
                s.pause()
    return losses, net


@BOTH
def test_a_session_resumes_it_to_the_bit(cls, tmp_path):
    whole, net = _run(cls, tmp_path / "whole.db", 6)
    first, _ = _run(cls, tmp_path / "parts.db", 2)
    second, again = _run(cls, tmp_path / "parts.db", 99)
    assert first + second == whole
    assert torch.equal(net.fc.weight, again.fc.weight)


@BOTH
def test_a_model_trains_it(cls):
    net = cls()
    model = pt.Model(
        net,
        criterion=torch.nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    )
    before = net.fc.weight.detach().clone()
    batch = (np.ones((4, 3), np.float32), np.array([0, 1, 0, 1]))
    assert float(model.step(batch)["loss"]) > 0
    assert not torch.equal(before, net.fc.weight)


def test_two_libraries_of_layers_do_not_mix():
    with pytest.raises(TypeError, match="do not mix: take ptutils.Module"):
        type("Net", (nn.Module, torch.nn.Module), {})


class NativeLayers(pt.Module):
    """A net with a __call__, not a ptutils.nn.Module."""

    def __init__(self) -> None:
        self.fc = nn.Linear(3, 2)

    def __call__(self, x):
        return self.fc(x)


def test_a_module_with_native_layers_is_a_net_of_a_model():
    net = NativeLayers()
    before = net.fc.weight.numpy().copy()
    model = pt.Model(
        net, nn.CrossEntropyLoss(), pt.optim.SGD(net.fc.parameters(), lr=0.1)
    )
    batch = (np.ones((4, 3), np.float32), np.array([0, 1, 0, 0]))
    assert model.step(batch)["loss"] > 0
    assert (before != net.fc.weight.numpy()).any()
    assert 0 <= model.validate(batch)["accuracy"] <= 1


def test_a_dataset_of_both_libraries_loads():
    class Squares(Dataset, torch.utils.data.Dataset):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.n = n

        def __len__(self) -> int:
            return self.n

        def __getitem__(self, index):
            return np.float32(index**2)

    class Reversed(torch.utils.data.Dataset, Dataset):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index):
            return np.float32(2 - index)

    data = Squares(4)
    assert data.state_dict() == {"n": 4}
    assert len(data + data) == 8
    for loader in (pt.data.DataLoader, torch.utils.data.DataLoader):
        batches = [np.asarray(b).tolist() for b in loader(data, batch_size=2)]
        assert batches == [[0, 1], [4, 9]]
        assert [float(b[0]) for b in loader(Reversed())] == [2, 1, 0]


def test_an_abstract_class_wants_our_metaclass():
    with pytest.raises(TypeError, match="metaclass conflict"):

        class Conflict(pt.Module, abc.ABC):
            pass

    class Reader(pt.Module, abc.ABC, metaclass=pt.ModuleMeta):
        @abc.abstractmethod
        def read(self) -> int: ...

    class File(Reader):
        def __init__(self) -> None:
            self.n = 3

        def read(self) -> int:
            return self.n

    with pytest.raises(TypeError, match=r"\[Reader\] is abstract: define read"):
        Reader()
    assert File().read() == 3 and File().state_dict() == {"n": 3}
    assert isinstance(File(), Reader) and isinstance(File(), pt.Module)


T = TypeVar("T")


class Typed(pt.Module, Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item


def test_generic_classes_work():
    assert Typed[int](3).state_dict() == {"item": 3}
    assert pickle.loads(pickle.dumps(Typed("x"))).item == "x"


class Slotted(pt.Module):
    __slots__ = ("_private", "layer", "unset", "weights")

    def __init__(self) -> None:
        self.weights = np.arange(3.0)
        self.layer = nn.Linear(2, 2)
        self._private = 5
        self.extra = 1


class Below(Slotted):
    __slots__ = ("more",)


@dataclasses.dataclass(slots=True, eq=False)
class Data(pt.Module):
    rate: float
    tags: list[str] = dataclasses.field(default_factory=list)


def test_slots_are_state():
    module = Below()
    module.more = 2
    state = module.state_dict()
    assert set(state) == {"extra", "layer", "weights", "more"}
    assert [name for name, _ in module.named_children()] == ["layer"]
    other = Below()
    other.more, other.weights = 9, np.zeros(3)
    other.load_state_dict(state)
    assert other.weights.tolist() == [0, 1, 2] and other.more == 2
    assert (other.layer.weight.numpy() == module.layer.weight.numpy()).all()
    assert "weights" not in vars(other)


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
)
def test_slots_are_copied_and_pickled(duplicate):
    twin = duplicate(Slotted())
    assert twin.weights.tolist() == [0, 1, 2] and twin._private == 5
    assert not hasattr(twin, "unset") and "weights" not in vars(twin)


def test_variables_in_slots_are_parameters():
    class Net(nn.Module):
        __slots__ = ("scale",)

        def __init__(self) -> None:
            self.scale = nn.Variable([1.0], requires_grad=True)

        def forward(self, x):
            return x * self.scale

    assert [name for name, _ in Net().named_parameters()] == ["scale"]


def test_a_dataclass_with_slots_has_a_state():
    data = Data(0.5, ["a"])
    assert data.state_dict() == {"rate": 0.5, "tags": ["a"]}
    other = Data(0.0)
    other.load_state_dict(data.state_dict())
    assert other == data or (other.rate, other.tags) == (0.5, ["a"])
    assert data.to_config() == {
        "func": f"{__name__}.Data",
        "rate": 0.5,
        "tags": ["a"],
    }
