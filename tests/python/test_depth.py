"""Trees of modules that are too deep, or their own ancestors: an error each."""

import copy
import gc
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ptutils as pt
from ptutils import nn

X = np.ones((2, 3), np.float32)


class Part(pt.Module):
    def __init__(self, child: Any = None) -> None:
        self.child = child


def chain(depth: int, link: Callable[[Any], Any]) -> Any:
    top = link(None)
    for _ in range(depth):
        top = link(top)
    return top


def sequence(inner: Any) -> nn.Sequential:
    return nn.Sequential(inner) if inner else nn.Sequential()


def test_a_sequence_that_contains_itself_is_an_error_when_called() -> None:
    own = nn.Sequential(nn.ReLU())
    own.append(own)
    one = nn.Sequential(nn.ReLU())
    two = nn.Sequential(one)
    one.append(two)
    for net in (own, one, two):
        with pytest.raises(ValueError, match="does it contain itself"):
            net(X)
        with pytest.raises(ValueError, match="does it contain itself"):
            net.to_config()


@pytest.mark.parametrize("link", [Part, sequence])
def test_deep_trees_are_errors(link: Callable[[Any], Any], tmp_path: Path) -> None:
    shallow = chain(300, link)
    assert repr(shallow.state_dict()) and shallow.to_config() and repr(shallow)
    deep = chain(20_000, link)
    works: list[Callable[[], Any]] = [
        deep.state_dict,
        lambda: deep.load_state_dict({"child": {"child": {}}, "0": {"0": {}}}),
        deep.to_config,
        deep.named_modules,
        deep.train,
        lambda: repr(deep),
        lambda: pt.save(tmp_path / "deep.json", deep),
    ]
    for work in works:
        with pytest.raises(ValueError, match="deeper than 500"):
            work()
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RecursionError):
            copied(deep)


DROPPED = """
import gc, ptutils as pt
from ptutils import nn
part = sequence = None
for _ in range(40_000):
    sequence = nn.Sequential(*filter(None, [sequence]))
    outer = pt.Module()
    outer.child = part
    part = outer
del sequence, part, outer
knot = sequence = nn.Sequential()
for _ in range(40_000):
    sequence = nn.Sequential(sequence)
knot.append(sequence)
del knot, sequence
gc.collect()
"""


def test_deep_trees_are_let_go_of() -> None:
    gc.collect()
    done = subprocess.run([sys.executable, "-c", DROPPED], timeout=60)
    assert done.returncode == 0
