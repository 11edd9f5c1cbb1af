"""Runs read back from Python: pt.open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small import STEPS, make, ptutils_

import ptutils as pt
from ptutils import _text

LR = "model.optimizer.lr"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of other learning rates; read only."""
    folder = tmp_path_factory.mktemp("runs")
    make(folder)
    for name, lr in (("mlp-a", "1e-3"), ("mlp-b", "1e-2"), ("other", "1e-1")):
        done = ptutils_(
            folder, "run", "experiment.yaml", "-o", f"exp_id={name}", "-o", f"{LR}={lr}"
        )
        assert done.returncode == 0, done.stderr
    return folder / "runs.db"


@pytest.fixture
def runs(database: Path) -> Iterator[pt.runs.Runs]:
    opened = pt.open(database)
    yield opened
    opened.close()


def names(runs: pt.runs.Runs) -> list[str]:
    return [run.exp_id for run in runs]


def test_runs_by_name_glob_query_and_position(runs: pt.runs.Runs) -> None:
    assert names(runs) == ["mlp-a", "mlp-b", "other"] and len(runs) == 3
    assert runs["mlp-a"].exp_id == runs[0].exp_id == "mlp-a"
    assert names(runs["mlp-*"]) == ["mlp-a", "mlp-b"]
    assert names(runs["mlp-?"][{LR: {"$lt": 5e-3}}]) == ["mlp-a"]
    assert names(runs[{"$or": [{LR: 0.1}, {LR: 1e-3}]}]) == ["mlp-a", "other"]
    assert names(runs.filter("lr>=1e-2 status:success")) == ["mlp-b", "other"]
    assert "other" in runs and "other" not in runs["mlp-*"]
    assert names(runs["nothing*"]) == []


def test_a_query_asks_for_what_a_table_shows(runs: pt.runs.Runs) -> None:
    assert names(runs[{"status": "complete"}]) == ["mlp-a", "mlp-b", "other"]
    assert names(runs[{"status": "paused"}]) == []
    assert names(runs[{"outcome": "success", "exp_id": "other"}]) == ["other"]
    loss = {run.exp_id: run.latest["train/loss"] for run in runs}
    low = min(loss, key=lambda name: loss[name])
    assert names(runs[{"train/loss": {"$lte": loss[low]}}]) == [low]
    assert names(runs[{"$or": [{"step": {"$gt": 1e6}}, {"duration": {"$gte": 0}}]}])
    assert names(runs[{"model.optimizer.lrr": {"$exists": True}}]) == []
    for name, near in (("model.optimizer.lrr", LR), ("train/los", "train/loss")):
        with pytest.raises(pt.errors.UnknownName, match=f"did you mean .*{near}"):
            runs[{name: {"$lt": 1}}]


def test_an_unknown_run_names_the_nearest(runs: pt.runs.Runs) -> None:
    with pytest.raises(KeyError, match=r"no run 'mlp-c'; did you mean mlp-"):
        runs["mlp-c"]
    with pytest.raises(pt.errors.NotFound, match="among these"):
        runs["mlp-*"]["other"]
    with pytest.raises(pt.Error, match="did you mean"):
        runs[{LR: {"$ltt": 1}}]
    with pytest.raises(pt.errors.WrongType, match="a glob or a query"):
        runs[1.5]
    with pytest.raises(pt.Error, match="no such file"):
        pt.open("nothing.db")


def test_runs_show_themselves_as_a_table(runs: pt.runs.Runs) -> None:
    lines = repr(runs).splitlines()
    assert lines[0].split()[:2] == ["exp_id", "status"] and len(lines) == 4
    page = runs._repr_html_()
    assert page.count("<tr>") == 4 and "<b>" not in page and "mlp-a" in page


