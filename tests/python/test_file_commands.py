"""`ptutils show FILE`, `diff`, `convert`, `verify`, and pt.diff."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small import ptutils_

import ptutils as pt
from ptutils.database import SQLiteInterface

torch = pytest.importorskip("torch")


def save_both(folder: Path) -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    net = {"weight": weight, "half": torch.ones(4, dtype=torch.bfloat16)}
    pt.save(folder / "a.safetensors", {"net": net, "step": 3})
    other = weight.copy()
    other[0, 1], other[1, 2] = np.nan, 5.5
    net = {"weight": other, "bias": np.zeros(2)}
    pt.save(folder / "b.npz", {"net": net, "step": 4})


def test_diff_names_what_differs(tmp_path: Path) -> None:
    save_both(tmp_path)
    found = pt.diff(tmp_path / "a.safetensors", str(tmp_path / "b.npz"))
    assert list(found) == ["net.weight", "net.half", "step", "net.bias"]
    assert found["net.weight"] == "2 of 6 differ, by at most inf"
    assert found["net.half"] == "only in the first: bf16 (4,) torch"
    assert found["net.bias"] == "only in the second: f64 (2,) numpy"
    assert found["step"] == "3 → 4"
    same = pt.diff(tmp_path / "b.npz", pt.read(tmp_path / "b.npz"))
    assert same == {} and repr(same) == "no difference" and same.largest == 0


def test_diff_of_modules_dtypes_and_bits() -> None:
    a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    b.load_state_dict(a.state_dict())
    assert pt.diff(a, b) == {}
    with torch.no_grad():
        b.bias[1] += 0.25
    found = pt.diff(a, b)
    assert list(found) == ["bias"] and abs(found.largest - 0.25) < 1e-6
    zero, minus = np.zeros(2), -np.zeros(2)
    assert pt.diff({"x": zero}, {"x": minus})["x"].startswith("equal numbers")
    text = pt.diff({"x": zero}, {"x": zero.astype("f4")})["x"]
    assert text == "f64 (2,) numpy → f32 (2,) numpy"
    bits = pt.diff({"x": np.array([True, False])}, {"x": np.array([True, True])})
    assert bits.largest == 1
    wide = pt.diff({"x": np.array([0.5, 1])}, {"x": np.array([0.5, 3], "f4")})
    assert wide["x"].endswith("f32 (2,) numpy; 1 of 2 differ, by at most 2")
    assert wide.largest == 2
    far = pt.diff({"x": np.array([2**62])}, {"x": np.array([2**62 + 1])})
    assert far.largest == 1
    assert pt.diff({"x": 10**400}, {"x": 0.5}).largest == float("inf")
    assert pt.diff({"x": np.array(["a"])}, {"x": np.array(["bc"])}).largest > 1e9
    nans = np.array([np.nan, 1])
    assert pt.diff({"x": nans}, {"x": nans.copy()}) == {}
    assert pt.diff({"x": nans}, {"x": np.array([np.nan, 2])}).largest == 1
    assert pt.diff({"x": nans}, {"x": np.ones(2)}).largest == float("inf")


def test_diff_looks_into_lists_and_modules() -> None:
    net = torch.nn.Linear(2, 2)
    copied = torch.nn.Linear(2, 2)
    copied.load_state_dict(net.state_dict())
    assert pt.diff({"net": net, "n": 1}, {"net": copied, "n": 1}) == {}
    plain = torch.optim.SGD(net.parameters(), lr=0.1)
    other = torch.optim.SGD(net.parameters(), lr=0.1, maximize=True)
    assert pt.diff(plain, other) == {"param_groups.0.maximize": "False → True"}
    found = pt.diff({"xs": [np.ones(3), (1, 2)]}, {"xs": [2 * np.ones(3), (1, 3)]})
    assert found == {"xs.0": "3 of 3 differ, by at most 1", "xs.1.1": "2 → 3"}
    assert pt.diff({"xs": [1, 2]}, {"xs": [1, 2, 3]}) == {"xs": "[1, 2] → [1, 2, 3]"}
    found = pt.diff({"xs": [{"a": 1}]}, {"xs": [{"b": 1}]})
    assert found["xs.0.a"] == "only in the first: 1"


def test_a_summary_looks_into_lists() -> None:
    records = [{"x": np.arange(i + 1.0)} for i in range(30)]
    records[25]["x"][3] = np.nan
    found = pt.summary({"few": [np.full(2, np.nan), 3], "n": [1, 2], "many": records})
    assert found["few.0"]["nan"] == 2 and found["few.1"]["value"] == "3"
    assert found["n"]["value"] == "[1, 2]" and found["many.9.x"]["max"] == 9
    rest = found["many.…"]
    assert rest["value"] == "20 more" and rest["nan"] == 1 and rest["max"] == 29
    assert sum(about.get("bytes", 0) for about in found.values()) == 8 * (2 + 465)
    assert "4 kB of arrays" in repr(found)


def test_show_lists_what_a_file_holds(tmp_path: Path) -> None:
    save_both(tmp_path)
    done = ptutils_(tmp_path, "show", "b.npz")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["b.npz:", "npz,", "3", "values,", "40", "B", "of", "arrays"]
    assert lines[1] == ["name", "value", "size", "min", "max", "NaN"]
    assert lines[2] == ["net"]
    assert lines[3] == [
        "weight",
        "f32",
        "(2,",
        "3)",
        "numpy",
        "24",
        "B",
        "0",
        "5.5",
        "1",
    ]
    data = json.loads(ptutils_(tmp_path, "show", "b.npz", "--json").stdout)
    assert data["values"]["net.weight"]["nan"] == 1
    assert ptutils_(tmp_path, "show", "a.safetensors").returncode == 0


def test_convert_and_diff_and_verify(tmp_path: Path) -> None:
    save_both(tmp_path)
    for name in ("a.pt", "a.tfrecord", "a.json", "a.npz"):
        done = ptutils_(tmp_path, "convert", "a.safetensors", name)
        assert done.returncode == 0, done.stderr
        same = pt.diff(tmp_path / "a.safetensors", tmp_path / name)
        assert same == {}
    done = ptutils_(tmp_path, "diff", "a.safetensors", "b.npz")
    assert done.returncode == 1 and "net.half" in done.stdout
    assert ptutils_(tmp_path, "diff", "a.npz", "a.pt").stdout == "no difference\n"
    done = ptutils_(tmp_path, "convert", "a.safetensors", "a.csv")
    assert done.returncode == 1 and "'net' is of type dict" in done.stderr
    files = ["a.safetensors", "a.tfrecord", "a.npz"]
    done = ptutils_(tmp_path, "verify", *files)
    assert done.returncode == 0 and done.stdout.count(": ok") == 3
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    done = ptutils_(tmp_path, "verify", *files, "nothing.npz")
    assert done.returncode == 1 and done.stdout.count(": ok") == 2
    assert "[npz] a.npz" in done.stdout and "no such file" in done.stdout


def test_verify_says_where_there_was_nothing_to_compare(tmp_path: Path) -> None:
    save_both(tmp_path)
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"a": np.ones(3)}, tmp_path / "theirs.safetensors")
    np.savez(tmp_path / "theirs.npz", a=np.ones(3))
    pt.save(tmp_path / "x.csv", {"a": np.ones(3)})
    pt.save(tmp_path / "x.json", {"a": np.ones(3)})
    pt.save(tmp_path / "plain.json", {"a": 1})
    for suffix in ("h5", "lmdb", "yaml", "npy", "pkl", "pt", "tfrecord"):
        value = np.ones(3) if suffix == "npy" else {"a": np.ones(3)}
        pt.save(tmp_path / f"x.{suffix}", value)
    names = sorted(path.name for path in tmp_path.iterdir())
    done = ptutils_(tmp_path, "verify", *names)
    assert done.returncode == 0, done.stdout
    without = [line.split(":")[0] for line in done.stdout.splitlines() if "no" in line]
    assert without == ["plain.json", "theirs.safetensors", "x.csv"]


def test_a_file_that_is_not_there_is_no_run(tmp_path: Path) -> None:
    save_both(tmp_path)
    for command in (["show", "b.npy"], ["diff", "a.safetensors", "b.npy"]):
        done = ptutils_(tmp_path, *command)
        assert done.returncode == 1
        assert "[b.npy] no such file; did you mean b.npz?" in done.stderr


def test_a_database_is_no_file_of_values(tmp_path: Path) -> None:
    with SQLiteInterface(tmp_path / "runs.db") as db:
        db.save({"a": 1})
    for command in ("show", "verify"):
        done = ptutils_(tmp_path, command, "runs.db")
        assert done.returncode == 1
        assert "ptutils ls --db runs.db" in done.stdout + done.stderr


def test_a_folder_of_lmdb_is_a_file(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path / "folder")) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"1")
    done = ptutils_(tmp_path, "show", "folder")
    assert done.returncode == 0 and "lmdb, 1 value" in done.stdout, done.stderr


def test_keys_of_another_type_are_a_difference(tmp_path: Path) -> None:
    found = pt.diff({1: "a", "x": {"y": 2}}, {"1": "a", "x.y": 2})
    assert dict(found) == {
        "1": "under other keys: [1] → ['1']",
        "x.y": "under other keys: ['x']['y'] → ['x.y']",
    }
    pt.save(tmp_path / "i.json", {1: "a"})
    pt.save(tmp_path / "s.json", {"1": "a"})
    done = ptutils_(tmp_path, "diff", "i.json", "s.json")
    assert done.returncode == 1 and "under other keys" in done.stdout
    assert pt.diff({1: {"b": 2}}, {1: {"b": 2}}) == {}
