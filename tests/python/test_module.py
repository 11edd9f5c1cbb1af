"""Module from Python: attributes, children, states, copies, partial loads."""

from __future__ import annotations

import copy
import pickle
import re
import threading

import numpy as np
import pytest

import ptutils as pt
from ptutils import nn


class Inner(pt.Module):
    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.weights = np.arange(n, dtype=np.float32)
        self.count = n


class Outer(pt.Module):
    def __init__(self) -> None:
        self.inner = Inner()
        self.layers = [Inner(2), Inner(4)]
        self.table = {"a": Inner(1)}
        self.rate = 0.5
        self.tags = ["x", "y"]
        self._hidden = 1
        self.function = lambda: None


class NoInit(pt.Module):
    def __init__(self, value) -> None:
        self.value = value


def test_the_bare_class_is_not_callable_and_says_so():
    with pytest.raises(NotImplementedError, match="define __call__"):
        pt.Module()()


def test_a_subclass_need_not_call_super_init():
    module = NoInit(7)
    assert module.state_dict() == {"value": 7}
    assert module.callbacks is not None


def test_state_has_values_and_children_but_no_underscores_nor_functions():
    state = Outer().state_dict()
    assert list(state) == ["inner", "layers", "table", "rate", "tags"]
    assert isinstance(state, pt.State)
    assert list(state["layers"]) == ["0", "1"]
    assert state["layers"]["1"]["count"] == 4
    assert state["table"]["a"]["count"] == 1


def test_a_state_stays_what_it_was():
    module = Inner()
    state = module.state_dict()
    module.weights += 10
    module.count = 99
    assert state["weights"].tolist() == [0, 1, 2]
    assert state["count"] == 3


def test_an_alias_follows_the_module():
    module = Inner()
    state = module.state_dict(copy=False)
    module.weights += 10
    assert state["weights"].tolist() == [10, 11, 12]


def test_load_goes_back_exactly_and_does_not_alias():
    module = Outer()
    best = module.state_dict()
    module.inner.weights[:] = 7
    module.layers[0].count = 0
    module.rate = 1.0
    module.tags.append("z")
    module.load_state_dict(best)
    assert pt._core._identical(module.state_dict(), best)
    module.inner.weights[:] = 5
    assert best["inner"]["weights"].tolist() == [0, 1, 2]


def test_a_mismatch_lists_everything_and_changes_nothing():
    module = Outer()
    state = module.state_dict()
    state["inner"]["weigths"] = state["inner"].pop("weights")
    state["layers"]["0"]["weights"] = np.zeros(5, np.float32)
    state["surplus"] = 1
    del state["rate"]
    module.tags = ["kept"]
    with pytest.raises(RuntimeError) as caught:
        module.load_state_dict(state)
    text = str(caught.value)
    for part in ("inner.weights", "inner.weigths", "surplus", "rate"):
        assert part in text
    assert "layers.0.weights: shape (5,) f32, here shape (2,) f32" in text
    assert module.tags == ["kept"]


def test_partial_loads_by_names_regex_and_map():
    source, target = Outer().state_dict(), Outer()
    source["inner"]["weights"] += 1
    source["rate"] = 9.0
    target.load_state_dict(source, only=["inner"])
    assert target.inner.weights.tolist() == [1, 2, 3] and target.rate == 0.5
    target.load_state_dict(source, only=r"^rate$")
    assert target.rate == 9.0
    source = {"old": {"weights": np.full(3, 4, np.float32), "count": 3}}
    target.load_state_dict(source, remap={"old": "inner"})
    assert target.inner.weights.tolist() == [4, 4, 4]
    with pytest.raises(KeyError, match="no 'iner'"):
        target.load_state_dict(Outer().state_dict(), only=["iner"])
    target.load_state_dict({"other": 1, "rate": 2.0}, strict=False)
    assert target.rate == 2.0


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"only": "iner"}, KeyError, "'iner' matches no name.*inner"),
        ({"only": re.compile("^weights")}, KeyError, "matches no name"),
        ({"remap": {"iner": "x"}}, KeyError, "no 'iner'.*did you mean inner"),
        ({"remap": {"inner.wights": "x"}}, KeyError, "inner.weights"),
        ({"only": 3}, TypeError, "only is a list of names.*int"),
        ({"only": b"inner"}, TypeError, "only is a list of names.*bytes"),
        ({"only": ["inner", 3]}, TypeError, "only: names are text.*int"),
        ({"only": re.compile(b"inner")}, TypeError, "names are text.*bytes"),
        ({"remap": 3}, TypeError, "remap is a dict.*int"),
        ({"remap": "ab"}, TypeError, "remap is a dict.*str"),
        ({"remap": {3: "inner"}}, TypeError, "remap: names are text.*int"),
        ({"remap": {"inner": None}}, TypeError, "remap: names are text.*NoneType"),
    ],
)
def test_a_part_that_is_not_there_is_an_error(strict, options, error, message):
    target = Outer()
    with pytest.raises(error, match=message):
        target.load_state_dict(Outer().state_dict(), strict=strict, **options)


