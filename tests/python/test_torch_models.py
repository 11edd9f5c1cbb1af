"""Models of torch nets: any callable as the criterion, runs that are built again."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from test_session import same

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider, Dataset
from ptutils.errors import NotFound, WrongState, WrongType

torch = pytest.importorskip("torch")
F = torch.nn.functional


class Points(Dataset):
    def __len__(self):
        return 32

    def __getitem__(self, i):
        return np.full(4, i / 32, "f"), i % 2


class Net(torch.nn.Module):
    def __init__(self, hidden=3):
        super().__init__()
        self.config = {"hidden": hidden}
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, hidden), torch.nn.Linear(hidden, 2)
        )

    def forward(self, x):
        return self.layers(x)


class Squares:
    def __call__(self, outputs, targets):
        return ((outputs.sum(1) - targets) ** 2).mean()


def session(path, criterion, *, net=None, exp_id="run"):
    torch.manual_seed(0)
    net = net or Net(5)
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    return pt.Session(
        exp_id,
        seed=0,
        model=pt.Model(net, criterion=criterion, optimizer=adam),
        dataprovider=DataProvider(train=Points(), batch_size=8),
        dbinterface=path / "a.db",
        train_params={"num_epochs": 2},
    )


CRITERIA = {
    "function": F.cross_entropy,
    "partial": functools.partial(F.cross_entropy, label_smoothing=0.1),
    "lambda": lambda outputs, targets: F.cross_entropy(outputs, targets) * 2,
    "object": Squares(),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_any_callable_is_a_criterion_and_resumes_exactly(tmp_path, name):
    whole = session(tmp_path, CRITERIA[name], exp_id="whole").run()
    for _ in range(2):
        parts = session(tmp_path, CRITERIA[name])
        parts.callbacks.on(
            "end_of_training_step",
            lambda session, step: session.pause() if step == 3 else None,
        )
        parts.run()
    assert parts.status.state == "complete" and parts.model.criterion is CRITERIA[name]
    assert same(parts.state_dict(), whole.state_dict())


def test_a_criterion_with_a_name_is_rebuilt_with_its_arguments(tmp_path):
    config = session(tmp_path, CRITERIA["partial"]).model.to_config()["criterion"]
    assert config == {
        "func": "torch.nn.functional.cross_entropy",
        "label_smoothing": 0.1,
    }
    session(tmp_path, CRITERIA["partial"]).run()
    again = pt.restart(tmp_path / "a.db", "run", classes=[Net, Points])
    assert again.model.criterion.keywords == {"label_smoothing": 0.1}
    assert again.status.state == "complete" and again.attempt == 1


def test_a_criterion_without_a_name_is_asked_for(tmp_path):
    session(tmp_path, lambda outputs, targets: outputs.sum()).run()
    with pytest.raises(NotFound, match=r"model.criterion.func.*<lambda>.*model=…"):
        pt.resume(tmp_path / "a.db", "run", classes=[Net, Points])


def test_a_native_net_takes_a_function_too(tmp_path):
    net = nn.Linear(2, 2)
    model = pt.Model(net, criterion=lambda outputs, targets: (outputs - targets).mean())
    x = pt.Tensor(np.ones((3, 2), "f"))
    assert isinstance(model.loss(model(x), x), pt._core.Variable)


@pytest.mark.parametrize("command", [pt.resume, pt.restart])
def test_a_net_of_which_only_the_class_is_stored_is_asked_for(tmp_path, command):
    net = torch.nn.Sequential(torch.nn.Linear(4, 2))
    session(tmp_path, torch.nn.CrossEntropyLoss(), net=net).run()
    with pytest.raises(WrongState, match=r"Sequential.*pt.Session\('run'.*resume"):
        command(tmp_path / "a.db", "run", classes=[Points])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda n, t: pt.Model(t, nn.CrossEntropyLoss()), "torch.nn.CrossEntropyLoss"),
        (lambda n, t: pt.Model(n, torch.nn.MSELoss()), "one of ptutils.nn"),
        (lambda n, t: pt.Model(n, F.cross_entropy), "one of ptutils.nn"),
        (
            lambda n, t: pt.Model(t, optimizer=optim.SGD(n.parameters(), lr=1)),
            "torch.optim.SGD",
        ),
        (
            lambda n, t: pt.Model(n, optimizer=torch.optim.Adam(t.parameters())),
            "ptutils.optim.Adam",
        ),
    ],
)
def test_parts_of_two_libraries_are_refused_at_once(make, said):
    with pytest.raises(WrongType, match=rf"\[Model\] the net is of .*take {said}"):
        make(nn.Linear(2, 2), torch.nn.Linear(2, 2))


def test_a_step_of_ones_own_gets_torchs_tensors_and_keeps_outputs(tmp_path):
    seen = []

    class Mine(pt.Model):
        def step(self, batch):
            x, y = batch
            out = self.net(x)
            self.outputs = out.detach()
            loss = F.cross_entropy(out, y)
            self.optimize(loss)
            return {"loss": loss}

    class Asking(DataProvider):
        def request(self, session):
            seen.append(session.model.outputs)
            return {"phase": "train"}

    net = torch.nn.Linear(4, 2)
    points = (np.zeros((8, 4), np.float32), np.zeros(8, np.int64))
    model = Mine(net, optimizer=torch.optim.SGD(net.parameters(), 0.1))
    pt.Session(
        "own-step",
        model=model,
        dataprovider=Asking(train=ArrayDataset(*points), batch_size=4),
        dbinterface=str(tmp_path / "a.db"),
        train_params={"num_steps": 3},
    ).run()
    assert [None if s is None else tuple(s.shape) for s in seen][-1] == (4, 2)
