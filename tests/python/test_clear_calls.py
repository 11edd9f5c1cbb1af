"""Calls of the session's classes that are nearly right: the error says what is."""

from __future__ import annotations

import numpy as np
import pytest
from small import make

import ptutils as pt
from ptutils import nn
from ptutils.data import ArrayDataset, DataLoader, DataProvider, FashionMNIST


class NoLength:
    def __getitem__(self, index):
        return index


DATA = ArrayDataset(np.zeros((4, 2), "f"))
CALLS = {
    r"\[save\] path is no path.* a State: .* first, save\('s.json'": lambda: pt.save(
        pt.State(), "s.json"
    ),
    r"\[State\] takes a dictionary, a path or a module, not 3": lambda: pt.State(3),
    r"^Session\(\) missing .*'exp_id'": lambda: pt.Session(),
    r"\[Model\] no argument 'loss'; known: net, criterion": lambda: pt.Model(loss=3),
    r"\[Model\] no argument 'criterio'; .*criterion\?": lambda: pt.Model(criterio=3),
    r"a Linear is not a ptutils.Model: pt.Model\(net,": lambda: pt.Session(
        "a", model=nn.Linear(2, 2)
    ),
    r"an ArrayDataset is not .*: DataProvider\(train=": lambda: pt.Session(
        "a", dataprovider=DATA
    ),
    r"train is no data set: a NoLength has no __len__": lambda: DataProvider(
        train=NoLength(), batch_size=2
    ),
    r"train is no data set: an int has no __getitem__": lambda: DataProvider(train=3),
    r"\[yaml\] .*line 2: a tab in the indentation": lambda: pt._core.parse_yaml(
        "a:\n\tb: 1\n", "x.yaml"
    ),
    r"has no criterion: .*model.criterion in a file": lambda: pt.Model(
        nn.Linear(2, 2)
    ).step((np.zeros((1, 2), "f"), np.zeros(1, "i8"))),
}


@pytest.mark.parametrize("said", CALLS)
def test_a_call_that_is_nearly_right_is_told_what_is(tmp_path, monkeypatch, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((pt.Error, TypeError), match=said):
        CALLS[said]()


IN_A_LOOP = {
    r"takes metrics by name, s.log\(loss=…\)": lambda s: s.log(np.ones(1)),
    r"\[Session.log\] loss is None; it must be": lambda s: s.log(loss=None),
    r"no argument 'num_epochs'; .*epochs\?": lambda s: list(s.loop([1], num_epochs=5)),
}


@pytest.mark.parametrize("said", IN_A_LOOP)
def test_a_loop_of_ones_own_is_told_too(tmp_path, said):
    with pt.Session("a", dbinterface=tmp_path / "a.db") as s:
        for _ in s.loop([1]):
            with pytest.raises(pt.errors.WrongType, match=said):
                IN_A_LOOP[said](s)
    with pytest.raises(pt.errors.WrongValue, match=r"at is 'last' or 'best', not 7"):
        pt.open(tmp_path / "a.db")["a"].load("model.net", at=7)


def test_reprs_say_what_it_is(tmp_path):
    s = pt.Session("a", dbinterface=tmp_path / "a.db")
    assert "bound method Session.restart of" in repr(s.restart)
    loader = DataLoader(DATA, batch_size=2)
    assert repr(loader).splitlines()[0] == "DataLoader of batches of 2"
    make(tmp_path)
    images = FashionMNIST(tmp_path / "data", train=False)
    root = str(tmp_path / "data")
    assert repr(images) == f"FashionMNIST(40 test samples, root={root!r})"
