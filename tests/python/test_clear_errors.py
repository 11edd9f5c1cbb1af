"""Mistakes, and what they are called: the place, the value, what to do."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import torch
from small import make, ptutils_

import ptutils as pt
from ptutils import _listing, cli, nn
from ptutils.data import ArrayDataset, DataLoader, Dataset
from ptutils.errors import (
    Error,
    IOFailed,
    Malformed,
    OutOfBounds,
    WrongState,
    WrongType,
    WrongValue,
)
from ptutils.runs import Run

LONE = "\ud800"


@pytest.mark.parametrize(
    ("exp_id", "message"),
    [
        ("", "must not be empty"),
        ("a\nb", "has a control character"),
        ("\x1b[2J", "has a control character"),
        ("a\0", "has a control character"),
        ("a\x85", "has a control character"),
        (" ", "begins or ends with a space"),
        ("a ", "begins or ends with a space"),
        ("ä" * 201, "has 201 characters; at most 200"),
        (LONE, "has a lone surrogate"),
    ],
)
def test_an_exp_id_that_nobody_could_type_is_refused(tmp_path, exp_id, message):
    with pytest.raises(Error, match=rf"^\[\w+\] .*{message}"):
        pt.Session(exp_id, dbinterface=tmp_path / "runs.db")


def test_the_longest_exp_id_and_one_of_glob_characters_are_names(tmp_path):
    for exp_id in ("ä" * 200, "*", "[x]"):
        pt.Session(exp_id, dbinterface=tmp_path / "runs.db")


def test_a_run_named_like_a_glob_is_found_by_its_name(tmp_path):
    make(tmp_path)
    few = ["-o", "train_params={num_steps: 1}"]
    for name in ("*", "small"):
        done = ptutils_(
            tmp_path, "run", "experiment.yaml", *few, "-o", f"exp_id={name}"
        )
        assert done.returncode == 0, done.stderr
    runs = pt.open(tmp_path / "runs.db")
    assert runs["*"].exp_id == "*"
    assert [run.exp_id for run in runs["s*"]] == ["small"]
    assert ptutils_(tmp_path, "show", "*").stdout.startswith("*\n")
    assert ptutils_(tmp_path, "show", "sm*").stdout.startswith("small\n")
    many = ptutils_(tmp_path, "show", "?*")
    assert many.returncode == 1 and "2 runs match: " in many.stderr


def test_a_name_of_another_program_is_printed_escaped(tmp_path):
    class Core:
        """A record as a program without our rule wrote it."""

        exp_id = "a\x1b[2J"
        status = pt.Session("a", dbinterface=tmp_path / "runs.db").status
        best = latest = parent = None
        edits: list[object] = []
        created = 0.0

    run = Run(Core())
    assert repr(run).startswith(r"Run a\x1b[2J") and "\x1b" not in repr(run)
    assert "\x1b" not in _listing.text([run], {})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.ones(1, device="meta"), r"x is tensor\("),
        (torch.ones(1).to_sparse(), r"x is tensor\("),
        (object(), "x is <object"),
    ],
)
def test_a_metric_that_is_no_number_is_named_at_once(tmp_path, value, says):
    with pt.Session("a", dbinterface=tmp_path / "runs.db") as session:
        for _ in session.loop([1]):
            with pytest.raises(WrongType, match=rf"^\[Session.log\] {says}"):
                session.log(x=value)


def test_text_that_is_no_utf8_is_named(tmp_path):
    with pt.Session("a", dbinterface=tmp_path / "runs.db") as session:
        for _ in session.loop([1]):
            with pytest.raises(WrongValue, match=r"^\[Session.log\] .*lone surrogate"):
                session.log({LONE: 1.0})


@pytest.mark.parametrize("given", ["NaNDetector", {"func": "NaNDetector"}, 3])
def test_callbacks_are_a_list(tmp_path, given):
    with pytest.raises(WrongType, match=r"^\[callbacks\] a list, such as"):
        pt.Session("a", dbinterface=tmp_path / "a.db", callbacks=given)


def test_a_database_is_a_path_an_interface_or_its_configuration(tmp_path):
    with pytest.raises(WrongType, match=r"^\[dbinterface\] a path .*, not 3"):
        pt.Session("a", dbinterface=3)
    path = str(tmp_path / "a.db")
    session = pt.Session("a", dbinterface={"func": "SQLiteInterface", "path": path})
    assert session.dbinterface.location() == path


class Constant(Dataset):
    """Four times the same."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> object:
        return self.value, 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.ones(3, ">f4"), r"sample 0 .*ndarray\[>f4\].*astype"),
        (object(), r"sample 0 of the batch has a object.*collate_fn"),
    ],
)
def test_a_sample_that_cannot_be_stacked_is_named(value, says):
    with pytest.raises(WrongType, match=rf"^\[collate\] {says}"):
        next(iter(DataLoader(Constant(value), batch_size=2, num_workers=0)))


