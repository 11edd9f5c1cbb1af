"""Cycles through Modules are collected; nothing alive is cleared."""

from __future__ import annotations

import gc
import weakref

import pytest

import ptutils as pt
from ptutils import nn


class Node(pt.Module):
    def __init__(self) -> None:
        self.data = [1, 2, 3]


def collected(make, count: int = 50) -> int:
    """How many of `count` objects are still alive after a collection."""
    alive = []
    for _ in range(count):
        alive.append(weakref.ref(make()))
    gc.collect()
    return sum(ref() is not None for ref in alive)


def test_a_cycle_through_the_instance_dict_is_collected():
    def make():
        node = Node()
        node.me = node
        node.method = node.state_dict
        node.function = lambda: node
        return node

    assert collected(make) == 0


def test_a_parent_in_python_and_a_child_in_cpp_are_collected():
    def make():
        net = nn.Sequential(nn.Linear(2, 2))
        net[0].parent = net
        return net

    assert collected(make) == 0


def test_models_that_refer_back_are_collected():
    def make():
        model = pt.Model(net=nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
        model.net.owner = model
        model.callbacks.on("end_of_training_step", lambda: model)
        return model

    assert collected(make) == 0


def test_callbacks_that_refer_back_are_collected():
    class Watch(pt.Callback):
        def end_of_training_step(self):
            pass

    def make():
        node = Node()
        watch = Watch()
        watch.node = node
        node.callbacks.register_callback(watch)
        return node

    assert collected(make) == 0


def test_what_cpp_still_holds_is_not_cleared():
    net = nn.Sequential(nn.Linear(2, 2))
    layer = net[0]
    layer.note = {"self": layer}
    del layer
    gc.collect()
    assert net[0].note["self"] is net[0]


def test_collection_at_every_allocation_is_safe():
    class Early(pt.Module):
        def __init__(self):
            gc.collect()
            super().__init__()
            self.x = [self]
            gc.collect()

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(20):
            Early().state_dict()
            pt.Model(net=nn.Sequential(nn.Linear(1, 1))).state_dict()
    finally:
        gc.set_threshold(*before)


def test_sessions_with_torch_nets_that_refer_back_are_collected(tmp_path):
    torch = pytest.importorskip("torch")

    def make():
        net = torch.nn.Linear(2, 2)
        session = pt.Session("x", dbinterface=str(tmp_path / "a.db"), net=net)
        net.owner = session
        session.function = lambda: session
        return session

    assert collected(make, 10) == 0