@pytest.mark.parametrize("container", [list, lambda xs: dict(enumerate(xs))])
@pytest.mark.parametrize(
    "items",
    [list, tuple, lambda xs: dict(enumerate(xs)), lambda xs: {"0": xs[0], 1: xs[1]}],
)
def test_children_in_a_container_take_a_list_or_numbers_as_keys(container, items):
    class Sub(pt.Module):
        def __init__(self, value):
            self.a = np.full(1, value)

    top = pt.Module()
    top.subs = container([Sub(0.0), Sub(0.0)])
    state = [{"a": np.ones(1)}, {"a": np.full(1, 2.0)}]
    top.load_state_dict({"subs": items(state)})
    assert [float(top.subs[i].a[0]) for i in range(2)] == [1.0, 2.0]
    with pytest.raises(pt.errors.WrongState, match="missing in the state: subs.1.a"):
        top.load_state_dict({"subs": state[:1]})
    with pytest.raises(pt.errors.WrongState, match="unexpected in the state: subs.2.a"):
        top.load_state_dict({"subs": [*state, state[0]]})


def test_a_flat_state_loads_too():
    module = Outer()
    flat = module.state_dict().flat()
    assert "layers.1.weights" in flat
    module.inner.weights[:] = 0
    module.load_state_dict(flat)
    assert module.inner.weights.tolist() == [0, 1, 2]


def test_meta_excludes_includes_and_may_refuse():
    class Excludes(pt.Module):
        class Meta:
            exclude = ["b"]

        def __init__(self):
            self.a, self.b = 1, 2

    class Includes(Excludes):
        class Meta:
            include = ["b"]

    class Refuses(pt.Module):
        class Meta:
            unserializable = "error"

        def __init__(self):
            self.f = lambda: None

    class Misspelt(pt.Module):
        class Meta:
            exlude = ["a"]

    assert Excludes().state_dict() == {"a": 1}
    assert Includes().state_dict() == {"b": 2}
    with pytest.raises(TypeError, match="f.*cannot be saved"):
        Refuses().state_dict()
    with pytest.raises(KeyError, match="exclude"):
        Misspelt().state_dict()


def test_an_overridden_state_is_used_by_the_parent():
    class Own(pt.Module):
        def state_dict(self, copy=True):
            return {"mine": 5}

        def load_state_dict(self, state, **_):
            self.loaded = state["mine"]

    class Extends(Inner):
        def state_dict(self, copy=True):
            return {**super().state_dict(), "extra": 1}

        def load_state_dict(self, state, **_):
            state = dict(state)
            self._extra = state.pop("extra")
            super().load_state_dict(state)

    class Parent(pt.Module):
        def __init__(self):
            self.own, self.extends = Own(), Extends()

    parent = Parent()
    state = parent.state_dict()
    assert state["own"] == {"mine": 5} and state["extends"]["extra"] == 1
    state["own"]["mine"] = 6
    state["extends"]["count"] = 8
    parent.load_state_dict(state)
    assert parent.own.loaded == 6
    assert parent.extends.count == 8 and parent.extends._extra == 1