def test_a_net_that_gets_a_list_says_of_what():
    batch, _ = next(iter(DataLoader(Constant("abc"), batch_size=2)))
    with pytest.raises(WrongType, match="not 2 arguments; the first is 'abc'"):
        pt.Model(net=nn.Sequential(nn.Linear(3, 2))).forward(batch)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.arange(3, dtype=">f8"), "make it native, .astype"),
        (np.array(["a"]), "keep text in a list"),
    ],
)
def test_an_array_without_a_dtype_of_ours_comes_with_advice(array, says):
    with pytest.raises(WrongType, match=rf"^\[ArrayDataset: array 1\] .*{says}"):
        ArrayDataset(np.arange(3), array)
    with pytest.raises(WrongType, match=rf"^\[ArrayDataset: 'x'\] .*{says}"):
        ArrayDataset({"x": array})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: {a: 1", r"a \[ or { is not closed"),
        ("{a: 1", r"a \[ or { is not closed"),
        ("[1, 2", r"a \[ or { before it is not closed"),
        ("a: [1}", "the other kind of bracket"),
        ("a: 'b", "a quote is not closed"),
        ("- a\nb: c", "line 2, .*no part of what stands above"),
        ("a: 1\n---\nb: 2", "a second document begins"),
        ("--- 1\n...\n# so\n2", "a second document begins"),
        ("- " * 600, "nested deeper"),
        ("a: [1,,2]", "line 1, column 7: a list with nothing between"),
        ("[,]", "nothing between its commas"),
        ("[1,\n ,2]", "line 2.*nothing between its commas"),
        ("{[a]: 1}", "a key is a list"),
        ("? {a: 1}\n: 2", "a key is a list or a dict"),
    ],
)
def test_malformed_yaml_names_its_cause(tmp_path, text, says):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(Malformed, match=says):
        pt.read(tmp_path / "a.yaml")


def test_nulls_and_a_last_comma_in_a_yaml_list_are_as_before(tmp_path):
    text = (
        "\ufeffé: ['é', null, ~, Null, &a null, [], ]\nb:\n-\n- [[], [1,],{a: , b: }]\n"
    )
    (tmp_path / "a.yaml").write_text(text)
    expected = {
        "é": ["é", None, None, None, None, []],
        "b": [None, [[], [1], {"a": None, "b": None}]],
    }
    assert pt.read(tmp_path / "a.yaml") == expected


def test_a_number_of_too_many_digits_is_named(tmp_path):
    with pytest.raises(WrongValue, match=r"^\[a\.b\] .*set_int_max_str_digits"):
        pt.save(tmp_path / "a.json", {"a": {"b": 10**5000}})
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        pt.save(tmp_path / "b.json", {"a": 10**5000})
    finally:
        sys.set_int_max_str_digits(most)
    with pytest.raises(WrongValue, match="5001 digits, more than Python reads"):
        pt.read(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([object()]), "dtype object"),
        (np.zeros(2, [("a", "i4")]), r"dtype \[\('a'"),
    ],
)
def test_an_array_that_no_pickle_here_holds_is_named_by_its_dtype(
    tmp_path, array, says
):
    with pytest.raises(WrongType, match=says):
        pt.save(tmp_path / "a.pkl", {"x": array})


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (slice(None, None, 0), WrongValue),
        (slice("a", None), WrongType),
        (2**70, OutOfBounds),
        (-(2**70), OutOfBounds),
    ],
)
def test_an_index_that_no_tensor_has_is_our_error(key, kind):
    with pytest.raises(kind, match=r"^\[Tensor\[\.\.\.\]\]"):
        pt.Tensor([1, 2, 3])[key]


def test_a_torch_layer_among_native_ones_says_what_it_takes():
    net = nn.Sequential(torch.nn.Linear(3, 2))
    with pytest.raises(WrongType, match=r"Linear\] takes torch tensors.*nn.Sequential"):
        net(pt.Tensor(np.ones((1, 3), "f4")))


