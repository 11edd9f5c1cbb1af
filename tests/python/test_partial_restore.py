"""A part of a state, other names, other dtypes: what load_state_dict takes."""

import re
import time

import numpy as np
import pytest
import torch

import ptutils as pt


class Layer(pt.Module):
    def __init__(self, *shape, seed=0):
        self.weight = np.random.default_rng(seed).normal(size=shape)
        self.bias = np.full(shape[0], float(seed))


class Net(pt.Module):
    """conv1, conv2 and a head, each of another shape."""

    def __init__(self, head="head", seed=0):
        self.conv1 = Layer(4, 3, seed=seed)
        self.conv2 = Layer(5, 4, seed=seed + 1)
        setattr(self, head, Layer(2, 5, seed=seed + 2))


class Holder(pt.Module):
    def __init__(self, net):
        self.net = net


def torch_net(head="head"):
    net = torch.nn.Module()
    net.conv1 = torch.nn.Linear(3, 4)
    net.conv2 = torch.nn.Linear(4, 5)
    setattr(net, head, torch.nn.Linear(5, 2))
    return net


def flat(module):
    return {
        name: np.asarray(value).tolist()
        for name, value in pt.State(module.state_dict()).flat().items()
    }


def changed(module, load):
    """The names that a load changes."""
    before = flat(module)
    load(module)
    return [name for name, value in flat(module).items() if value != before[name]]


# Which names.


@pytest.mark.parametrize(
    ("only", "taken"),
    [
        (["conv1"], ["conv1.weight", "conv1.bias"]),
        (["conv*.weight"], ["conv1.weight", "conv2.weight"]),
        (["conv[2-9]", "head.bias"], ["conv2.weight", "conv2.bias", "head.bias"]),
        (["*d.weight"], ["head.weight"]),
        (["conv?"], ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]),
        ("^conv1|head", ["conv1.weight", "conv1.bias", "head.weight", "head.bias"]),
        (re.compile("(?<!2)\\.BIAS$", re.I), ["conv1.bias", "head.bias"]),
    ],
)
def test_only_takes_names_globs_and_expressions(only, taken):
    state = Net(seed=7).state_dict()
    assert changed(Net(), lambda n: n.load_state_dict(state, only=only)) == taken


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (["conv1", "cov2"], "no 'cov2'; did you mean conv"),
        (["conv1", "heed.*"], "no 'heed.*'"),
        (["a*", "conv1", "b"], "no 'a\\*', 'b'"),
        (re.compile("HEAD"), "matches no name"),
    ],
)
def test_an_entry_of_only_that_fits_nothing_is_an_error(only, said):
    net = Net()
    with pytest.raises(KeyError, match=said):
        net.load_state_dict(Net(seed=7).state_dict(), only=only)
    assert flat(net) == flat(Net())


def test_a_part_keeps_the_shape_of_dicts_with_dots_in_their_keys():
    class Table(pt.Module):
        def __init__(self):
            self.table = {"train.loss": 1, "deep": {"x": 2}}
            self.other = 0

    saved, here = Table().state_dict(), Table()
    here.table = {}
    here.load_state_dict(saved, only=["table"])
    assert here.table == {"train.loss": 1, "deep": {"x": 2}}


# Other names.


def proposal(error):
    """The remap that an error offers to paste."""
    found = re.search(r"remap=(\{.*?\})(; remap| and)", str(error))
    return eval(found[1]) if found else None


def load_by_paste(target, state, **options):
    """Loads by what the error says, and by 'suggested': they do the same."""
    before = flat(target)
    with pytest.raises(pt.errors.WrongState) as caught:
        target.load_state_dict(state, **options)
    assert flat(target) == before
    remap = proposal(caught.value)
    if remap is None:
        return None
    pasted = flat_after(target, state, remap=remap, **options)
    assert flat_after(target, state, remap="suggested", **options) == pasted
    return remap


