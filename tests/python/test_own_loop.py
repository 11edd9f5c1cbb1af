"""Loops of one's own with torch: exact resume in mid-epoch, rollback, logging."""

from __future__ import annotations

import logging
import os
import random

import numpy as np
import pytest

import ptutils as pt

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset, TensorDataset  # noqa: E402

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()


class Noisy(Dataset):
    """Draws from every global stream."""

    def __len__(self):
        return 60

    def __getitem__(self, i):
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return X[i] + 0.01 * noise, Y[i]


class Stopped(Exception):
    pass


def loader_of(kind):
    if kind == "noisy":
        return DataLoader(Noisy(), batch_size=8, shuffle=True)
    if kind == "generator":
        g = torch.Generator().manual_seed(3)
        return DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True, generator=g)
    if kind == "workers":
        return DataLoader(
            TensorDataset(X, Y), batch_size=8, shuffle=True, num_workers=1
        )
    if kind == "noisy workers":
        return DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=1)
    if kind == "ours":
        return pt.data.DataLoader(
            TensorDataset(X, Y), batch_size=8, shuffle=True, output="torch"
        )
    return [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 60, 8)]


def train(path, kind="noisy", *, epochs=3, pause_at=(), body=None, exp_id="own"):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 8),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(8, 2),
    )
    opt = torch.optim.AdamW(net.parameters(), 1e-2)
    with pt.Session(
        exp_id,
        dbinterface=str(path),
        seed=0,
        net=net,
        opt=opt,
        save_params={"every": "3 steps"},
    ) as s:
        for x, y in s.loop(loader_of(kind), epochs=epochs):
            loss = torch.nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            s.log(loss=loss)
            if s.every("1 epoch"):
                s.log({"val/size": float(net[0].weight.detach().abs().sum())})
            if s.step_count + 1 in pause_at:
                s.pause()
            if body is not None:
                body(s, net)
    return s


def same(a, b) -> bool:
    return pt._core._identical(a, b)


KINDS = ["noisy", "generator", "workers", "noisy workers", "ours", "list"]


@pytest.mark.parametrize("kind", KINDS)
def test_paused_in_mid_epoch_equals_uninterrupted(tmp_path, kind):
    whole = train(tmp_path / "whole.db", kind)
    assert whole.status.state == "complete" and whole.status.step == 24
    for at in (3, 8, 9, 13, 20, 99):
        s = train(tmp_path / "parts.db", kind, pause_at=(at,))
    assert s.status.state == "complete" and s.attempt == 0
    assert same(s.state_dict(), whole.state_dict())
    assert s.history == whole.history


def test_an_exception_is_a_failure_and_the_next_run_goes_on(tmp_path):
    whole = train(tmp_path / "whole.db")

    def fail(s, net):
        if s.step_count == 10:
            raise Stopped("here")

    with pytest.raises(Stopped):
        train(tmp_path / "a.db", body=fail)
    run = pt.open(str(tmp_path / "a.db"))["own"]
    assert run.status.outcome == "failure" and "Stopped: here" in run.status.exception
    s = train(tmp_path / "a.db")
    assert s.attempt == 1
    assert same(s.state_dict(), whole.state_dict())
    assert s.history == whole.history


def test_going_back_in_the_loop(tmp_path):
    whole = train(tmp_path / "whole.db")
    kept = {}

    def back(s, net):
        if s.step_count + 1 == 5 and not kept:
            kept["best"] = s.state_dict()
        if s.step_count + 1 == 15 and "done" not in kept:
            kept["done"] = True
            s.load_state_dict(kept["best"])
            assert same(s.state_dict(), kept["best"])

    s = train(tmp_path / "a.db", body=back)
    assert s.attempt == 1
    assert same(s.state_dict(), whole.state_dict())
    assert s.history == whole.history


