"""What must work on every Python version, without torch."""

from __future__ import annotations

import copy
import gc
import importlib
import os
import pickle
import subprocess
import sys
import weakref

import numpy as np

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider


def test_a_run_from_parts_is_saved_and_comes_back(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    y = (x.sum(1) > 0).astype(np.int64)

    def run():
        pt.seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        model = pt.Model(net, nn.CrossEntropyLoss(), optim.Adam(net.parameters()))
        return pt.Session(
            "smoke",
            model=model,
            dataprovider=DataProvider(train=ArrayDataset(x, y), batch_size=16),
            dbinterface=str(tmp_path / "runs.db"),
            train_params={"num_epochs": 2},
        ).run()

    first = run()
    assert first.status.outcome == "success"
    assert pt._core._identical(run().state_dict(), first.state_dict())
    assert pt.open(str(tmp_path / "runs.db"))["smoke"].history == first.history


def test_files_round_trip(tmp_path):
    value = {"a": np.arange(6).reshape(2, 3), "b": (1, 2.5, "x"), "c": {1: None}}
    for name in ("v.json", "v.yaml", "v.npz", "v.safetensors", "v.pkl"):
        pt.save(tmp_path / name, value)
        assert pt._core._identical(pt.read(tmp_path / name), value)


def test_modules_copy_pickle_and_are_collected():
    class Local(pt.Module):
        def __init__(self):
            self.me = self
            self.net = nn.Linear(2, 2)
            self.function = lambda: self

    ref = weakref.ref(Local())
    gc.collect()
    assert ref() is None
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert pt._core._identical(other.state_dict(), net.state_dict())


def test_importing_a_module_hides_no_function():
    for name, (module, attribute) in pt._LAZY.items():
        importlib.import_module(module)
        assert getattr(pt, name) is getattr(sys.modules[module], attribute), name


def test_the_data_room_imports_numpy_when_it_is_used():
    code = "import sys, ptutils.data; sys.exit('numpy' in sys.modules)"
    path = os.pathsep.join(p for p in sys.path if p)
    env = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
