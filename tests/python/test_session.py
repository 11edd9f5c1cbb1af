"""Sessions of parts: run, pause, resume, restart, save, fail."""

from __future__ import annotations

import numpy as np
import pytest

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 8)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int64)


def session(path, exp_id="run", *, epochs=3, lr=1e-2, drop=0.2, **more):
    pt.seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(drop), nn.Linear(16, 2))
    model = pt.Model(
        net,
        criterion=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters(), lr=lr),
    )
    data = DataProvider(
        train=ArrayDataset(X, Y), val=ArrayDataset(X[:32], Y[:32]), batch_size=16
    )
    options = {
        "train_params": {"num_epochs": epochs},
        "validation_params": {"val": {"every": "1 epoch"}},
        "save_params": {
            "every": "4 steps",
            "keep_last": 2,
            "keep_best": "val/accuracy",
        },
        **more,
    }
    return pt.Session(
        exp_id, seed=0, model=model, dataprovider=data, dbinterface=str(path), **options
    )


def same(a, b) -> bool:
    return pt._core._identical(a, b)


def test_run_to_the_end_and_again(tmp_path):
    s = session(tmp_path / "a.db")
    s.run()
    assert str(s.status).startswith("complete · success · new · 18 steps")
    assert s.history.names() == ["train/loss", "val/loss", "val/accuracy"]
    steps = [r["step"] for r in s.history.records("train/loss")]
    assert steps == list(range(1, 19))
    again = session(tmp_path / "a.db").run()
    assert again.status.state == "complete" and again.status.step == 18
    assert same(again.state_dict(), s.state_dict())


def test_paused_at_every_step_equals_uninterrupted(tmp_path):
    whole = session(tmp_path / "whole.db").run()
    for _ in range(18):
        s = session(tmp_path / "parts.db")
        s.callbacks.on("end_of_training_step", lambda session: session.pause())
        s.run()
    assert s.status.state == "complete"
    assert s.attempt == 0
    assert same(s.state_dict(), whole.state_dict())
    assert s.history == whole.history


def test_state_goes_back_exactly_after_ten_more_steps(tmp_path):
    s = session(tmp_path / "a.db", epochs=10)
    s.step(5)
    best = s.state_dict()
    first = [r["value"] for r in s.history.records("train/loss")]
    s.step(10)
    ahead = s.state_dict()
    assert not same(ahead, best)
    s.load_state_dict(best)
    assert same(s.state_dict(), best)
    assert [r["value"] for r in s.history.records("train/loss")] == first
    s.step(10)
    assert same(s.state_dict(), ahead)
    assert s.attempt == 1
    keys = [(r["attempt"], r["step"]) for r in s.history.records("train/loss", True)]
    assert len(keys) == len(set(keys)) == 25
    s.pause()
    s.run()


def test_more_epochs_reopen_and_another_rate_is_an_edit(tmp_path):
    session(tmp_path / "a.db", epochs=1).run()
    s = session(tmp_path / "a.db", epochs=2, lr=5e-3).run()
    assert s.status.step == 12 and s.status.kind == "resumed"
    edits = {e["path"]: (e["old"], e["new"]) for e in s.edits}
    assert edits["model.optimizer.lr"] == (1e-2, 5e-3)
    assert edits["train_params.num_epochs"] == (1, 2)
    assert s.model.optimizer.lr == 5e-3


def test_another_structure_is_refused_with_the_difference(tmp_path):
    session(tmp_path / "a.db", epochs=1).run()
    s = session(tmp_path / "a.db")
    s.model.net = nn.Sequential(nn.Linear(8, 2), nn.Dropout(0.2))
    with pytest.raises(RuntimeError, match="another structure.*\n.*model.net.layers"):
        s.run()
    assert session(tmp_path / "a.db", epochs=1).run().status.step == 6


def test_restart_begins_again_and_keeps_the_old_attempt(tmp_path):
    first = session(tmp_path / "a.db").run()
    s = session(tmp_path / "a.db")
    s.restart()
    assert s.status.kind == "restarted" and s.attempt == 1
    assert same(s.state_dict()["model"], first.state_dict()["model"])
    assert s.history == first.history
    assert len(s.history.records("train/loss", branches=True)) == 36