def test_breaking_out_pauses(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Linear(6, 2)
    with pt.Session("b", dbinterface=str(tmp_path / "a.db"), net=net) as s:
        for i, _ in enumerate(s.loop(loader_of("list"), epochs=2)):
            if i == 3:
                break
    assert s.status.state == "paused"


def test_many_logs_are_durable_and_once(tmp_path):
    with pt.Session(
        "logs", dbinterface=str(tmp_path / "a.db"), net=torch.nn.Linear(1, 1)
    ) as s:
        for _ in s.loop([0] * 500, epochs=2):
            s.log({f"m/{i}": i * 0.5 for i in range(10)})
    history = pt.open(str(tmp_path / "a.db"))["logs"].history
    assert [r["step"] for r in history.records("m/3")] == list(range(1, 1001))


def test_loop_wants_with_and_a_loader(tmp_path):
    s = pt.Session("x", dbinterface=str(tmp_path / "a.db"), net=torch.nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="with pt.Session"):
        next(s.loop([1]))
    with s:
        with pytest.raises(TypeError, match="cannot be resumed"):
            next(s.loop(iter([1])))
        with pytest.raises(TypeError, match="cannot be iterated"):
            next(s.loop(3))
    assert s.status.state == "paused"


class Longer:
    """Says 3, and gives 5."""

    def __len__(self):
        return 3

    def __iter__(self):
        return iter(range(5))


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_loader_longer_than_it_says_is_an_error(tmp_path, epochs):
    net = torch.nn.Linear(1, 1)
    with (
        pytest.raises(pt.errors.WrongState, match="more batches than its length, 3"),
        pt.Session("long", dbinterface=str(tmp_path / "a.db"), net=net) as s,
    ):
        for _ in s.loop(Longer(), epochs=epochs):
            pass
    assert s.status.outcome == "failure"


def test_a_second_loop_is_told_that_the_first_has_ended(tmp_path):
    net = torch.nn.Linear(1, 1)
    with pt.Session("two", dbinterface=str(tmp_path / "a.db"), net=net) as s:
        list(s.loop([1, 2], epochs=1))
        with pytest.raises(pt.errors.WrongState, match="one loop a session.*has ended"):
            list(s.loop([1, 2], epochs=1))


def test_a_schedule_is_no_edit(tmp_path):
    net = torch.nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(opt, 1, gamma=0.5)
    with pt.Session(
        "s",
        dbinterface=str(tmp_path / "a.db"),
        net=net,
        opt=opt,
        schedule=schedule,
        save_params={"every": "1 step"},
    ) as s:
        for _ in s.loop([1, 2, 3]):
            opt.step()
            schedule.step()
            if s.step_count == 1:
                opt.param_groups[0]["weight_decay"] = 0.5
    assert opt.param_groups[0]["lr"] < 0.1
    assert [(e["step"], e["path"]) for e in s.edits] == [(2, "opt.weight_decay")]


@pytest.mark.parametrize("name", ["epochs", "steps"])
@pytest.mark.parametrize("value", ["2", 1.5, float("nan"), 0, -1])
def test_a_loop_counts_in_whole_numbers(tmp_path, name, value):
    kind = TypeError if isinstance(value, (str, float)) else ValueError
    net = torch.nn.Linear(1, 1)
    with pt.Session("n", dbinterface=str(tmp_path / "a.db"), net=net) as s:
        with pytest.raises(kind, match=rf"\[Session.loop\] {name} is") as error:
            list(s.loop([1, 2], **{name: value}))
        assert isinstance(error.value, pt.Error)


@pytest.mark.parametrize("own_loader", [False, True])
def test_run_of_a_torch_net(tmp_path, own_loader):
    data = TensorDataset(X, Y)
    train_data = DataLoader(data, batch_size=10, shuffle=True) if own_loader else data
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    model = pt.Model(
        net, torch.nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1)
    )
    s = pt.Session(
        "torch",
        model=model,
        dataprovider=pt.data.DataProvider(train=train_data, val=data, batch_size=10),
        dbinterface=str(tmp_path / "a.db"),
        train_params={"num_epochs": 4},
        validation_params={"val": {"every": "1 epoch"}},
    ).run()
    assert s.model.net is net
    assert s.history.last("val/accuracy") > 0.7
    losses = [r["value"] for r in s.history.records("train/loss")]
    assert len(losses) == 24 and losses[-1] < losses[0]


def test_ctrl_c_says_where_it_paused_unless_warnings_are_off(tmp_path, capfd):
    def interrupted():
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "a.db", body=lambda s, net: os.kill(os.getpid(), 2))
        return capfd.readouterr().err

    assert "own: paused at step 1; go on by running it again\n" in interrupted()
    logger = logging.getLogger("ptutils")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        assert "paused" not in interrupted()
    finally:
        logger.setLevel(before)


def test_a_loop_that_failed_in_its_first_step_is_begun_anew_with_another_net(tmp_path):
    def run(hidden, fail=False):
        net = torch.nn.Linear(hidden, 1)
        with pt.Session("own", dbinterface=tmp_path / "a.db", net=net) as s:
            for _ in s.loop([1, 2]):
                if fail:
                    raise Stopped
        return s

    with pytest.raises(Stopped):
        run(3, fail=True)
    assert run(4).attempt == 1
    with pytest.raises(pt.errors.WrongState, match="does not fit"):
        run(5)