def flat_after(target, state, **options):
    before = pt.State(target.state_dict())
    target.load_state_dict(state, **options)
    after = flat(target)
    target.load_state_dict(before)
    return after


def under(prefix, state):
    return {f"{prefix}.{name}": v for name, v in pt.State(state).flat().items()}


@pytest.mark.parametrize("make", [Net, torch_net])
def test_the_error_proposes_short_remaps(make):
    native = make is Net
    target = Net() if native else Holder(torch_net())
    here = "" if native else "net"
    inner = pt.State(make().state_dict())
    assert load_by_paste(target, under("module", inner)) == {"module": here}
    assert load_by_paste(target, under("a.b", inner)) == {"a.b": here}
    other = pt.State(make("fc").state_dict())
    fc, head = ("fc", "head") if native else ("net.fc", "net.head")
    nested = other if native else {"net": other}
    assert load_by_paste(target, nested) == {fc: head}
    assert load_by_paste(target, under("module", other)) == {
        "module": here,
        "module.fc": head,
    }


def test_the_error_proposes_a_prefix_to_add():
    assert load_by_paste(Holder(Net()), Net(seed=3).state_dict()) == {"": "net"}


def test_names_with_a_common_ending_pair_by_likeness():
    class Two(pt.Module):
        def __init__(self, *names):
            for i, name in enumerate(names):
                setattr(self, name, Layer(3, 3, seed=i))

    remap = load_by_paste(Two("enc", "dec"), Two("encoder", "decoder").state_dict())
    assert remap == {"encoder": "enc", "decoder": "dec"}
    remap = load_by_paste(
        Two("conv1", "conv2", "conv10"), Two("conv_1", "conv_2", "conv_10").state_dict()
    )
    assert remap == {"conv_1": "conv1", "conv_10": "conv10", "conv_2": "conv2"}
    # No telling which is which:
    assert load_by_paste(Two("a", "b"), Two("x", "y").state_dict()) is None
    assert load_by_paste(Two("head"), Two("fc1", "fc2").state_dict()) is None


def test_a_shifted_numbering_is_not_guessed():
    class Layers(pt.Module):
        def __init__(self, name, numbers):
            setattr(self, name, {str(n): Layer(3, 3, seed=n) for n in numbers})

    state = Layers("layers", range(3)).state_dict()
    same = Layers("blocks", range(3))
    assert load_by_paste(same, state) == {"layers": "blocks"}
    assert load_by_paste(Layers("blocks", range(1, 4)), state) is None
    assert load_by_paste(Layers("layers", range(1, 4)), state) is None
    # Another layer between two of which one stays is no shift.
    remap = load_by_paste(Layers("layers", [0, 1, 3]), state)
    assert remap == {"layers.2": "layers.3"}


def test_other_shapes_and_leaves_of_settled_modules_are_not_proposed():
    class Bias(pt.Module):
        def __init__(self, **parts):
            for name, shape in parts.items():
                setattr(self, name, np.zeros(shape))

    class Pair(pt.Module):
        def __init__(self, conv, norm):
            self.conv, self.norm = conv, norm

    state = Pair(Bias(weight=(3, 3), bias=3), Bias(scale=4)).state_dict()
    target = Pair(Bias(weight=(3, 3)), Bias(scale=4, bias=3))
    assert load_by_paste(target, state) is None
    assert load_by_paste(Bias(w=(2, 3)), Bias(v=(3, 2)).state_dict()) is None


def test_a_name_that_pairs_with_none_keeps_its_name():
    state = under("module", Net(seed=5).state_dict())
    state["module.head.weight"] = np.zeros((9, 5))  # another number of classes
    del state["module.head.bias"]
    target = Net()
    with pytest.raises(pt.errors.WrongState, match="unexpected.*module.head.weight"):
        target.load_state_dict(state, remap="suggested")
    left = target.load_state_dict(state, remap="suggested", strict=False)
    assert left == (["head.weight", "head.bias"], ["module.head.weight"])
    assert np.array_equal(target.conv1.weight, state["module.conv1.weight"])
    assert np.array_equal(target.head.weight, Net().head.weight)