def test_a_run_says_what_it_is(runs: pt.runs.Runs) -> None:
    run = runs["mlp-a"]
    assert isinstance(run.config, pt.Configuration)
    assert run.config[LR] == 1e-3
    assert run.status.state == "complete" and run.status.step == STEPS
    assert run.edits == [] and run.parent is None
    assert [a["kind"] for a in run.attempts] == ["new"]
    assert run.best["metric"] == "val/accuracy"
    assert set(run.latest) == {"train/loss", "val/loss", "val/accuracy"}
    assert run.metadata[0]["versions"]["ptutils"] == pt.__version__
    assert run.checkpoints[-1]["step"] == STEPS
    text = repr(run).splitlines()
    assert text[0] == "Run mlp-a" and len(text) >= 5
    assert run.diff(runs["other"]) == {LR: (1e-3, 1e-1)}
    assert repr(run.diff(runs["other"])).split() == [LR, "0.001", "→", "0.1"]
    assert repr(run.diff(run)) == "no difference"


def test_to_pandas_has_paths_metrics_and_status(runs: pt.runs.Runs) -> None:
    frame = runs.to_pandas(
        [LR, "val/accuracy:max", "train/loss:min", "train/loss", "status", "duration"]
    )
    assert list(frame.index) == names(runs) and frame.index.name == "exp_id"
    assert list(frame[LR]) == [1e-3, 1e-2, 1e-1]
    losses = runs["mlp-b"].history.to_pandas("train/loss")["train/loss"]
    assert frame["train/loss:min"]["mlp-b"] == losses.min()
    assert frame["train/loss"]["mlp-b"] == losses.iloc[-1]
    assert frame["duration"].dt.total_seconds().min() > 0
    assert set(frame["status"]) == {"complete (success)"}
    default = runs.to_pandas()
    assert LR in default and "seed" not in default and "exp_id" not in default
    assert list(runs["mlp-*"].to_pandas(["size"]).index) == ["mlp-a", "mlp-b"]


def test_to_pandas_of_an_unknown_column_names_the_nearest(runs: pt.runs.Runs) -> None:
    with pytest.raises(KeyError, match=r"did you mean model\.optimizer\.lr"):
        runs.to_pandas(["model.optimizer.lrr"])
    with pytest.raises(KeyError, match="did you mean val/accuracy"):
        runs.to_pandas(["val/acuracy:max"])
    with pytest.raises(ValueError, match=":max"):
        runs.to_pandas(["val/accuracy:mean"])


def test_history_frames_are_indexed_by_step(runs: pt.runs.Runs) -> None:
    frame = runs["mlp-a"].history.to_pandas()
    assert frame.index.name == "step" and list(frame.index) == list(range(1, STEPS + 1))
    assert frame["val/accuracy"].notna().sum() == 2
    assert list(runs["mlp-a"].history.to_pandas("val/*").index) == [16, 32]
    with pytest.raises(KeyError, match="did you mean val/accuracy"):
        runs["mlp-a"].history.to_pandas("val/acuracy")


def test_load_builds_the_net_of_the_best_checkpoint(runs: pt.runs.Runs) -> None:
    run = runs["mlp-a"]
    net = run.load("model.net", at="best")
    best = run.state("best")["model"]["net"]
    assert type(net).__name__ == "Sequential"
    for name, value in net.state_dict()["1"].items():
        assert np.array_equal(np.asarray(value), np.asarray(best["1"][name]))
    other = runs["other"].load("model.net")
    same = run.load("model.net", net=other)
    assert same is other
    with pytest.raises(ValueError, match="'last' or 'best'"):
        run.load("model.net", at="first")
    with pytest.raises(KeyError, match="no 'model.nett'"):
        run.load("model.nett")


def test_load_builds_an_optimizer_with_its_net(runs: pt.runs.Runs) -> None:
    run = runs["mlp-b"]
    optimizer = run.load("model.optimizer")
    assert type(optimizer).__name__ == "Adam" and optimizer.lr == 1e-2
    stored = run.state()["model"]["optimizer"]
    assert pt._core._identical(optimizer.state_dict(), stored)


