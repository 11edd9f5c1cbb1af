"""State and Configuration: dictionaries with dot access."""

from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

import ptutils as pt
from ptutils import Configuration, State, nn


def test_dots_and_brackets_reach_the_same() -> None:
    s = State({"model": {"net": {"weight": 1.5}}, "step": 7})
    assert s.model.net.weight == s["model"]["net"]["weight"] == 1.5
    assert s["model.net.weight"] == 1.5 and s.step == 7
    assert isinstance(s.model, State) and s.model is s.model is s["model"]


def test_writing_through_any_access_is_in_the_whole() -> None:
    s = State({"a": {"b": {"c": 1}}, "d": {}})
    s.a.b.c = 2
    s["a"]["b"]["e"] = 3
    s["d"]["x"] = {"y": 4}
    s.d.x.y += 1
    for _, part in s.items():
        part["seen"] = True
    s.get("a")["late"] = 1
    assert s == {
        "a": {"b": {"c": 2, "e": 3}, "seen": True, "late": 1},
        "d": {"x": {"y": 5}, "seen": True},
    }


def test_an_exact_key_comes_before_a_path() -> None:
    s = State({"a.b": 1, "a": {"b": 2, "c.d": 3}})
    assert s["a.b"] == 1 and s["a.c.d"] == 3 and s.a.b == 2
    assert "a.c.d" in s and "a.c.x" not in s and s.get("a.c.d") == 3
    assert State({"xs": [{"y": 1}], 3: {"z": 2}})["xs.0.y"] == 1
    assert State({3: {"z": 2}})["3.z"] == 2


def test_a_dotted_key_sets_and_removes_what_it_reads() -> None:
    net = nn.Sequential(nn.Linear(2, 1))
    s = net.state_dict()
    s["0.weight"] = np.full((1, 2), 7, np.float32)
    s["0.extra"] = 1
    assert list(s) == ["0"] and s["0"].extra == 1
    assert s.pop("0.extra") == 1 and s.pop("0.extra", None) is None
    net.load_state_dict(s)
    assert np.array(net[0].weight).tolist() == [[7, 7]]
    s["0.weight"] = np.zeros((4, 5), np.float32)
    with pytest.raises(pt.errors.WrongState, match=r"0\.weight: shape"):
        net.load_state_dict(s)
    s.update({"0.bias": 3}, late=1)
    s |= {"0.weight": 4}
    assert s == {"0": {"weight": 4, "bias": 3}, "late": 1}
    del s["0.bias"]
    assert s.setdefault("0.weight", 9) == 4 and s.setdefault("0.bias", 8) == 8
    assert s.flat() == {"0.weight": 4, "0.bias": 8, "late": 1}
    with pytest.raises(KeyError):
        del s["0.other"]
    c = Configuration({"callbacks": [{"every": 1}], "a.b": 1})
    c["callbacks.0.every"] = 2
    c["a.b"], c["x.y"] = 3, 4  # no way leads there: names with dots
    assert dict(c) == {"callbacks": [{"every": 2}], "a.b": 3, "x.y": 4}


def test_a_name_with_a_dot_beside_a_nested_one_stays_in_copies() -> None:
    s = State({"a": {"b": 1}, "a.b": 2})
    packed = pickle.loads(pickle.dumps(s))
    for again in (copy.copy(s), copy.deepcopy(s), packed, State(s), State().assign(s)):
        assert type(again) is State and list(again) == ["a", "a.b"]
        assert again.a.b == 1 and again["a.b"] == 2


def test_an_unknown_name_names_the_nearest() -> None:
    s = State(weight=1, bias=2)
    with pytest.raises(KeyError, match="weight") as e:
        s["wieght"]
    assert isinstance(e.value, pt.errors.UnknownName)
    with pytest.raises(AttributeError, match="did you mean weight"):
        s.weigth  # noqa: B018
    with pytest.raises(AttributeError, match="weight"):
        del s.other
    assert s.get("other", 5) == 5 and not hasattr(s, "other")


def test_methods_win_over_keys() -> None:
    s = State(items=3, copy=4)
    assert callable(s.items) and s["items"] == 3
    with pytest.raises(AttributeError, match=r"s\['items'\] = "):
        s.items = 5
    with pytest.raises(AttributeError, match=r"s\['state'\] = "):
        s.state = 5
    s["items"] = 6
    assert dict(s) == {"items": 6, "copy": 4}


@pytest.mark.parametrize("cls", [State, Configuration])
def test_the_identity_law(cls: type) -> None:
    s = cls(a=1)
    assert s(1, x=2) is s.state_dict() is s.state(3) is s.load_state_dict({"a": 9}) is s
    assert s.load_state({}) is s and s == {"a": 1}


