"""Names that are asked for, and what is said of unknown ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import EXPERIMENT, make, ptutils_

import ptutils as pt
from ptutils import data, nn, optim


@pytest.mark.parametrize("func", ["SGD", "torch.optim.SGD"])
def test_an_unknown_argument_of_torchs_optimizer_is_named_as_ours(func: str) -> None:
    torch = pytest.importorskip("torch")
    config = {"func": func, "lr": 0.1, "momentm": 0.9}
    with pytest.raises(pt.errors.UnknownName) as error:
        pt._core.configure(
            config, path="o", slot="optimizer", net=torch.nn.Linear(1, 1)
        )
    assert str(error.value) == "[o] unknown 'momentm' (did you mean momentum?)"


def test_a_missing_argument_of_another_librarys_class_is_named() -> None:
    pytest.importorskip("torch")
    with pytest.raises(pt.errors.WrongType, match=r"^\[net\] .*'out_features'$"):
        pt._core.configure(
            {"func": "torch.nn.Linear", "in_features": 2}, path="net", slot="net"
        )


@pytest.mark.parametrize(
    ("func", "said"),
    [
        ("timm.models.resnet", "timm is not installed: pip install timm"),
        ("mine.pakage.Net", "no 'pakage' in mine; did you mean package?"),
        ("mine.package.Nett", "no 'Nett' in mine.package; did you mean Net?"),
        ("mien.package.Net", "there is no package 'mien' .*; did you mean mine?"),
        ("mine.package.os", "no 'os' in|is not one"),
        ("ptutils.nn.LeNet", "no 'ptutils.nn.LeNet'; known: Linear, ReLU"),
        ("ptutils.nn.Linaer", "no 'ptutils.nn.Linaer'; did you mean Linear?"),
    ],
)
def test_a_name_that_leads_nowhere_says_where_it_ended(
    func: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mine" / "package"
    package.mkdir(parents=True)
    (tmp_path / "mine" / "__init__.py").touch()
    (package / "__init__.py").write_text("import os\nclass Net: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(pt.Error, match=said) as error:
        pt._core.configure({"func": func}, path="model.net", slot="net")
    assert "[model.net.func]" in str(error.value)


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (nn, "Conv2d", "known: Criterion, CrossEntropyLoss, Dropout"),
        (optim, "AdamW", "did you mean Adam?"),
        (data, "Datset", "did you mean Dataset?"),
    ],
)
def test_an_unknown_attribute_names_the_known(module, name: str, said: str) -> None:
    with pytest.raises(AttributeError, match=said):
        getattr(module, name)


def test_dir_shows_what_is_ours() -> None:
    public = {name for name in dir(pt) if not name.startswith("_")}
    assert {"Session", "open", "nn", "optim"} <= public
    assert not public & {"Any", "annotations", "atexit", "importlib"}


def test_check_names_every_mistake(tmp_path: Path) -> None:
    """Also those of a part whose own parts are wrong."""
    text = EXPERIMENT
    for right, wrong in (
        ("seed:", "seeed:"),
        ("{func: Flatten}", "{func: Flaten}"),
        ("in_features: 784", "in_feature: 784"),
        ("CrossEntropyLoss", "CrossEntropyLos"),
        ("Adam", "Adm"),
        ("root: data}", "root: data, trian: true}"),
        ("batch_size", "batchsize"),
        ("num_epochs", "num_epoch"),
        ("{val: {every", "{vall: {every"),
        ("keep_last", "keep_lst"),
        ("[NaNDetector]", "[NaNDetectr]"),
    ):
        assert right in text
        text = text.replace(right, wrong, 1)
    make(tmp_path, text)
    said = ptutils_(tmp_path, "check", "experiment.yaml").stdout
    assert said.startswith("experiment.yaml: 11 problems\n")
    assert "[dataprovider] unknown 'batchsize' (did you mean batch_size?)" in said
    assert "[validation_params] no data for 'vall'; did you mean val?" in said


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("mongodb://x/y", "'MongoInterface' is not part of this version of ptutils"),
        (
            "{func: MongoInterface, hostname: lab}",
            "'MongoInterface' is not part of this version of ptutils",
        ),
        ("sqlite://x.db", "sqlite:///path"),
    ],
)
def test_a_database_that_is_not_here_is_said_to_be_so(
    command: str, where: str, said: str, tmp_path: Path
) -> None:
    make(tmp_path)
    done = ptutils_(tmp_path, command, "experiment.yaml", "-o", f"dbinterface={where}")
    assert done.returncode == 1 and said in done.stdout + done.stderr
    assert "no folder" not in done.stdout


def test_an_unknown_name_of_a_state_lists_what_there_is_once() -> None:
    with pytest.raises(AttributeError, match=r"^State has no 'foo'; it has: a, xs$"):
        _ = pt.State({"a": 1, "xs": 2}).foo


def test_a_missing_file_is_also_pythons_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").touch()
    with pytest.raises(FileNotFoundError) as error:
        pt.read("nofile.npz")
    assert isinstance(error.value, pt.errors.IOFailed)
    said = "[read] nofile.npz does not exist; this folder has: other.txt"
    assert str(error.value) == said
