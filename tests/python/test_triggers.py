"""What is raised when a run is changed or goes back, and what handlers may take."""

from __future__ import annotations

import numpy as np
import pytest
from test_session import session

import ptutils as pt


def test_an_edit_on_resume_is_raised_with_what_changed(tmp_path):
    session(tmp_path / "a.db", epochs=1).run()
    s, told = session(tmp_path / "a.db", epochs=2), []
    s.callbacks.on("start_of_session", lambda: told.append("start"))
    s.callbacks.on(
        "on_edit", lambda path, old, new, cause: told.append((path, old, new, cause))
    )
    s.run()
    assert told == ["start", ("train_params.num_epochs", 1, 2, "changed on resume")]


def test_a_change_behind_the_sessions_back_is_raised_once(tmp_path):
    s, told = session(tmp_path / "a.db", epochs=1), []

    def change(session, step):
        if step == 2:
            session.model.optimizer.lr = 0.5

    s.callbacks.on("end_of_training_step", change)
    s.callbacks.on(
        "on_edit", lambda path, step, cause: told.append((path, step, cause))
    )
    s.run()
    assert told == [("model.optimizer.lr", 4, "unattributed")]


def test_a_rollback_is_raised_at_the_step_that_it_goes_back_to(tmp_path):
    s, told = session(tmp_path / "a.db", epochs=1), []
    s.callbacks.on(
        "on_rollback",
        lambda step, from_step, attempt: told.append((step, from_step, attempt)),
    )
    s.step(2)
    early = s.state_dict()
    s.step(3)
    s.load_state_dict(early)
    assert told == [(2, 5, 1)]
    s.load_state_dict(early)  # the same step: nothing is gone back on
    assert told == [(2, 5, 1)]


def test_a_rollback_of_an_own_loop_is_raised(tmp_path):
    told, early = [], None
    with pt.Session("own", dbinterface=tmp_path / "a.db") as s:
        s.callbacks.on("on_rollback", lambda step: told.append(step))
        for _ in s.loop([0.0] * 4):
            if s.step_count == 1 and early is None:
                early = s.state_dict()
            elif s.step_count == 3 and not told:
                s.load_state_dict(early)
    assert told == [2]  # the state counts the step that it was taken in


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda wrong: None, "no argument 'wrong'; it offers: loss, "),
        (lambda los: None, "no argument 'los'; did you mean loss"),
        (lambda step, losses, x=1: None, "'losses'"),
    ],
)
def test_a_handler_learns_what_its_trigger_offers(tmp_path, handler, said):
    s = session(tmp_path / "a.db", epochs=1)
    s.callbacks.on("end_of_training_step", handler)
    with pytest.raises(pt.errors.WrongType, match=said) as error:
        s.run()
    assert "callbacks.end_of_training_step" in str(error.value)
    assert "session, step, epoch, attempt, trigger" in str(error.value)


class Everything(pt.Callback):
    def __init__(self):
        self.told = {}

    def start_of_epoch(self, **told):
        self.told["start_of_epoch"] = told

    def end_of_training_step(self, **told):
        self.told["end_of_training_step"] = told


ALWAYS = {"session", "step", "epoch", "attempt", "trigger"}


def test_keywords_are_all_arguments_of_a_trigger_in_both_kinds_of_sessions(tmp_path):
    native, own = Everything(), Everything()
    session(tmp_path / "a.db", epochs=1, callbacks=[native]).run()
    with pt.Session("own", dbinterface=tmp_path / "a.db", callbacks=[own]) as s:
        for x in s.loop([1.0, 2.0]):
            s.log({"train/loss": x, "val/error": 3}, size=4)
    for one in (native, own):
        assert one.told["start_of_epoch"].keys() == ALWAYS
        assert one.told["end_of_training_step"].keys() >= ALWAYS | {"loss"}
    told = own.told["end_of_training_step"]
    assert told["session"] is s and told["step"] == 2
    assert (told["loss"], told["val/error"], told["size"]) == (2.0, 3, 4)


def test_a_step_is_told_what_was_logged_in_it_alone(tmp_path):
    told = []
    with pt.Session("own", dbinterface=tmp_path / "a.db") as s:
        s.callbacks.on(
            "end_of_training_step", lambda step, loss=None: told.append((step, loss))
        )
        for x in s.loop([0.5] * 3):
            if s.step_count != 1:
                s.log(loss=x)
    assert told == [(1, 0.5), (2, None), (3, 0.5)]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("loss", NAN, "the training loss is NaN at step 2"),
        ("train/loss", INF, "the training loss is infinite at step 2"),
        ("loss_d", np.float32(INF), "the training loss_d is infinite at step 2"),
        ("grad_norm", NAN, "the training grad_norm is NaN at step 2"),
        ("grad_norm", INF, None),
        ("val/loss", NAN, None),
    ],
)
def test_the_detector_looks_at_what_a_loop_of_ones_own_logs(
    tmp_path, name, value, said
):
    def run():
        with pt.Session(
            "own", dbinterface=tmp_path / "a.db", callbacks=[pt.callbacks.NaNDetector]
        ) as s:
            for x in s.loop([1.0, value, 1.0]):
                s.log({name: x})
        return s

    if said is None:
        assert run().status.step == 3
        return
    with pytest.raises(pt.errors.WrongValue, match=said):
        run()
    assert pt.open(tmp_path / "a.db")["own"].status.outcome == "failure"
