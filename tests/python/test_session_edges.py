"""Sessions at their edges: states within a step, rollbacks, forks, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from test_session import X, Y, same, session

import ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider


def run_script(text: str, folder, expect: int = 0) -> str:
    """A program of its own, bounded in time."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p)),
    )
    assert done.returncode == expect, done.stderr
    return done.stdout + done.stderr


def test_a_state_of_the_start_of_a_step_goes_on_with_that_step(tmp_path):
    whole = session(tmp_path / "whole.db").run()
    s = session(tmp_path / "a.db")
    seen = []

    def back(session):
        seen.append(session.state_dict() if len(seen) == 1 else None)
        if len(seen) == 6:
            session.load_state_dict(seen[1])

    s.callbacks.on("start_of_training_step", back)
    s.run()
    assert s.attempt == 1 and len(seen) == 18 + 4 + 1
    assert same(s.state_dict(), whole.state_dict())
    assert s.history == whole.history


@pytest.mark.parametrize("moment", ["after_forward", "after_backward"])
def test_a_state_in_the_middle_of_a_step_is_refused(tmp_path, moment):
    s = session(tmp_path / "a.db")
    s.callbacks.on(moment, lambda session: session.state_dict())
    with pytest.raises(pt.errors.WrongState, match="in the middle of a step"):
        s.run()
    again = session(tmp_path / "a.db")
    state = again.state_dict()
    again.callbacks.on(moment, lambda session: session.load_state_dict(state))
    with pytest.raises(pt.errors.WrongState, match="in the middle of a step"):
        again.run()


def test_after_a_rollback_moments_are_due_again(tmp_path):
    s = session(tmp_path / "a.db", validation_params={"val": {"every": "3 steps"}})
    kept = {}

    def back(session):
        if session.step_count == 2:
            kept.setdefault("state", session.state_dict())
        if session.step_count == 3 and "done" not in kept:
            kept["done"] = True
            session.load_state_dict(kept["state"])

    s.callbacks.on("end_of_validation", back)
    s.callbacks.on("end_of_training_step", lambda session: (back(session), None)[1])
    s.run()
    steps = [r["step"] for r in s.history.records("val/loss")]
    assert steps == [3, 6, 9, 12, 15, 18]


def test_validating_on_the_training_phase_is_refused(tmp_path):
    s = session(tmp_path / "a.db", validation_params={"train": {"every": "1 epoch"}})
    with pytest.raises(ValueError, match="under another name"):
        s.run()


def test_a_validation_that_a_signal_cut_off_is_done_on_resume(tmp_path):
    whole = session(tmp_path / "whole.db").run()
    s = session(tmp_path / "a.db")
    sent = []

    def interrupt(session):
        if session.epoch == 2 and not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    s.callbacks.on("start_of_validation", interrupt)
    with pytest.raises(KeyboardInterrupt):
        s.run()
    assert s.status.state == "paused" and s.status.step == 12
    assert [r["step"] for r in s.history.records("val/loss")] == [6]
    again = session(tmp_path / "a.db").run()
    assert again.attempt == 0
    assert same(again.state_dict(), whole.state_dict())
    assert again.history == whole.history


def test_an_edit_before_the_checkpoint_is_kept_by_a_resume(tmp_path):
    def slower(session):
        if session.step_count in (3, 7):
            session.model.optimizer.lr *= 0.5
        if session.step_count == 10 and os.environ.get("FAIL"):
            raise RuntimeError("here")

    def run(path):
        s = session(path)
        s.callbacks.on("end_of_training_step", slower)
        return s.run()

    whole = run(tmp_path / "whole.db")
    os.environ["FAIL"] = "1"
    with pytest.raises(RuntimeError, match="here"):
        run(tmp_path / "a.db")
    del os.environ["FAIL"]
    s = run(tmp_path / "a.db")
    short = [[(e["step"], e["path"], e["new"]) for e in x.edits] for x in (whole, s)]
    assert short[0] == short[1] and len(short[0]) == 2