def test_no_proposal_is_said():
    with pytest.raises(pt.errors.WrongState, match="suggested': no more names"):
        Net().load_state_dict({"x": np.zeros(77)}, remap="suggested")


def test_what_fits_needs_no_suggestion():
    target = Net()
    assert target.load_state_dict(Net(seed=4).state_dict(), remap="suggested") == (
        [],
        [],
    )
    assert flat(target) == flat(Net(seed=4))


def test_a_suggestion_goes_with_only_and_is_logged(caplog):
    state = under("module", Net("fc", seed=5).state_dict())

    def load(net):
        net.load_state_dict(state, only=["head", "module.conv1"], remap="suggested")

    with caplog.at_level("INFO", logger="ptutils"):
        names = changed(Net(), load)
    assert names == ["conv1.weight", "conv1.bias", "head.weight", "head.bias"]
    assert "remap={'module': '', 'module.fc': 'head'}" in caplog.text


def test_many_renames_are_cut_in_the_error():
    class Many(pt.Module):
        def __init__(self, name):
            for i in range(20):
                setattr(self, name.format(i), np.zeros((i + 1, 3)))

    with pytest.raises(pt.errors.WrongState, match="… and|…} and 8 more; remap"):
        Many("w{}").load_state_dict(Many("other_{}").state_dict())
    Many("w{}").load_state_dict(Many("other_{}").state_dict(), remap="suggested")


@pytest.mark.parametrize(
    ("remap", "names"),
    [
        ({"module": ""}, ["x.a", "x.b"]),
        ({"": "net"}, ["net.module.x.a", "net.module.x.b"]),
        ({"": "n", "module.x": "y", "module.x.b": "z"}, ["y.a", "z"]),
        ({"module.x.b": "z", "module.x": "y", "": "n"}, ["y.a", "z"]),
    ],
)
def test_the_longest_prefix_of_a_remap_counts(remap, names):
    state = {"module": {"x": {"a": 1, "b": 2}}}
    left = pt.Module().load_state_dict(state, remap=remap, strict=False)
    assert left.unexpected_keys == names


def test_two_names_cannot_become_one():
    net, state = Net(), Net(seed=2).state_dict()
    with pytest.raises(ValueError, match="conv1.*conv2.*both go to 'conv1.weight'"):
        net.load_state_dict(state, remap={"conv2": "conv1"})
    with pytest.raises(ValueError, match="no name"):
        net.load_state_dict({"a": 1}, remap={"a": ""})
    assert flat(net) == flat(Net())


def test_nested_and_renamed_names_meet_in_one_child():
    state = pt.State(Net(seed=6).state_dict())
    moved = {"conv1": {"weight": state.conv1.weight}, "b": {"x": state.conv1.bias}}

    def load(net):
        net.load_state_dict(moved, remap={"b.x": "conv1.bias"})

    assert changed(Net(), load) == ["conv1.weight", "conv1.bias"]


# Other dtypes.


@pytest.mark.parametrize("wrap", [Net, lambda: Holder(torch_net())])
def test_dtypes_are_cast_when_asked(wrap):
    target = wrap()
    state = {
        name: np.asarray(value).astype(np.float16)
        for name, value in pt.State(wrap().state_dict()).flat().items()
    }
    before = flat(target)
    with pytest.raises(pt.errors.WrongState, match="cast=True takes the dtypes"):
        target.load_state_dict(state)
    assert flat(target) == before
    target.load_state_dict(state, cast=True)
    assert flat(target) == {k: v.tolist() for k, v in state.items()}
    renamed = {f"m.{name}": value for name, value in state.items()}
    assert load_by_paste(target, renamed, cast=True) == {"m": ""}


