"""Experiments in files over torch's nets: what is stored, built and trusted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small import make, ptutils_

import ptutils as pt
from ptutils import registry

torch = pytest.importorskip("torch")

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, hidden=4, act=None):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(784, hidden),
            act or torch.nn.ReLU(), torch.nn.Linear(hidden, 10))

    def forward(self, x):
        return self.layers(x)

def small(hidden):
    return Net(hidden)
"""
EXPERIMENT = """
exp_id: torch
model:
  net: {func: mynet.Net, hidden: 16, act: {func: torch.nn.LeakyReLU, inplace: true}}
  criterion: {func: CrossEntropyLoss, label_smoothing: 0.1}
  optimizer: {func: AdamW, lr: 1e-3}
dataprovider:
  datasets: {train: {func: FashionMNIST, root: data}}
  batch_size: 32
train_params: {num_steps: 3}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path, EXPERIMENT)
    (tmp_path / "mynet.py").write_text(NET)
    return tmp_path


def done(folder: Path, *args: str, **env: str) -> str:
    found = ptutils_(folder, *args, **env)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_run_of_a_torch_net_is_stored_whole_and_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(folder, "run", "experiment.yaml")
    run = pt.open(folder / "runs.db")["torch"]
    net = run.config["model"]["net"]
    assert net["hidden"] == 16 and net["act"]["inplace"] is True
    assert run.config["model"]["criterion"]["label_smoothing"] == 0.1
    out = done(folder, "resume", "torch", "-o", "train_params.num_steps=5")
    assert "5 steps" in out
    monkeypatch.syspath_prepend(folder)
    assert run.load("model.net").layers[1].out_features == 16
    other = folder / "other.yaml"
    other.write_text(EXPERIMENT.replace("hidden: 16", "hidden: 8"))
    assert "model.net.hidden" in done(folder, "diff", "torch", "other.yaml")
    refused = ptutils_(folder, "run", "experiment.yaml", "-o", "model.net.hidden=8")
    assert refused.returncode == 1 and "model.net.hidden: 16 → 8" in refused.stderr


def test_a_function_that_makes_a_net_is_stored_by_its_name(folder: Path) -> None:
    given = ("-o", "model.net={func: mynet.small, hidden: 6}")
    done(folder, "run", "experiment.yaml", *given)
    net = pt.open(folder / "runs.db")["torch"].config["model"]["net"]
    assert net == {"func": "mynet.small", "hidden": 6}
    done(folder, "resume", "torch", "-o", "train_params.num_steps=5")


def optimizers() -> list[type]:
    found = [c for c in vars(torch.optim).values() if isinstance(c, type)]
    return [c for c in found if c is not torch.optim.Optimizer]


@pytest.mark.parametrize("cls", optimizers(), ids=lambda cls: cls.__name__)
def test_an_optimizer_is_built_again_from_what_is_stored(cls: type) -> None:
    net = torch.nn.Linear(3, 2, bias=False)
    made = cls(net.parameters())
    stored = pt._core.Module.to_config(pt.Model(net, None, made))["optimizer"]
    assert "params" not in stored and "lr" in stored
    again = pt._core.configure(stored, slot="optimizer", net=net, trusted=False)
    assert type(again) is cls
    assert again.state_dict()["param_groups"] == made.state_dict()["param_groups"]


@pytest.mark.parametrize(
    "name", ["torch.nn.functional.os.system", "torch.optim.lr_scheduler.sys.exit"]
)
def test_not_all_that_torch_leads_to_is_torchs(name: str) -> None:
    with pytest.raises(pt.Error):
        pt._core.configure({"func": name}, slot="criterion", trusted=False)


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "builtins.eval"])
def test_the_standard_library_makes_no_parts(folder: Path, name: str) -> None:
    wrong = ptutils_(folder, "check", "experiment.yaml", "-o", f"model.net.func={name}")
    assert wrong.returncode == 1
    assert f"{name} is of the standard library" in wrong.stdout


def test_a_users_module_may_have_the_name_of_a_standard_one(folder: Path) -> None:
    (folder / "code.py").write_text(NET)
    done(folder, "check", "experiment.yaml", "-o", "model.net.func=code.Net")


def test_only_what_was_built_is_remembered_and_check_remembers_nothing(
    folder: Path,
) -> None:
    state = folder / "state"
    env = {"XDG_STATE_HOME": str(state)}
    done(folder, "check", "experiment.yaml", **env)
    assert not state.exists()
    wrong = ("-o", "model.net.hidden=many")
    assert ptutils_(folder, "run", "experiment.yaml", *wrong, **env).returncode == 1
    known = state / "ptutils" / "trusted.json"
    assert not known.exists() or "mynet.Net" not in json.loads(known.read_text())
    done(folder, "run", "experiment.yaml", **env)
    assert "mynet.Net" in json.loads(known.read_text())


def test_a_part_that_cannot_be_built_asks_for_an_object(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    opt = torch.optim.AdamW(net.parameters(), 1e-3)
    with pt.Session("own", dbinterface=str(tmp_path / "a.db"), net=net, opt=opt) as s:
        list(s.loop([1, 2]))
    shown = done(tmp_path, "show", "own", "--config", "--db", "a.db")
    assert "betas: [0.9, 0.999]" in shown
    shown = done(tmp_path, "show", "own", "--config", "--db", "a.db", "--json")
    assert json.loads(shown)["config"]["opt"]["betas"] == [0.9, 0.999]
    run = pt.open(tmp_path / "a.db")["own"]
    for path in ("net", "opt"):
        with pytest.raises(pt.Error, match=rf"run.load\('{path}'.*net="):
            run.load(path)
    again = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert run.load("net", net=again) is again
    assert torch.equal(again[0].weight, net[0].weight)
    assert registry.configuration_of(net) == {"func": registry.class_name(type(net))}


def test_arrays_without_elements_of_two_dtypes_at_one_address(tmp_path: Path) -> None:
    memory = np.zeros(8, np.uint8)
    value = [memory[:0].view(np.uint8), memory[:0].view(np.bool_), memory[:0]]
    pt.save(tmp_path / "x.pt", value)
    read = pt.read(tmp_path / "x.pt")
    assert [(each.dtype.name, each.shape) for each in read] == [
        ("uint8", (0,)),
        ("bool", (0,)),
        ("uint8", (0,)),
    ]


DATA = """
import torch