def test_another_size_is_another_structure(tmp_path):
    session(tmp_path / "a.db", epochs=1).run()
    config = pt.open(tmp_path / "a.db")["run"].config
    config["train_params"] = {"num_epochs": 2}
    config["model"]["net"]["layers"][0]["out_features"] = 24
    config["model"]["net"]["layers"][3]["in_features"] = 24
    data = DataProvider(
        train=ArrayDataset(X, Y), val=ArrayDataset(X[:32], Y[:32]), batch_size=16
    )
    config["dataprovider"], config["dbinterface"] = data, str(tmp_path / "a.db")
    config.pop("func")
    other = pt.Session.from_config(config)
    with pytest.raises(pt.errors.WrongState, match="another structure") as error:
        other.run()
    lines = str(error.value).splitlines()
    assert "out_features: 16 → 24" in lines[1] and len(lines) == 4  # nothing twice
    record = pt.open(tmp_path / "a.db")["run"]
    assert record.status.state == "complete" and record.edits == []


def test_run_within_a_callback_is_refused(tmp_path):
    for name in ("start_of_epoch", "on_pause", "end_of_session"):
        s = session(tmp_path / f"{name}.db", epochs=1)
        if name == "on_pause":
            s.callbacks.on("end_of_training_step", lambda session: session.pause())
        s.callbacks.on(name, lambda session: session.run())
        with pytest.raises(pt.errors.WrongState, match="running already"):
            s.run()


def test_log_wants_a_run_and_a_name(tmp_path):
    s = pt.Session("x", dbinterface=str(tmp_path / "a.db"))
    with pytest.raises(pt.errors.WrongState, match="not running"):
        s.log(a=1)
    with s:
        for name in ("", "/", "a/", "/a"):
            with pytest.raises(ValueError, match="no name of a metric"):
                s.log({name: 1})


def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    text = """
        import os, signal, sys
        sys.path.insert(0, {tests!r})
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from test_session import session
        s = session("a.db")
        s.callbacks.on("start_of_epoch", lambda: os.kill(os.getpid(), signal.SIGINT))
        print(s.run().status.state)
    """
    out = run_script(text.format(tests=os.path.dirname(__file__)), tmp_path)
    assert out.startswith("complete")


def test_a_forked_child_leaves_the_run_to_its_parent(tmp_path):
    text = """
        import os, sys
        import ptutils as pt
        with pt.Session("f", dbinterface="a.db") as s:
            for b in s.loop([1, 2, 3, 4]):
                s.log(b=b)
                if b == 2:
                    pid = os.fork()
                    if pid == 0:
                        try:
                            s.save()
                        except pt.errors.WrongState as error:
                            assert "forked" in str(error)
                            sys.exit(7)
                        sys.exit(0)
                    assert os.waitpid(pid, 0)[1] == 7 << 8
        print(s.status)
    """
    assert "complete · success · new · 4 steps" in run_script(text, tmp_path)
    child = """
        import os, sys
        sys.path.insert(0, {tests!r})
        from test_session import session
        s = session("b.db")
        s.step(5)
        pid = os.fork()
        if pid == 0:
            {act}
            sys.exit(0)
        status = os.waitpid(pid, 0)[1]
        s.run()
        print("child", status, s.status)
    """
    for act, wanted in (("del s", 0), ("s.run()", 1 << 8), ("pass", 0)):
        (tmp_path / "b.db").unlink(missing_ok=True)
        script = child.format(tests=os.path.dirname(__file__), act=act)
        out = run_script(script, tmp_path)
        assert f"child {wanted} complete · success · new · 18 steps" in out


def test_parts_that_come_within_with_are_restored_at_the_loop(tmp_path):
    def run(stop):
        with pt.Session("b", dbinterface=str(tmp_path / "a.db")) as s:
            s.total = np.zeros(1)
            for b in s.loop([1, 2, 3, 4]):
                s.total += b
                if b == stop:
                    s.pause()
        return s

    assert run(2).total[0] == 3
    assert run(0).total[0] == 10


def test_breaking_out_of_a_loop_ends_its_step(tmp_path):
    def run(path, stop=None, within=False):
        with pt.Session("b", dbinterface=str(path), total=Total()) as s:
            for b in s.loop([10, 20, 30, 40, 50, 60]):
                if within and b == stop:
                    break
                s.total.sum += b
                s.log(b=b)
                if b == stop:
                    break
        return s

    whole = run(tmp_path / "whole.db")
    for stop in (10, 30, 60):
        run(tmp_path / f"{stop}.db", stop)
        s = run(tmp_path / f"{stop}.db")
        assert s.total.sum == 210 and s.attempt == 0
        assert s.history == whole.history and s.status.step == 6
    run(tmp_path / "skip.db", 30, within=True)
    s = run(tmp_path / "skip.db")
    assert s.total.sum == 180 and s.status.step == 6