def test_loops_of_a_session_are_not_nested(tmp_path):
    with pt.Session("a", dbinterface=tmp_path / "a.db") as session:
        for _ in session.loop([1, 2]):
            with pytest.raises(WrongState, match="is running: loops are not nested"):
                next(session.loop([1]))
        with pytest.raises(WrongState, match="this one's has ended"):
            next(session.loop([1]))


@pytest.mark.parametrize("name", ["model", "dataprovider", "dbinterface"])
def test_the_parts_of_a_session_stay(tmp_path, name):
    session = pt.Session("a", dbinterface=tmp_path / "a.db")
    with pytest.raises(WrongState, match=rf"^\[a\] {name} is given when"):
        setattr(session, name, None)


def test_check_names_the_paths_and_only_what_fits(tmp_path):
    make(tmp_path)
    options = [
        "model.optimizer.lr=-1",
        "dataprovider.batch_size=0",
        "dataprovider.datasets.val.func=Linear",
        "exp_id='a '",
        "dbinterface={func: SQLiteInterface, pth: a.db}",
    ]
    given = [word for option in options for word in ("-o", option)]
    said = ptutils_(tmp_path, "check", "experiment.yaml", *given).stdout
    assert "[model.optimizer.lr] lr=-1 is below 0" in said
    known = "Dataset, IterableDataset, ImageFolder, Subset, "
    known += "ZipDataset, MapDataset, CachedDataset, FashionMNIST, MNIST"
    assert f"no 'Linear'; known: {known}" in said
    assert "Sampler" not in said and "DataLoader" not in said
    assert "exp_id 'a ' begins or ends with a space" in said
    assert "[dbinterface] unknown 'pth'" in said
    said = ptutils_(tmp_path, "check", "experiment.yaml", *given[:4]).stdout
    assert "[dataprovider.batch_size] batch_size=0; give 1 or more" in said


def test_an_override_may_be_written_as_errors_print_paths():
    config = pt.Config({"net": {"layers": [{"n": 1}, {"n": 2}], "[0]": 1}})
    change = pt._core._apply_override
    assert change(config, "net.layers[1].n=17")["net"]["layers"][1]["n"] == 17
    assert change(config, "net.[0]=2")["net"]["[0]"] == 2
    with pytest.raises(Error, match="2 items"):
        change(config, "net.layers[2].n=17")


def test_a_pipe_is_no_experiment_file(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    for read in (pt.read, pt.Config):
        with pytest.raises((IOFailed, Malformed), match="pipe"):
            read(tmp_path / "a.yaml")


def test_an_interrupt_in_the_import_is_an_interrupt(python):
    done = python(
        "import os, signal, sys\n"
        "inside = []\n"
        "def hook(event, args):\n"
        "    if event == 'import' and args[0] == 'ptutils._core':\n"
        "        inside.append(1)\n"
        "    elif inside and event == 'object.__setattr__':\n"
        "        if args[2] == 'pybind11_builtins':\n"  # before it is ours
        "            return\n"
        "        inside.clear()\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hook)\n"
        "try:\n"
        "    import ptutils\n"
        "except BaseException as error:\n"
        "    print(type(error).__name__)\n"
    )
    assert done.stdout == "KeyboardInterrupt\n"


def test_an_interrupt_before_the_command_begins_is_status_130(monkeypatch, capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_parser", interrupted)
    assert cli.main(["ls"]) == 130
    assert capsys.readouterr().err == "ptutils: interrupted\n"


def test_a_class_is_no_instance() -> None:
    text = r"CrossEntropyLoss is a class; give an instance: CrossEntropyLoss\(…\)"
    with pytest.raises(WrongType, match=text):
        pt.Model(nn.Linear(2, 2), criterion=nn.CrossEntropyLoss)
    with pytest.raises(WrongType, match="Linear is a class; give an instance"):
        nn.Sequential(nn.Linear)


def test_an_error_in_a_net_names_the_layer() -> None:
    x = np.ones((2, 3), np.float32)
    inner = nn.Sequential(nn.ReLU(), nn.Linear(5, 2))
    for net, where in (
        (nn.Sequential(nn.Linear(3, 4), inner), "in layer 1.1"),
        (inner, "in layer 1"),
    ):
        with pytest.raises(WrongValue, match=rf"in_features=5 \({where}\)$"):
            net(x)


@pytest.mark.parametrize("net", [nn.Linear(2, 2), torch.nn.Linear(2, 2)])
def test_an_optimizer_takes_parameters_not_a_net(net: object) -> None:
    with pytest.raises(WrongType, match=r"is a Linear, a net: give net.parameters"):
        pt.optim.Adam(net, lr=0.1)
