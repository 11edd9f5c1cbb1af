"""What is raised when a run is changed or goes back, and what handlers may take."""

from __future__ import annotations

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