class Total(pt.Module):
    def __init__(self) -> None:
        self.sum = 0


def test_what_follows_the_loop_may_log(tmp_path):
    def run():
        with pt.Session("b", dbinterface=str(tmp_path / "a.db")) as s:
            for b in s.loop([1, 2]):
                s.log(b=b)
            s.log({"test/accuracy": 0.5})
        return s

    s = run()
    first = s.history.records("test/accuracy")
    assert [(r["step"], r["value"]) for r in first] == [(2, 0.5)]
    status = str(s.status)
    again = run()
    assert str(again.status) == status and again.history == s.history
    record = pt.open(tmp_path / "a.db")["b"]
    assert set(record.latest) == {"train/b", "test/accuracy"}


def test_a_stopped_loop_of_ones_own_stays_stopped(tmp_path):
    def run(epochs):
        with pt.Session("b", dbinterface=str(tmp_path / "a.db")) as s:
            for b in s.loop([1, 2, 3], epochs=epochs):
                s.log(b=b)
                if b == 2 and s.epoch == 0:
                    s.stop()
        return s

    for _ in range(2):
        status = run(2).status
        assert status.outcome == "stopped" and status.step == 2
    assert run(3).status.step == 9


def test_an_interpreter_that_ends_in_mid_run_leaves_it_paused(tmp_path):
    text = """
        import sys
        sys.path.insert(0, {tests!r})
        from test_session import session
        s = session("a.db", save_params={{"every": "100 steps"}})
        s.step(5)
    """
    run_script(text.format(tests=os.path.dirname(__file__)), tmp_path)
    record = pt.open(tmp_path / "a.db")["run"]
    assert record.status.state == "paused" and record.status.step == 5
    assert record.checkpoints[-1]["step"] == 5


def test_a_complete_run_says_that_there_is_nothing_to_do(tmp_path, capfd):
    session(tmp_path / "a.db", epochs=1).run()
    assert "nothing to do" not in capfd.readouterr().err
    session(tmp_path / "a.db", epochs=1).run()
    said = capfd.readouterr().err
    assert "run: complete · success · new · 6 steps" in said
    assert "is complete; for more, train_params={'num_epochs': N}; for an" in said
    both = {"train_params": {"num_epochs": 1, "num_steps": 6}}
    session(tmp_path / "b.db", **both).run()
    session(tmp_path / "b.db", **both).run()
    said = capfd.readouterr().err
    assert "'num_steps': N}, of which the first to be reached ends it" in said
    stopped = session(tmp_path / "c.db", epochs=1)
    stopped.callbacks.on("end_of_training_step", stopped.stop)
    stopped.run()
    session(tmp_path / "c.db", epochs=1).run()
    said = capfd.readouterr().err
    assert "run was stopped; to go on, session.resume(), or train_params={'n" in said


def test_settings_are_given_when_a_session_is_made(tmp_path):
    s = session(tmp_path / "a.db", epochs=1)
    assert s.train_params == {"num_epochs": 1} and s.save_params["keep_last"] == 2
    for name in ("train_params", "validation_params", "save_params"):
        with pytest.raises(pt.errors.WrongState, match=f"{name} is given when"):
            setattr(s, name, {"num_steps": 2})
    s.run()
    assert s.step_count == 6


def test_nothing_is_announced_or_recorded_where_nothing_runs(tmp_path, caplog):
    path = tmp_path / "a.db"
    # By its whole name: another test's class of that name shadows it.
    detector = {"func": "ptutils.callbacks.NaNDetector"}
    session(path, epochs=2, callbacks=[detector]).run()
    with caplog.at_level("INFO", "ptutils"):
        session(path, epochs=1).run()
        assert "→" not in caplog.text
        session(path, epochs=3).run()
    assert "callbacks [{func: ptutils.callbacks.NaNDetector}] → []" in caplog.text
    assert "train_params.num_epochs 2 → 3 from step 12" in caplog.text
    edits = {e["path"]: (e["old"], e["new"]) for e in pt.open(path)["run"].edits}
    assert edits["callbacks"][1] == [] and edits["train_params.num_epochs"] == (2, 3)