class Data(torch.utils.data.Dataset):
    def __init__(self, n):
        self.n = n
    def __len__(self):
        return self.n
    def __getitem__(self, i):
        return torch.full((1, 28, 28), i / self.n), i % 10
"""


def test_the_seed_is_that_of_a_net_whose_library_comes_with_it(folder: Path) -> None:
    text = EXPERIMENT + "seed: 3\n"
    (folder / "e.yaml").write_text(text)
    (folder / "f.yaml").write_text(text.replace("exp_id: torch", "exp_id: other"))
    for name in ("e.yaml", "f.yaml"):
        done(folder, "run", name, PTUTILS_DB="runs.db")
    runs = pt.open(folder / "runs.db")
    a, b = (
        runs[name].history.to_pandas("train/loss").loc[:, "train/loss"].tolist()
        for name in ("torch", "other")
    )
    assert len(a) == 3 and a == b


def test_arguments_of_a_data_set_of_torchs_are_stored(folder: Path) -> None:
    (folder / "mydata.py").write_text(DATA)
    text = EXPERIMENT.replace(
        "{func: FashionMNIST, root: data}", "{func: mydata.Data, n: 96}"
    )
    (folder / "e.yaml").write_text(text)
    done(folder, "run", "e.yaml", PTUTILS_DB="runs.db")
    out = done(
        folder,
        "resume",
        "torch",
        "-o",
        "train_params.num_steps=5",
        PTUTILS_DB="runs.db",
    )
    assert "5 steps" in out
    config = pt.open(folder / "runs.db")["torch"].config
    assert config.dataprovider.datasets.train == {"func": "mydata.Data", "n": 96}


LATE = """
import sys
import ptutils as pt
from ptutils import _core

_core._seed_streams(7)
assert "torch" not in sys.modules and "numpy.random" not in sys.modules
import numpy, torch
print(numpy.random.rand(), torch.rand(1).item())
numpy.random.seed(7)
torch.manual_seed(7)
print(numpy.random.rand(), torch.rand(1).item())
"""


def test_libraries_that_are_imported_late_have_the_seed() -> None:
    out = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(out) == 2 and out[0] == out[1]


LOADED = """
import sys
{first}
import ptutils as pt
{second}
loaded = torch.load(sys.argv[1])
assert type(loaded["loader"]) is pt.State and loaded["loader"].batch == 2
assert loaded["loader"].requests.coming[0][1]['level'] == 1
assert loaded["plain"]["a.b"].tolist() == [0, 0] and loaded["plain"]["c"] == [1, (2,)]
"""


@pytest.mark.parametrize("imports", [("", "import torch"), ("import torch", "")])
def test_torch_load_takes_states(tmp_path: Path, imports: tuple[str, str]) -> None:
    loader = pt.data.DataLoader(range(9), shuffle=True, lag=1)
    next(loader)
    loader.request({"level": 1})
    next(loader)
    state = loader.state_dict()
    plain = pt.State({"a.b": torch.zeros(2), "c": [1, (2,)]})
    torch.save({"loader": state, "plain": plain}, tmp_path / "x.pt")
    loaded = torch.load(tmp_path / "x.pt", weights_only=True)
    assert loaded["loader"] == state
    loader.load_state_dict(loaded["loader"])
    script = LOADED.format(first=imports[0], second=imports[1])
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x.pt")], check=True, timeout=60
    )