def test_flat_and_back() -> None:
    s = State(conv1={"weight": 1, "bias": 2}, empty={}, step=3)
    flat = s.flat()
    assert flat == {"conv1.weight": 1, "conv1.bias": 2, "empty": {}, "step": 3}
    assert list(flat) == ["conv1.weight", "conv1.bias", "empty", "step"]
    assert State.from_flat(flat) == s and type(State.from_flat(flat).conv1) is State
    with pytest.raises(ValueError, match="a.b"):
        State({"a.b": 1, "a": {"b": 2}}).flat()
    for clash in ({"a": 1, "a.b": 2}, {"a.b": 1, "a": 2}, {"a": {}, "a.b": 2}):
        with pytest.raises(ValueError, match="hide"):
            State.from_flat(clash)


def test_assign_takes_over_and_keeps_the_parts() -> None:
    s = State(net={"w": 1, "old": 0}, step=1)
    net = s.net
    assert s.assign({"step": 2, "net": {"w": 5}, "new": 1}) is s
    assert s == {"step": 2, "net": {"w": 5}, "new": 1} and s.net is net
    assert list(s) == ["step", "net", "new"] and net.w == 5
    assert s.assign(s) is s and s.assign(torch.nn.Linear(1, 1)).bias.shape == (1,)
    with pytest.raises(TypeError, match="assign"):
        s.assign(3)


@pytest.mark.parametrize("cls", [State, Configuration])
def test_copies_keep_the_class_and_what_is_inside(cls: type) -> None:
    s = cls(a={"b": [1]}, t=np.ones(2))
    s.a.c = 1
    for other in (
        copy.copy(s),
        s.copy(),
        s | {},
        copy.deepcopy(s),
        *(pickle.loads(pickle.dumps(s, p)) for p in range(6)),
    ):
        assert type(other) is cls and list(other) == ["a", "t"]
        assert isinstance(other.a, cls) and other.a == {"b": [1], "c": 1}
    deep = copy.deepcopy(s)
    deep.a.b.append(2)
    assert s.a.b == [1]


def test_a_plain_dict_stays_one_in_files_and_in_the_core(tmp_path: Path) -> None:
    s = State(a={"b": {}}, n=State(c=1))
    s.a.b["x"] = 1  # reached: shown as State
    back = pt._core._roundtrip(s)
    assert type(dict.__getitem__(back, "a")) is dict
    assert type(dict.__getitem__(back, "n")) is State
    assert pt._core._identical(s, back) and pt._core._identical(s, copy.deepcopy(s))
    for suffix in ("json", "pkl", "pt", "safetensors"):
        s.save(tmp_path / f"x.{suffix}")
        assert pt._core._identical(State(tmp_path / f"x.{suffix}"), s)