def test_resume_without_a_run_is_not_found(tmp_path):
    with pytest.raises(KeyError, match="nothing to resume"):
        session(tmp_path / "a.db").resume()


def test_stop_is_complete_and_stopped(tmp_path):
    s = session(tmp_path / "a.db")
    s.callbacks.on(
        "end_of_training_step", lambda step, session: step == 5 and session.stop()
    )
    s.run()
    assert (s.status.state, s.status.outcome, s.status.step) == (
        "complete",
        "stopped",
        5,
    )


def test_checkpoints_keep_the_last_and_the_best(tmp_path):
    s = session(tmp_path / "a.db").run()
    found = list(
        s.dbinterface.find({"kind": "checkpoint"}, projection={"step": 1, "best": 1})
    )
    run = s.dbinterface.load({"kind": "run"})
    ids = [d["_id"] for d in found]
    assert run["best"]["checkpoint"] in ids
    assert len(ids) <= 3 and max(d["step"] for d in found) == 18


def test_a_nan_ends_as_failure_and_the_last_state_stays(tmp_path):
    s = session(tmp_path / "a.db", callbacks=[pt.callbacks.NaNDetector])

    def poison(step, session):
        if step == 5:
            session.model.net[0].weight.data[...] = float("nan")

    s.callbacks.on("end_of_training_step", poison)
    with pytest.raises(ValueError, match="NaN at step 6"):
        s.run()
    assert (s.status.state, s.status.outcome) == ("complete", "failure")
    assert "NaN" in s.status.exception
    s = session(tmp_path / "a.db", callbacks=[pt.callbacks.NaNDetector]).run()
    assert s.status.outcome == "success" and s.attempt == 1
    assert same(
        s.state_dict()["model"], session(tmp_path / "b.db").run().state_dict()["model"]
    )


def test_overridden_step_and_loss(tmp_path):
    class Mine(pt.Model):
        def loss(self, outputs, targets):
            return super().loss(outputs, targets) * 2.0

        def step(self, batch):
            out = super().step(batch)
            return {**out, "twice": 1}

    pt.seed(0)
    net = nn.Sequential(nn.Linear(8, 2))
    model = Mine(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1))
    s = pt.Session(
        "mine",
        model=model,
        dataprovider=DataProvider(train=ArrayDataset(X, Y), batch_size=16),
        dbinterface=str(tmp_path / "a.db"),
        train_params={"num_steps": 4},
    ).run()
    assert s.history.names() == ["train/loss", "train/twice"]


def test_misspelt_parameters_name_the_nearest(tmp_path):
    with pytest.raises(KeyError, match="did you mean train_params"):
        session(tmp_path / "a.db", train_parms={})
    with pytest.raises(KeyError, match="num_epochs"):
        session(tmp_path / "a.db", train_params={"num_epoch": 3})
    with pytest.raises(KeyError, match="keep_last"):
        session(tmp_path / "a.db", save_params={"keep_lst": 3})
    with pytest.raises(ValueError, match="epoch"):
        session(tmp_path / "a.db", validation_params={"val": {"every": "1 epok"}})


def test_metadata_is_recorded(tmp_path):
    s = session(tmp_path / "a.db", epochs=1).run()
    found = s.dbinterface.load({"kind": "metadata"})
    assert found["seed"] == 0 and found["versions"]["python"].startswith("3.")
    assert found["machine"]["host"] and found["command"]