def test_show_keeps_the_checkpoints_of_attempts_apart(tmp_path):
    s = session(tmp_path / "a.db", epochs=1, save_params={"every": "2 steps"})
    s.step(2)
    early = s.state_dict()
    s.step(2)
    s.load_state_dict(early)
    s.run()
    script = "from ptutils.cli import main; main(['show', 'run', '--db', 'a.db'])"
    lines = run_script(script, tmp_path).splitlines()
    at = next(i for i, line in enumerate(lines) if "checkpoints" in line)
    assert lines[at].split(None, 1)[1].startswith("0  step 0")
    assert lines[at + 1].split()[:2] == ["1", "step"]


def test_a_session_shows_its_name_status_and_step(tmp_path):
    s = session(tmp_path / "a.db", epochs=1)
    assert repr(s).startswith("Session 'run': pending")
    s.step(2)
    first, second, *_ = repr(s).splitlines()
    assert first.startswith("Session 'run': in-progress") and first.endswith("step 2")
    assert second.strip().startswith("model")


def test_a_run_in_a_daemon_thread_is_paused_when_the_process_ends(tmp_path):
    script = """
        import threading
        from test_session import session
        s = session("a.db", epochs=100_000)
        started = threading.Event()
        s.callbacks.on("end_of_epoch", started.set)
        threading.Thread(target=s.run, daemon=True).start()
        started.wait()
    """
    for _ in range(3):
        assert "Traceback" not in run_script(script, tmp_path)
    run = pt.open(tmp_path / "a.db")["run"]
    assert run.status.state == "paused" and run.status.step > 0


def test_a_run_whose_database_is_removed_ends_with_an_error(tmp_path):
    s = session(tmp_path / "a.db")

    def remove():
        for file in tmp_path.iterdir():
            file.unlink()

    s.callbacks.on("end_of_validation", remove)
    with pytest.raises(OSError, match="removed, moved or replaced"):
        s.run()


def test_a_full_disk_at_the_first_save_is_a_failure_in_the_record_too(tmp_path):
    script = """
        import resource, signal
        import numpy as np
        import ptutils as pt
        from ptutils import nn
        from test_session import session
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        s = session("a.db")
        s.big = nn.Linear(1000, 1000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, -1))
        try:
            s.run()
        except OSError as error:
            assert "free space" in str(error), error
        print(s.status.outcome, pt.open("a.db")["run"].status.outcome)
    """
    assert "failure failure" in run_script(script, tmp_path)


def other(path, hidden, features=8, **options):
    net = pt.nn.Sequential(pt.nn.Linear(features, hidden), pt.nn.Linear(hidden, 2))
    s = session(path, callbacks=[], **options)
    s.model.net = net
    s.model.optimizer = pt.optim.SGD(net.parameters(), lr=0.1)
    return s


def test_a_run_that_failed_before_its_first_step_is_begun_anew(tmp_path, caplog):
    with pytest.raises(pt.errors.WrongValue, match="in_features=3"):
        other(tmp_path / "a.db", 4, features=3).run()
    s = other(tmp_path / "a.db", 5).run()
    assert s.status.state == "complete" and s.attempt == 1
    assert [r for r in caplog.messages if "begins anew" in r] == [
        "run: has trained nothing yet and is not as it was: begins anew"
    ]
    with pytest.raises(pt.errors.WrongState, match=r"(?s)structure.*restart\(\)"):
        other(tmp_path / "a.db", 6).run()
    assert other(tmp_path / "a.db", 6).restart().attempt == 2


def test_an_attribute_that_comes_while_it_runs_is_told_when_it_is_loaded(tmp_path):
    class Counting(DataProvider):
        def request(self, session):
            self.seen = getattr(self, "seen", 0) + 1
            return {"phase": "train"}

    def run(steps):
        net = nn.Linear(3, 2)
        pt.Session(
            "late",
            model=pt.Model(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters())),
            dataprovider=Counting(
                train=ArrayDataset(np.zeros((8, 3), "f"), np.zeros(8, "i8")),
                batch_size=4,
            ),
            dbinterface=str(tmp_path / "a.db"),
            train_params={"num_steps": steps},
        ).run()

    run(2)
    with pytest.raises(RuntimeError, match=r"dataprovider.seen[^$]*set it in __init__"):
        run(4)