@pytest.mark.parametrize(
    ("saved", "here", "fits"),
    [
        ("f8", "f4", True),
        ("i8", "f4", True),
        ("?", "i4", True),
        ("f4", "c8", True),
        ("i8", "u1", True),
        ("c8", "f4", False),
        ("f4", "i8", False),
        ("i4", "?", False),
    ],
)
def test_a_cast_keeps_the_kind_of_number(saved, here, fits):
    target = pt.Module()
    target.w = np.zeros(2, here)
    state = {"w": np.ones(2, saved)}
    if fits:
        target.load_state_dict(state, cast=True)
        assert target.w.dtype == here and target.w.tolist() == [1, 1]
        return
    with pytest.raises(pt.errors.WrongState, match="cast=True keeps the kind"):
        target.load_state_dict(state, cast=True)
    assert target.w.dtype == here and not target.w.any()


# What is left alone, and what fails.


def test_a_loose_load_says_what_it_left_alone(caplog):
    state = Net("fc", seed=3).state_dict()
    with caplog.at_level("INFO", logger="ptutils"):
        left = Net().load_state_dict(state, strict=False)
    assert left.missing_keys == ["head.weight", "head.bias"]
    assert left.unexpected_keys == ["fc.weight", "fc.bias"]
    assert "missing in the state: 2: head.weight, head.bias" in caplog.text
    left = Net().load_state_dict({"conv1": state["conv1"]}, only=["conv*"])
    assert left.missing_keys == ["conv2.weight", "conv2.bias"]  # asked for


def test_loose_loads_still_want_equal_shapes():
    net = Net()
    state = {"conv1": {"bias": np.ones(4), "weight": np.zeros((1, 1))}, "new": 1}
    with pytest.raises(pt.errors.WrongState, match="conv1.weight: shape"):
        net.load_state_dict(state, strict=False)
    assert flat(net) == flat(Net())


def test_an_override_may_hand_its_options_to_super():
    class Noted(Net):
        def load_state_dict(self, state, **options):
            self._options = options
            return super().load_state_dict(state, **options)

    state, net = Net(seed=8).state_dict(), Noted()
    load = lambda n: n.load_state_dict(state, only=["conv1"])  # noqa: E731
    assert changed(net, load) == ["conv1.weight", "conv1.bias"]
    assert net._options == {"only": ["conv1"]}


def test_ten_thousand_tensors_with_a_proposal_take_under_a_second():
    class Wide(pt.Module):
        def __init__(self, name):
            setattr(self, name, [Layer(2, 2) for _ in range(2500)])
            self.rest = [Layer(3, 3) for _ in range(2500)]

    target = Wide("blocks")
    state = under("module", Wide("layers").state_dict())
    begin = time.process_time()
    with pytest.raises(pt.errors.WrongState) as caught:
        target.load_state_dict(state)
    assert time.process_time() - begin < 1
    remap = {"module.layers": "blocks", "module.rest": "rest"}
    assert proposal(caught.value) == remap
    begin = time.process_time()
    target.load_state_dict(state, remap="suggested")
    assert time.process_time() - begin < 1


def test_a_cast_that_would_change_numbers_is_an_error() -> None:
    class Two(pt.Module):
        def __init__(self) -> None:
            self.w, self.f = np.zeros(2, "u1"), np.zeros(2, "f4")

    two = Two()
    fine = {"w": np.array([200, 1]), "f": np.array([1e30, np.inf])}
    two.load_state_dict(fine, cast=True)
    assert two.w.tolist() == [200, 1] and two.f[1] == np.inf
    for wrong in ({"w": np.array([300, 1])}, {"w": np.array([-1, 1])}):
        with pytest.raises(pt.errors.WrongValue, match="'w' has numbers beyond u8"):
            two.load_state_dict({**fine, **wrong}, cast=True)
    with pytest.raises(pt.errors.WrongValue, match="'f' has numbers beyond f32"):
        two.load_state_dict({**fine, "f": np.array([1e300, 1.0])}, cast=True)
    assert two.w.tolist() == [200, 1]
