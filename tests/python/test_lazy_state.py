"""State reads of a file what is asked for; a reader in a process of its own."""

import copy
import gc
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt
from ptutils import errors

HUGE = 1 << 36  # bytes of a tensor that no memory here would hold


@pytest.fixture
def sparse(tmp_path):
    """A safetensors file of 64 GB that are not on the disk, and a small tensor."""
    path = tmp_path / "huge.safetensors"
    header = json.dumps(
        {
            "conv1.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "huge": {
                "dtype": "F32",
                "shape": [HUGE // 4],
                "data_offsets": [16, 16 + HUGE],
            },
        }
    ).encode()
    header += b" " * (-len(header) % 8)  # as its writers do
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.write(np.arange(4, dtype="f4").tobytes())
        file.truncate(file.tell() + HUGE)
    return path


def test_a_state_of_a_huge_file_reads_only_what_is_asked_for(sparse):
    state = pt.State(sparse)
    np.testing.assert_array_equal(state.conv1.weight, [0, 1, 2, 3])
    assert state["huge"].shape == (HUGE // 4,)
    assert state.huge[-1] == 0


def test_a_huge_npy_is_mapped(tmp_path):
    path = tmp_path / "huge.npy"
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (HUGE // 4,)}
        )
        file.truncate(file.tell() + HUGE)
    assert pt.read(path)[HUGE // 8] == 0


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".npy"])
def test_tensors_outlive_their_file(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    value = np.arange(100_000.0)
    pt.save(path, value if suffix == ".npy" else {"w": value})
    got = pt.read(path) if suffix == ".npy" else pt.State(path).w
    os.remove(path)
    gc.collect()
    np.testing.assert_array_equal(got, value)


def test_many_states_leave_no_descriptor_open(tmp_path):
    path = tmp_path / "x.safetensors"
    pt.save(path, {"w": np.ones(3)})
    before = len(os.listdir("/proc/self/fd"))
    states = [pt.State(path) for _ in range(200)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(state.w.sum() == 3 for state in states)


def test_a_state_of_a_stored_npz_does_not_read_the_arrays_it_is_not_asked_for(
    tmp_path,
):
    path = tmp_path / "x.npz"
    pt.save(path, {"a": np.zeros(1000), "b": np.ones(1000)})
    content = bytearray(path.read_bytes())
    content[content.index(b"\x00" * 1000)] = 1  # inside of a
    path.write_bytes(content)
    with pytest.raises(errors.Malformed, match="member 'a"):
        pt.read(path)
    assert pt.State(path).b.sum() == 1000


def test_copies_and_comparisons_of_a_state_are_of_its_items():
    state = pt.State(net={"w": 1.0}, step=3)
    assert state == {"net": {"w": 1.0}, "step": 3}
    assert state != {"net": {"w": 2.0}, "step": 3}
    assert {**state} == dict(state) == copy.deepcopy(state) == state
    assert state.popitem() == ("step", 3)
    assert state.pop("net").w == 1.0
    assert state.pop("net", None) is None
    with pytest.raises(KeyError):
        state.popitem()


def test_states_with_arrays_are_compared_by_value():
    def state(*numbers):
        return pt.State(net={"w": np.array(numbers)})

    assert state(1, 2) == state(1, 2)
    assert state(1, 2) != state(1, 3)
    assert state(1, 2) != {"net": 1}
    assert state(1, 2) != 3


def test_an_isolated_read_gives_the_value_or_the_readers_error(tmp_path):
    path = tmp_path / "x.npz"
    value = {"w": np.arange(3, dtype="f4"), "step": (1, 2**80), "name": "é"}
    pt.save(path, value)
    got = pt.read(path, isolate=True)
    assert got["step"] == (1, 2**80) and got["name"] == "é"
    np.testing.assert_array_equal(got["w"], value["w"])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(errors.Malformed, match=r"\[npz\].*truncated"):
        pt.read(path, isolate=True)


def test_an_isolated_read_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    pt.save(tmp_path / "x.json", {"a": 1})
    assert pt.read(tmp_path / "x.json", isolate=True) == {"a": 1}
    assert not os.listdir(tmp_path / "tmp")


def test_formats_read_by_python_are_not_isolated_and_say_so(tmp_path):
    pt.save(tmp_path / "x.pkl", {"a": 1})
    with pytest.raises(errors.WrongValue, match="pickle is read by Python"):
        pt.read(tmp_path / "x.pkl", isolate=True)


def test_flat_names_are_gathered_by_dot_to_be_read_not_changed():
    state = pt.State({"net.conv1.weight": [1.0], "net.conv1.bias": 2, "net.fc": 3})
    assert state.net.conv1.weight is state["net.conv1.weight"]
    assert state["net.conv1"] == {"weight": [1.0], "bias": 2}
    assert list(state) == ["net.conv1.weight", "net.conv1.bias", "net.fc"]
    with pytest.raises(errors.WrongState, match="gathered from flat names"):
        state.net.conv1.weight = 0
    with pytest.raises(errors.UnknownName):
        state["net.con"]
    assert not hasattr(state, "conv1")


def test_what_was_gathered_can_be_saved(tmp_path):
    pt.save(tmp_path / "x.json", pt.State({"net.fc.bias": 3}).net)
    assert pt.read(tmp_path / "x.json") == {"fc.bias": 3}


SHORTENED = """
import os, sys
import numpy as np
import ptutils as pt
path = sys.argv[1]
np.save(path, np.arange(1_000_000))
kept = pt.read(path, mmap=False)
mapped = pt.read(path)
os.truncate(path, 4096)
assert mapped[0] == 0 and kept.sum() == 499_999_500_000
print("read", flush=True)
mapped.sum()
"""


@pytest.mark.parametrize("options", [[], ["-X", "faulthandler"]])
def test_a_file_that_is_shortened_while_it_is_mapped_is_named(
    tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "a.npy"
    done = subprocess.run(
        [sys.executable, *options, "-c", SHORTENED, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, "read\n")
    assert f"[MappedFile] {path}: another program shortened" in done.stderr
    assert "mmap=False" in done.stderr
    assert ("Fatal Python error" in done.stderr) == bool(options)


def with_a_member_that_nothing_holds(path: Path) -> None:
    if path.suffix == ".npz":
        np.savez(path, a=np.arange(3), other=np.array(["ab"]))
    elif path.suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["a"] = np.arange(3)
            file["other"] = np.zeros(2, [("x", "i4"), ("y", "f4")])
    else:
        torch = pytest.importorskip("torch")
        from safetensors.torch import save_file

        eight = torch.ones(4).to(torch.float8_e4m3fn)
        save_file({"a": torch.arange(3), "other": eight}, path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("f.npz", "an array of text"),
        ("f.h5", "a compound of 2 members"),
        ("f.safetensors", "the dtype 'F8_E4M3'"),
    ],
)
def test_what_no_value_holds_stands_in_nobodys_way(
    tmp_path: Path, name: str, why: str
) -> None:
    path = tmp_path / name
    with_a_member_that_nothing_holds(path)
    state = pt.State(path)
    assert state.a.tolist() == [0, 1, 2] and list(state) == ["a", "other"]
    assert "not held here" in repr(state)
    for _ in range(2):
        with pytest.raises(errors.Malformed, match=why):
            state["other"]
    with pytest.raises(errors.Malformed, match=why):
        pt.read(path)
    shown = pt.summary(path)
    assert shown["a"]["max"] == 2 and "not held here" in shown["other"]["value"]