def test_triggers_come_in_order(tmp_path):
    seen = []
    s = session(tmp_path / "a.db", epochs=1)
    for name in [
        "start_of_session",
        "start_of_stage",
        "start_of_epoch",
        "start_of_training_step",
        "after_forward",
        "after_backward",
        "end_of_training_step",
        "start_of_validation",
        "end_of_validation",
        "end_of_epoch",
        "end_of_stage",
        "before_save",
        "after_save",
        "end_of_session",
    ]:
        s.callbacks.on(name, lambda trigger: seen.append(trigger))
    s.run()
    first = seen.index("start_of_session")
    assert seen[first : first + 7] == [
        "start_of_session",
        "start_of_stage",
        "start_of_epoch",
        "start_of_training_step",
        "after_forward",
        "after_backward",
        "end_of_training_step",
    ]
    assert seen.index("end_of_validation") < seen.index("end_of_epoch")
    assert seen[-1] == "end_of_session"
    assert seen.count("start_of_stage") == seen.count("end_of_stage") == 1
    ended = seen.index("end_of_stage")
    assert seen[ended - 1] != "end_of_training_step" and "end_of_epoch" in seen[:ended]


class Counting(pt.Callback):
    def __init__(self, start: int = 0) -> None:
        self.n = start

    def end_of_training_step(self) -> None:
        self.n += 1


def test_resume_builds_callbacks_with_their_arguments_and_filters(tmp_path):
    data = {
        "datasets": {"train": {"func": "FashionMNIST", "root": "data", "train": False}},
        "batch_size": 100,
    }
    model = {
        "net": {
            "func": "Sequential",
            "layers": [
                {"func": "Flatten"},
                {"func": "Linear", "in_features": 784, "out_features": 10},
            ],
        },
        "criterion": {"func": "CrossEntropyLoss"},
        "optimizer": {"func": "SGD", "lr": 1e-2},
    }
    name = f"{Counting.__module__}.Counting"
    s = pt.Session.from_config(
        exp_id="run",
        model=model,
        dataprovider=data,
        dbinterface=str(tmp_path / "a.db"),
        train_params={"num_steps": 6},
        callbacks=[{"func": name, "start": 5, "every": "2 steps"}],
    )
    s.callbacks.on("end_of_training_step", lambda step: s.pause() if step == 3 else 0)
    s.run()
    record = pt.open(tmp_path / "a.db")["run"]
    assert record.config["callbacks"] == [
        {"func": name, "start": 5, "every": "2 steps"}
    ]
    again = pt.resume(tmp_path / "a.db", "run", classes=[Counting])
    assert again.status.state == "complete" and again.edits == []
    assert next(iter(again.callbacks)).n == 5 + 3


def test_masks_do_not_draw_what_initial_weights_were_drawn_from(tmp_path):
    pt.seed(0)
    initial = pt.ops.default_random().random()
    s = session(tmp_path / "a.db", epochs=1)
    seen = []
    s.callbacks.on(
        "start_of_training_step",
        lambda: seen.append(s.state_dict()["streams"]["ptutils"]["key"]),
    )
    s.run()
    pt.seed(0)
    assert pt.ops.default_random().random() == initial
    assert set(seen) != {"0"} and len(set(seen)) == 1


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"exp_id": 3}, TypeError, "exp_id is a name, not 3"),
        ({"exp_id": None}, TypeError, "exp_id is a name, not None"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": 2**64}, ValueError, "seed is"),
        ({"seed": "a"}, TypeError, "seed is a whole number, not 'a'"),
        ({"seed": 1.5}, TypeError, "seed is a whole number, not 1.5"),
        ({"foo": 1}, TypeError, "foo=1 is no part.*session.foo"),
        ({"callbacks": [{}]}, KeyError, r"callbacks\[0\].*without 'func'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, options, kind, said):
    with pytest.raises(kind, match=said) as error:
        pt.Session(**{"exp_id": "x", "dbinterface": tmp_path / "a.db", **options})
    assert isinstance(error.value, pt.Error)


def test_resuming_a_misspelt_run_names_the_nearest(tmp_path):
    database = str(tmp_path / "a.db")
    with pytest.raises(pt.errors.NotFound, match=r"a.db\] no run 'x'; it has no runs"):
        pt.resume(database, "x")
    with pt.Session("digits", dbinterface=database) as s:
        list(s.loop([1]))
    with pytest.raises(pt.errors.NotFound, match=r"a.db\].*did you mean digits"):
        pt.resume(database, "digist")
