"""Gradients summed up over several batches are state of a loop of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils import nn, optim

X = np.random.default_rng(0).normal(size=(16, 4, 4)).astype(np.float32)


def torch_step(net: Any, opt: Any, x: np.ndarray, step: int) -> None:
    (net(torch.from_numpy(x)).pow(2).mean() / 4).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)  # those of all
    if step % 4 == 3:
        opt.step()
        opt.zero_grad()


def native_step(net: Any, opt: Any, x: np.ndarray, step: int) -> None:
    out = net(pt.Tensor(x))
    (out * out).mean().backward()
    if step % 4 == 3:
        opt.step()
        opt.zero_grad()


def torch_parts() -> tuple[Any, Any]:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 1))
    return net, torch.optim.SGD(net[0].parameters(), lr=0.1)  # not of all


def native_parts() -> tuple[Any, Any]:
    pt.seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))
    return net, optim.SGD(net[0].parameters(), lr=0.1)


KINDS: dict[str, Any] = {
    "torch": (torch_parts, torch_step),
    "native": (native_parts, native_step),
}


def run(path: Path, kind: str, until: int = 99) -> tuple[Any, list[Any]]:
    parts, step = KINDS[kind]
    net, opt = parts()
    with pt.Session("run", dbinterface=path, net=net, opt=opt) as s:
        for x in s.loop(list(X), epochs=1):
            step(net, opt, x, s.step_count)
            if s.step_count + 1 == until:
                break
    return s, [p.detach().numpy().tolist() for p in net.parameters()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("until", [4, 5, 7])
def test_a_pause_between_two_steps_of_the_optimizer(
    tmp_path: Path, kind: str, until: int
) -> None:
    whole = run(tmp_path / "a.db", kind)[1]
    assert run(tmp_path / "b.db", kind, until)[1] != whole
    assert run(tmp_path / "b.db", kind)[1] == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_rollback_takes_gradients_back(tmp_path: Path, kind: str) -> None:
    whole = run(tmp_path / "a.db", kind)[1]
    parts, step = KINDS[kind]
    net, opt = parts()
    state: Any = None
    with pt.Session("run", dbinterface=tmp_path / "b.db", net=net, opt=opt) as s:
        for x in s.loop(list(X), epochs=1):
            step(net, opt, x, s.step_count)
            if s.step_count == 5 and state is None:
                state = s.state_dict()  # of the end of this step
            if s.step_count == 9 and s.attempt == 0:
                s.load_state_dict(state)
    assert s.attempt == 1
    assert [p.detach().numpy().tolist() for p in net.parameters()] == whole


def test_gradients_that_were_used_are_no_state(tmp_path: Path) -> None:
    net = torch.nn.Linear(4, 1)
    opt = torch.optim.Adam(net.parameters())
    with pt.Session("run", dbinterface=tmp_path / "a.db", net=net, opt=opt) as s:
        for x in s.loop(list(X), epochs=1):
            opt.zero_grad()
            net(torch.from_numpy(x)).mean().backward()
            assert set(s.state_dict()["loader"].get("gradients", {})) == {
                "net.weight",
                "net.bias",
            }
            opt.step()
            assert "gradients" not in s.state_dict()["loader"]
    assert net.weight.grad is not None
    assert not opt._optimizer_step_post_hooks