def test_a_best_checkpoint_that_could_not_be_stored_is_not_named(
    tmp_path: Path,
) -> None:
    fill = (
        "def end_of_validation(self, session):\n"
        "        with session.dbinterface.access() as raw:\n"
        "            count = raw.execute('PRAGMA page_count')[0]['page_count']\n"
        "            raw.execute(f'PRAGMA max_page_count={count + 2}')\n"
    )
    make(tmp_path)
    (tmp_path / "full.py").write_text(
        f"import ptutils\n\nclass Full(ptutils.Callback):\n    {fill}"
    )
    done = ptutils_(
        tmp_path,
        *("run", "experiment.yaml", "-o", "callbacks=[full.Full]", "--db", "a b.db"),
        *("-o", "save_params.every=500 steps"),
    )
    assert done.returncode == 1 and "no room to write" in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ptutils: go on with: ptutils resume small --db 'a b.db'"
    assert "save again" not in done.stderr
    run = pt.open(tmp_path / "a b.db")["small"]
    assert run.best is None and [c["step"] for c in run.checkpoints] == [0]
    with pytest.raises(KeyError, match="none of keep_best 'val/accuracy' is stored;"):
        run.load("model.net", at="best")
    done = ptutils_(tmp_path, "resume", "small", "--db", "a b.db", "-o", "callbacks=[]")
    assert done.returncode == 0, done.stderr
    run = pt.open(tmp_path / "a b.db")["small"]
    assert run.best and run.best["checkpoint"] in [c["id"] for c in run.checkpoints]


def test_load_of_a_torch_net_asks_for_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

    net = Net()
    with pt.Session("own", net=net, dbinterface=tmp_path / "r.db") as session:
        for _ in session.loop([1, 2]):
            pass
    run = pt.open(tmp_path / "r.db")["own"]
    with pytest.raises(PermissionError, match=r"net=Net\(\)"):
        run.load("net")
    for loaded in (run.load("net", classes=[Net]), run.load("net", net=Net())):
        assert torch.equal(loaded.layer.weight, net.layer.weight)


def test_a_live_run_shows_what_is_durable(tmp_path: Path) -> None:
    with pt.Session("live", dbinterface=tmp_path / "r.db") as session:
        for i, _ in enumerate(session.loop([0.0] * 5)):
            session.log(loss=float(i))
            run = pt.open(tmp_path / "r.db")["live"]
            assert run.status.state == "in-progress" and not run.status.lost
    assert pt.open(tmp_path / "r.db")["live"].latest == {"train/loss": 4.0}


def test_an_empty_database_says_so(tmp_path: Path) -> None:
    pt.database.SQLiteInterface(str(tmp_path / "e.db")).close()
    runs = pt.open(tmp_path / "e.db")
    assert repr(runs).endswith("e.db: no runs") and len(runs) == 0
    assert len(runs.to_pandas()) == 0
    with pytest.raises(KeyError, match="it has no runs"):
        runs["x"]


def test_reading_back_imports_no_pandas(database: Path) -> None:
    code = (
        "import sys, ptutils as pt\n"
        f"run = pt.open({str(database)!r})['mlp-a']\n"
        "repr(run); run.history.names()\n"
        "assert not {'numpy', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=_env())


def _env() -> dict[str, str]:
    from small import environment

    return environment()


def test_short_numbers() -> None:
    for value, text in (
        (0.5, ".5000"),
        (-0.25, "-.2500"),
        (1.0, "1"),
        (1234.5678, "1235"),
        (1e-5, "1e-05"),
        (float("nan"), "nan"),
    ):
        assert _text.number(value) == text


def test_a_difference_is_aligned_whatever_its_values_are():
    values = ["x" * 80, "é" * 80, "日本語", "e\u0301", "two\nlines", 1]
    shown = repr(pt.runs.Difference({f"p{i}": (v, 2) for i, v in enumerate(values)}))
    lines = shown.splitlines()
    assert len(lines) == len(values)
    wide = [line.replace("日本語", "ABCDEF").replace("\u0301", "") for line in lines]
    assert len({line.index("→") for line in wide}) == 1
