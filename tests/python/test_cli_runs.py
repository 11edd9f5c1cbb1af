"""The command line, of runs: metrics that nothing gives, names, a second run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import EXPERIMENT, make, ptutils_

import ptutils as pt
from ptutils import cli

BEST = ["-o", "save_params.keep_best=val/acuracy"]
OWN = """
import ptutils
class Mine(ptutils.Callback):
    def end_of_validation(self, session):
        session.log({'val/acuracy': 1.0})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


@pytest.fixture
def answer(folder, monkeypatch, capsys):
    """What a command that reads answers, in this process."""
    monkeypatch.chdir(folder)

    def run(*args: str) -> str:
        capsys.readouterr()
        assert cli.main(args) == 0
        return capsys.readouterr().out

    return run


def test_a_best_metric_that_nothing_gives_is_refused_before_training(folder):
    done = ptutils_(folder, "run", "experiment.yaml", *BEST)
    assert done.returncode == 1
    assert "gives 'val/acuracy'; did you mean val/accuracy?" in done.stderr
    assert len(pt.open(folder / "runs.db")) == 0


def test_an_own_callback_may_give_any_metric(folder):
    (folder / "mine.py").write_text(OWN)
    make(folder, EXPERIMENT.replace("[NaNDetector]", "[mine.Mine]"))
    for command in ("check", "run"):
        done = ptutils_(folder, command, "experiment.yaml", *BEST)
        assert done.returncode == 0, done.stderr
    assert "best val/acuracy 1 @" in done.stdout


def test_a_number_as_exp_id_wants_quotes(folder):
    done = ptutils_(folder, "run", "experiment.yaml", "-o", "exp_id=12")
    assert done.returncode == 1
    assert "[exp_id] a name, but 12 is read as a number: in quotes" in done.stderr


def test_run_again_and_anew(folder, answer):
    many = ["-o", "train_params={num_steps: 4}"]
    first = ptutils_(folder, "run", "experiment.yaml", "--json", *many)
    data = json.loads(first.stdout)
    shown = json.loads(answer("show", "small", "--json"))
    assert data["status"] == shown["status"] and not data["nothing_to_do"]
    again = ptutils_(folder, "run", "experiment.yaml", "--json", *many)
    assert json.loads(again.stdout)["nothing_to_do"]
    wide = ["-o", "model.net.layers.1.out_features=8"]
    wide += ["-o", "model.net.layers.3.in_features=8"]
    refused = ptutils_(folder, "run", "experiment.yaml", *many, *wide)
    assert refused.returncode == 1 and "ptutils run --restart" in refused.stderr
    anew = ptutils_(folder, "run", "experiment.yaml", "--restart", *many, *wide)
    assert anew.returncode == 0 and "restarted · attempt 1" in anew.stdout


def test_metrics_without_a_number_and_runs_without_a_best_are_shown(folder, answer):
    def train(name, metrics, **options):
        with pt.Session(name, dbinterface=folder / "runs.db", **options) as s:
            for _ in s.loop([1, 2]):
                s.log(metrics)

    train("kept", {"val/accuracy": 0.5}, save_params={"keep_best": "val/accuracy"})
    train("plain", {"val/accuracy": 0.25, "nothing": float("nan")})
    assert ".2500 @ 1" in answer("ls")
    lines = answer("show", "plain", "--history").splitlines()
    assert any(line.split()[:3] == ["train/nothing", "2", "nan"] for line in lines)


def test_names_of_runs_may_look_like_paths(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("group/run1", "folder"):
        done = ptutils_(tmp_path, "run", "experiment.yaml", "-o", f"exp_id={name}")
        assert done.returncode == 0, done.stderr
        shown = ptutils_(tmp_path, "show", name)
        assert shown.returncode == 0 and "complete" in shown.stdout, shown.stderr
        again = ptutils_(tmp_path, "run", name)
        assert again.returncode == 0 and "nothing to do" in again.stderr + again.stdout
    found = ptutils_(tmp_path, "diff", "group/run1", "folder")
    assert found.returncode == 0, found.stderr
    missing = ptutils_(tmp_path, "show", "group/run2")
    assert missing.returncode == 1 and "no folder 'group'" in missing.stderr