def test_native_children_keep_their_python_attributes_and_identity():
    class Holder(pt.Module):
        def __init__(self):
            self.net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())

    holder = Holder()
    holder.net.note = 3
    first = holder.net[0]
    first.mark = "here"
    del first
    import gc

    gc.collect()
    assert holder.net[0].mark == "here"
    assert holder.net[0] is holder.net[0]
    assert holder.state_dict()["net"]["note"] == 3


def test_a_child_that_is_its_own_ancestor_is_left_out():
    parent, child = pt.Module(), pt.Module()
    parent.child, child.parent, child.n = child, parent, 1
    assert parent.state_dict() == {"child": {"n": 1}}
    assert [name for name, _ in parent.named_modules()][:2] == ["", "child"]


def test_tree_walks():
    outer = Outer()
    names = [name for name, _ in outer.named_children()]
    assert names == ["inner", "layers.0", "layers.1", "table.a"]
    assert list(outer.children())[0] is outer.inner
    seen = []
    outer.apply(lambda m: seen.append(m))
    assert seen[-1] is outer and len(seen) == 5
    assert outer["layers.1"] is outer.layers[1]
    assert "layers.0: " in repr(outer)
    outer.eval()
    assert not outer.layers[1].training


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_keep_types_cycles_and_sharing(duplicate):
    outer = Inner(3)
    outer.child = NoInit([1, (2, "x")])
    outer.child.parent = outer
    outer.same = outer.child
    other = duplicate(outer)
    assert type(other) is Inner and type(other.child) is NoInit
    assert other.child.parent is other and other.same is other.child
    assert other.child.value == [1, (2, "x")]
    other.weights[0] = 42
    assert outer.weights[0] == 0


class Handle(pt.Module):
    """What it has open is left out of copies."""

    def __init__(self):
        super().__init__()
        self.open, self.child = threading.Lock(), Inner(2)

    def __getstate__(self):
        return {**vars(self), "open": None}


class Reopened(Handle):
    def __getstate__(self):
        return ("child", self.child)

    def __setstate__(self, state):
        super().__setstate__({"child": state[1]})
        self.open = "again"


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_class_says_itself_what_is_pickled(duplicate):
    for cls, opened in ((Handle, None), (Reopened, "again")):
        before = cls().eval()
        after = duplicate(before)
        assert type(after) is cls and after.open == opened and not after.training
        assert after.child.weights.tolist() == before.child.weights.tolist()
        assert [name for name, _ in after.named_children()] == ["child"]

    class Odd(Handle):
        def __getstate__(self):
            return 5

    with pytest.raises(TypeError, match="give a dict of attributes"):
        copy.copy(Odd())


def test_a_shallow_copy_shares_attributes():
    inner = Inner()
    other = copy.copy(inner)
    assert other is not inner and other.weights is inner.weights


def test_configuration_remembers_constructor_arguments():
    config = Inner(5).to_config()
    assert config["func"].endswith("Inner") and config["n"] == 5
    again = Inner.from_config(config)
    assert again.count == 5 and type(again) is Inner
    net = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    built = nn.Sequential.from_config(net.to_config())
    assert built.to_config() == net.to_config()


def test_from_meta_builds_or_restores_in_place():
    trained = Inner(4)
    trained.weights += 3
    new = Inner.from_meta(config={"n": 4}, state=trained.state_dict())
    assert new.weights.tolist() == trained.weights.tolist()
    same = Inner(4)
    assert same.from_meta(state=trained.state_dict()) is same
    assert same.weights.tolist() == trained.weights.tolist()


def test_layouts_that_python_cannot_combine_fail_and_others_work():
    import abc
    import dataclasses
    from typing import Generic, TypeVar

    with pytest.raises(TypeError):
        type("X", (pt.Module, dict), {})
    with pytest.raises(TypeError):
        type("X", (pt.Module, Exception), {})
    with pytest.raises(TypeError):
        abc.ABCMeta("X", (pt.Module,), {})
    kind = TypeVar("kind")

    class Typed(pt.Module, Generic[kind]):
        pass

    class Slotted(pt.Module):
        __slots__ = ("x",)

    @dataclasses.dataclass(eq=False)
    class Data(pt.Module):
        n: int = 1

    assert Typed().state_dict() == {}
    Slotted().x = 1
    assert Data(3).state_dict() == {"n": 3}


