"""SIGKILL at random moments: resumed equals uninterrupted, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, full

import ptutils as pt

NATIVE = """
import sys, time, numpy as np, ptutils as pt
from ptutils import nn, optim
from ptutils.data import ArrayDataset, DataProvider
rng = np.random.default_rng(0)
x = rng.normal(size=(256, 8)).astype(np.float32)
y = (x.sum(1) > 0).astype(np.int64)
pt.seed(0)
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(.2), nn.Linear(32, 2))
s = pt.Session("run", seed=0,
    model=pt.Model(net, nn.CrossEntropyLoss(), optim.Adam(net.parameters(), lr=1e-2)),
    dataprovider=DataProvider(train=ArrayDataset(x, y), val=ArrayDataset(x, y),
                              batch_size=16),
    dbinterface=sys.argv[1], train_params={"num_epochs": 12},
    validation_params={"val": {"every": "1 epoch"}},
    save_params={"every": "7 steps", "keep_last": 2, "keep_best": "val/accuracy"})
s.callbacks.on("end_of_training_step", lambda: time.sleep(.004))
print("ready", flush=True)
s.run()
"""

OWN = """
import sys, time, torch, ptutils as pt
from torch.utils.data import DataLoader, TensorDataset
g = torch.Generator().manual_seed(1)
x = torch.randn(128, 8, generator=g)
y = (x.sum(1) > 0).long()
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(.2),
                          torch.nn.Linear(16, 2))
opt = torch.optim.AdamW(net.parameters(), 1e-2)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
print("ready", flush=True)
with pt.Session("run", dbinterface=sys.argv[1], seed=0, net=net, opt=opt,
                save_params={"every": "5 steps"}) as s:
    for a, b in s.loop(loader, epochs=15):
        loss = torch.nn.functional.cross_entropy(net(a), b)
        opt.zero_grad(); loss.backward(); opt.step()
        s.log(loss=loss)
        time.sleep(.004)
"""


def start(code, database):
    return subprocess.Popen(
        [sys.executable, "-c", code, str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
    )


def finish(code, database):
    process = start(code, database)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()


def last_state(database):
    run = pt.open(str(database))["run"]
    return run.state("last"), run.history, run


def kill_and_compare(code, tmp_path, kills, longest):
    finish(code, tmp_path / "whole.db")
    expected, history, _ = last_state(tmp_path / "whole.db")
    rng = random.Random(int.from_bytes(os.urandom(4), "big"))
    database = tmp_path / "killed.db"
    done = 0
    while done < kills:
        if database.exists() and pt.open(str(database)):
            run = pt.open(str(database))["run"]
            if run.status.state == "complete":  # it was quicker: another run
                check(database, expected, history)
                database = tmp_path / f"killed{done}.db"
        process = start(code, database)
        process.stdout.readline()
        time.sleep(rng.uniform(0, longest))
        process.kill()
        process.wait()
        done += 1
        runs = pt.open(str(database)) if database.exists() else []
        for run in runs:
            assert run.status.lost or run.status.state in ("complete", "pending")
    finish(code, database)
    check(database, expected, history)


def check(database, expected, history):
    state, mine, run = last_state(database)
    assert pt._core._identical(state, expected)
    assert mine == history
    for name in mine.names():
        keys = [(r["attempt"], r["step"]) for r in mine.records(name, True)]
        assert len(keys) == len(set(keys))
    assert run.status.state == "complete" and run.status.outcome == "success"


def test_native_runs_killed_at_random_moments(tmp_path):
    kill_and_compare(NATIVE, tmp_path, full(6, 30), 1.0)


def test_own_torch_loops_killed_at_random_moments(tmp_path):
    pytest.importorskip("torch")
    kill_and_compare(OWN, tmp_path, full(3, 15), 1.2)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signals_leave_a_paused_session(tmp_path, number, code):
    finish(NATIVE, tmp_path / "whole.db")
    expected, history, _ = last_state(tmp_path / "whole.db")
    process = start(NATIVE, tmp_path / "a.db")
    process.stdout.readline()
    time.sleep(0.4)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    # A script that SIGINT ends dies of it, as Python scripts do.
    assert process.returncode in (code, -number), err.decode()
    run = pt.open(str(tmp_path / "a.db"))["run"]
    assert run.status.state == "paused" and not run.status.lost
    finish(NATIVE, tmp_path / "a.db")
    check(tmp_path / "a.db", expected, history)
    assert pt.open(str(tmp_path / "a.db"))["run"].status.attempt == 0


def test_a_second_process_is_told_who_runs_it(tmp_path):
    process = start(NATIVE, tmp_path / "a.db")
    process.stdout.readline()
    time.sleep(0.5)
    second = start(NATIVE, tmp_path / "a.db")
    _, err = second.communicate(timeout=20)
    process.kill()
    process.wait()
    assert second.returncode == 1
    assert f"pid {process.pid}" in err.decode()
    assert pt.open(str(tmp_path / "a.db"))["run"].status.lost