def test_a_path_reads_any_format(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("model:\n  lr: 1e-3\n  sizes: [1, 2]\n")
    assert State(tmp_path / "x.yaml").model.lr == 1e-3
    assert Configuration(str(tmp_path / "x.yaml"))["model.sizes.1"] == 2
    np.savez(tmp_path / "w.npz", w=np.ones(3))
    assert State(tmp_path / "w.npz").w.sum() == 3
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(TypeError, match="list.json holds a list"):
        State(tmp_path / "list.json")
    for name in ("empty.yaml", "empty.json", "comment.yaml", "null.json"):
        text = {"comment.yaml": "# nothing yet\n", "null.json": "null"}.get(name, "")
        (tmp_path / name).write_text(text)
        for kind in (State, Configuration):
            with pytest.raises((TypeError, ValueError), match=f"{name}.* is empty"):
                kind(tmp_path / name)
    with pytest.raises(OSError, match="x.yml does not exist; did you mean x.yaml"):
        State(tmp_path / "x.yml")


def test_several_files_are_the_shards_of_one_state(tmp_path: Path) -> None:
    for name in "ab":
        pt.save(tmp_path / f"{name}.safetensors", {name: np.ones(2), name * 2: 1})
    paths = [tmp_path / "a.safetensors", str(tmp_path / "b.safetensors")]
    state = pt.State([*paths, paths[0]])
    assert list(state) == ["a", "aa", "b", "bb"] and state.b.sum() == 2
    pt.save(tmp_path / "c.npz", {"b": 1})
    with pytest.raises(pt.errors.WrongValue, match="c.npz has 'b', as .*b.safetensors"):
        pt.State([*paths, tmp_path / "c.npz"])


def test_torch_takes_a_state() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    s = State(net)
    assert list(s) == list(net.state_dict())
    other = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    other.load_state_dict(s)
    assert torch.equal(other[0].weight, net[0].weight)
    adam = torch.optim.Adam(net.parameters(), lr=0.5)
    net(torch.ones(4, 3)).sum().backward()
    adam.step()
    state = State(adam)
    assert state["state"][0].exp_avg.shape == (2, 3)
    again = torch.optim.Adam(net.parameters())
    again.load_state_dict(state)
    assert again.param_groups[0]["lr"] == 0.5
    assert torch.equal(
        again.state_dict()["state"][0]["exp_avg"], state["state.0.exp_avg"]
    )


def test_others_see_a_dict() -> None:
    s = State(a={"b": 1})
    assert json.dumps(s) == '{"a": {"b": 1}}' and isinstance(s, dict)
    _ = s.a
    assert json.dumps(s) == '{"a": {"b": 1}}' and s == {"a": {"b": 1}}
    assert OrderedDict(s) == s and {**s} == s and dict(s)["a"]["b"] == 1
    assert (s | {"c": 2}).c == 2 and type(s | {}) is State


def test_the_repr_is_a_short_tree() -> None:
    s = State(net={"w": np.zeros((2, 3), "float32"), "t": torch.ones(4)}, lr=1e-3)
    assert repr(s) == (
        "State\n  net\n    w: f32 (2, 3) numpy\n    t: f32 (4,) torch\n  lr: 0.001"
    )
    assert len(repr(State({str(i): i for i in range(1000)})).splitlines()) < 50
    assert repr(State()) == "State (empty)"
    html = State({"<b>": {"x": "<script>"}})._repr_html_()
    assert "<script>" not in html and "&lt;b&gt;" in html


def test_dir_shows_the_keys() -> None:
    assert "weight" in dir(State(weight=1)) and "flat" in dir(State())


def test_other_values_at_dotted_paths() -> None:
    c = Configuration({"model": {"lr": 1e-3, "sizes": [1, 2]}, "seed": 0})
    d = c.with_values({"model.lr": 1e-4, "model.sizes.1": 5, "model.new": 1, "seed": 1})
    assert c.model.lr == 1e-3 and c.model.sizes == [1, 2]
    assert d.diff(c) == [
        ("model.lr", 1e-4, 1e-3),
        ("model.sizes.1", 5, 2),
        ("model.new", 1, None),
        ("seed", 1, 0),
    ]
    assert c.diff(c) == [] and type(d) is Configuration
    with pytest.raises(KeyError, match="modle"):
        c.with_values({"modle.lr": 1})
    assert isinstance(c.model, Configuration)


@pytest.mark.smoke
def test_a_configuration_builds() -> None:
    if not hasattr(pt._core, "configure"):
        pytest.skip("this build has no registry")
    linear = Configuration(func="ptutils.nn.Linear", in_features=3, out_features=2)
    assert linear.configure().state_dict().weight.shape == (2, 3)


def test_what_contains_itself_is_shown_as_dots():
    s = State(a=1)
    s["me"], s["list"], s["b"] = s, [s, 1], {"c": s}
    shown = repr(s).splitlines()
    assert shown == [
        "State",
        "  a: 1",
        "  me: ...",
        "  list: [..., 1]",
        "  b",
        "    c: ...",
    ]
    assert "..." in s._repr_html_()


class Trained(pt.Module):
    def __init__(self) -> None:
        self.a = np.zeros(3)
        self.net = torch.nn.Linear(3, 2)
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)
        self.z = 1


class Refuses:
    def state_dict(self) -> dict[str, int]:
        return {"x": 1}

    def load_state_dict(self, state: object) -> None:
        raise OSError("not today")


def test_nothing_is_loaded_when_a_foreign_child_refuses() -> None:
    module = Trained()
    module.part = pt.Module()
    module.part.last = Refuses()
    before = module.state_dict()
    state = module.state_dict()
    state["a"], state["z"] = np.ones(3), 9
    state["net"]["weight"] = state["net"]["weight"] + 1
    state["opt"]["param_groups"][0]["lr"] = 7.0
    with pytest.raises(OSError, match="part.last: not today") as caught:
        module.load_state_dict(state)
    assert str(caught.value.__cause__) == "not today"
    assert pt._core._identical(module.state_dict(), before)
    del module.part
    state["opt"]["param_groups"] *= 2
    del state["part"]
    with pytest.raises(ValueError, match="opt: loaded state dict has a different"):
        module.load_state_dict(state)
    del before["part"]
    assert pt._core._identical(module.state_dict(), before)


def test_an_error_of_a_childs_state_names_the_child() -> None:
    class Odd(Refuses):
        state_dict = 5  # type: ignore[assignment]

    module = pt.Module()
    module.part = pt.Module()
    module.part.odd = Odd()
    with pytest.raises(TypeError, match="part.odd: 'int' object is not callable"):
        module.state_dict()


def test_two_attributes_of_one_name_in_the_state_are_an_error() -> None:
    for first, second in (("a", "a.b"), ("a.b", "a")):
        for value in ({"b": 3}, pt.Module()):
            module = pt.Module()
            if isinstance(value, pt.Module):
                value.c = 1
            setattr(module, first, value if first == "a" else 1)
            setattr(module, second, value if second == "a" else 1)
            with pytest.raises(ValueError, match="one of them with dots"):
                module.state_dict()