def test_public_paths_are_what_pickles_and_configurations_name():
    assert pt.Module.__module__ == "ptutils"
    assert pt.Session.__module__ == "ptutils"
    assert nn.Linear.__module__ == "ptutils.nn"
    assert nn.Linear(1, 1).to_config()["func"] == "ptutils.nn.Linear"


def test_keys_with_dots_in_a_dict_of_modules_are_refused():
    module = pt.Module()
    module.table = {"a.b": pt.Module()}
    with pytest.raises(KeyError, match="a.b"):
        module.state_dict()


def _with_meta(**choices: object) -> pt.Module:
    meta = type("Meta", (), choices)
    module = type("Chosen", (pt.Module,), {"Meta": meta})()
    module.weight, module.bias, module._hidden = 1, 2, 3
    return module


def test_an_included_name_may_begin_with_an_underscore():
    module = _with_meta(include=["weight", "_hidden"])
    assert module.state_dict() == {"weight": 1, "_hidden": 3}
    module.load_state_dict({"weight": 5, "_hidden": 6})
    assert (module.weight, module._hidden) == (5, 6)


def test_an_included_name_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="no attribute 'wieght'; did you mean weight?"):
        _with_meta(include=["wieght"]).state_dict()
    with pytest.raises(KeyError, match="no attribute '_p'"):
        _with_meta(include=["_p"]).state_dict()


def test_the_path_in_an_error_is_short():
    deep: dict[str, object] = {}
    inner = deep
    for _ in range(700):
        inner["a"] = {}
        inner = inner["a"]
    itself: list[object] = []
    itself.append(itself)
    module = pt.Module()
    for value in (deep, itself):
        module.x = value
        with pytest.raises(ValueError, match="nested deeper than 500") as error:
            module.state_dict()
        assert len(str(error.value)) < 100
        assert str(error.value).startswith("[x.")


@pytest.mark.parametrize("kind", [list, dict])
def test_a_container_of_modules_that_holds_itself_is_an_error(kind: type):
    part = nn.Linear(1, 1)
    itself = kind([part] if kind is list else {"a": part})
    itself.append(itself) if kind is list else itself.update(b=itself)
    module = type("Keeps", (pt.Module,), {"__init__": lambda self, x: None})(itself)
    module.xs = itself
    for use in (module.state_dict, module.named_modules, module.train):
        with pytest.raises(ValueError, match=r"\[xs\] nested deeper than 500"):
            list(use())
    with pytest.raises(ValueError, match="nested deeper than 500"):
        repr(module)
    with pytest.raises(ValueError, match="nested deeper than 500"):
        module.to_config()


def test_a_pattern_of_a_partial_load_neither_crashes_nor_hangs():
    module = pt.Module()
    setattr(module, "x" * 200_000, 1.0)
    module.load_state_dict(module.state_dict(), only="(x|y)*")
    setattr(module, "layer_" * 5, 1.0)
    with pytest.raises(ValueError, match="only: '.*' takes too long"):
        module.load_state_dict(module.state_dict(), only="([a-z_]+)+[XY]")


def test_statistics_and_histories_compare_by_value():
    a, b = pt.Statistic(), pt.Statistic()
    assert a == b and a != 3 and pickle.loads(pickle.dumps(a)) == a
    a.update(2.5)
    a.update(float("nan"))
    assert a != b and pickle.loads(pickle.dumps(a)) == a
    b.update(2.5)
    assert a != b
    b.update(float("nan"))
    assert a == b
    history = pt.History()
    history.log("loss", 1.0, step=1)
    assert pickle.loads(pickle.dumps(history)) == history
    assert history != pt.History() and history != 3
