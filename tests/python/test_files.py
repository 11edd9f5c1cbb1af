"""Files: other programs' and ours, full disks."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
import yaml

import ptutils as pt

BINARY = ["npy", "npz", "safetensors", "lmdb", "tfrecord", "hdf5", "pkl", "pt"]
ALL = ["json", "yaml", *BINARY]
VALUE = {"w": np.arange(6, dtype="float32").reshape(2, 3), "t": torch.ones(2), "n": 5}


def example(suffix: str) -> object:
    return VALUE["w"] if suffix == "npy" else VALUE


# Other programs.


def test_numpy_reads_ours_and_we_numpys(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3).T, "b": np.float32(2), "c/d": np.ones(0)}
    np.savez(tmp_path / "theirs.npz", **arrays)
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    for name in ("theirs", "small"):
        back = pt.read(tmp_path / f"{name}.npz")
        assert type(back) is dict and list(back) == list(arrays)
        assert all((back[k] == arrays[k]).all() for k in arrays)
    pt.save(tmp_path / "ours.npz", {"a": arrays["a"], "b": {"c": np.ones(3)}})
    with np.load(tmp_path / "ours.npz") as ours:
        assert (ours["a"] == arrays["a"]).all() and (ours["b.c"] == 1).all()
    np.save(tmp_path / "x.npy", arrays["a"])
    assert (pt.read(tmp_path / "x.npy") == arrays["a"]).all()
    np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(pt.errors.Malformed, match="object"):
        pt.read(tmp_path / "objects.npy")


def test_safetensors_reads_ours_and_we_its(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6).reshape(2, 3), "b": torch.ones(2).bfloat16()}
    safetensors.torch.save_file(tensors, tmp_path / "theirs.safetensors", {"k": "v"})
    back = pt.read(tmp_path / "theirs.safetensors")
    assert isinstance(back["a"], np.ndarray) and isinstance(back["b"], pt.Tensor)
    back = pt.read(tmp_path / "theirs.safetensors", as_="torch")
    assert all(torch.equal(back[k], tensors[k]) for k in tensors)
    pt.save(tmp_path / "ours.safetensors", {**tensors, "c": {"d": np.ones(2)}, "n": 1})
    ours = safetensors.torch.load_file(tmp_path / "ours.safetensors")
    assert set(ours) == {"a", "b", "c.d"} and torch.equal(ours["b"], tensors["b"])
    numbers = {k: v for k, v in VALUE.items() if k == "w"}
    safetensors.numpy.save_file(numbers, tmp_path / "n.safetensors")
    assert (pt.read(tmp_path / "n.safetensors")["w"] == VALUE["w"]).all()


def test_torch_reads_ours_and_we_its(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    adam = torch.optim.Adam(net.parameters())
    net(torch.ones(4, 3)).sum().backward()
    adam.step()
    for zipped in (True, False):
        theirs = {"net": net.state_dict(), "opt": adam.state_dict(), "epoch": 3}
        path = tmp_path / "theirs.pt"
        torch.save(theirs, path, _use_new_zipfile_serialization=zipped)
        back = pt.read(path)
        assert torch.equal(back["net"]["0.weight"], net[0].weight)
        assert back["opt"]["param_groups"][0]["lr"] == 1e-3 and back["epoch"] == 3
    pt.save(tmp_path / "ours.pt", {"net": net, "opt": adam, "s": pt.State(a=(1, b"x"))})
    for options in ({}, {"mmap": True}):
        ours = torch.load(tmp_path / "ours.pt", weights_only=True, **options)
        assert type(ours["s"]) is dict and ours["s"]["a"][0] == 1
        torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)
                            ).load_state_dict(ours["net"])  # fmt: skip
        torch.optim.Adam(net.parameters()).load_state_dict(ours["opt"])


def test_a_torch_file_with_a_class_is_not_trusted(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "x.pt")
    with pytest.raises(pt.errors.Untrusted, match="torch.nn.modules.linear.Linear"):
        pt.read(tmp_path / "x.pt")
    torch.save({"p": Path("x")}, tmp_path / "y.pt")
    with pytest.raises(pt.errors.Untrusted, match="allow_class"):
        pt.read(tmp_path / "y.pt")


def test_json_and_yaml_both_ways(tmp_path: Path) -> None:
    value = {
        "name": "é\n", "n": None, "big": 2**70, "xs": [1, 2.5, [], {}], "yes": True,
        "text": ["no", "12:30", "~", "", " x", "010", "- a", "a: b", "#"],
    }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps(value))
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(value))
    for suffix, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert pt.read(tmp_path / f"x.{suffix}") == value
        value["text"].append("1e-4")  # a number to YAML 1.2, text to 1.1
        pt.save(tmp_path / f"o.{suffix}", value)
        assert pt.read(tmp_path / f"o.{suffix}") == value
        assert load((tmp_path / f"o.{suffix}").read_text()) == value
        value["text"].pop()
    assert pt._core.parse_yaml("a: 1e-4\nb: no") == {"a": 1e-4, "b": "no"}
    assert pt._core.parse_scalar("[1, x]") == [1, "x"]
    assert json.loads(pt._core.to_json(value)) == value
    assert pt._core.parse_json(json.dumps(value)) == value


def test_content_comes_before_the_suffix(tmp_path: Path) -> None:
    for suffix in BINARY:
        pt.save(tmp_path / f"x.{suffix}", example(suffix))
        other = tmp_path / f"{suffix}.bin"
        other.write_bytes((tmp_path / f"x.{suffix}").read_bytes())
        assert pt._core._identical(pt.read(other), example(suffix))


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("as_, kind", [("torch", torch.Tensor), ("numpy", np.ndarray),
                                       ("native", pt.Tensor)])  # fmt: skip
def test_of_which_library_arrays_are(
    suffix: str, as_: str, kind: type, tmp_path: Path
) -> None:
    pt.save(tmp_path / f"x.{suffix}", example(suffix))
    back = pt.read(tmp_path / f"x.{suffix}", as_=as_)
    assert isinstance(back if suffix == "npy" else back["w"], kind)
    with pytest.raises(ValueError, match="as_"):
        pt.read(tmp_path / f"x.{suffix}", as_="jax")


def test_names_are_looked_for(tmp_path: Path) -> None:
    pt.save(tmp_path / "weights.npz", {"a": 1})
    with pytest.raises(pt.errors.IOFailed, match="did you mean weights.npz"):
        pt.read(tmp_path / "wieghts.npz")
    with pytest.raises(ValueError, match="known: .*safetensors"):
        pt.save(tmp_path / "x.unknown", {})
    with pytest.raises(ValueError, match="known format"):
        (tmp_path / "x.unknown").write_text("?")
        pt.read(tmp_path / "x.unknown")


def test_a_codec_in_python_is_found_by_the_core(tmp_path: Path) -> None:
    class Count:
        name = "count"
        suffixes = (".count",)

        def recognises(self, head: bytes, size: int) -> bool:
            return head.startswith(b"COUNT") and size > 5

        def read(self, path: str) -> object:
            return {"count": int(Path(path).read_bytes()[5:])}

        def write(self, path: str, value: dict, durable: bool) -> None:
            pt._core.write_file(path, b"COUNT%d" % value["count"], durable)

    pt.files.register_codec(Count)
    pt.save(tmp_path / "x.count", {"count": 3})
    (tmp_path / "x.any").write_bytes(b"COUNT4")
    assert pt.read(tmp_path / "x.count") == pt._core.read(tmp_path / "x.count")
    assert pt.read(tmp_path / "x.any") == {"count": 4}
    pt._core.save(tmp_path / "y.count", {"count": 5})
    assert pt.read(tmp_path / "y.count")["count"] == 5
    with pytest.raises(TypeError, match="write"):
        pt.files.register_codec(type("Bad", (), {"name": "b", "suffixes": [".b"],
                                                 "read": 1}))  # fmt: skip


def run(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True,
        timeout=300, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


# Disks that are full, folders that are closed.

FULL = """
import os, resource, signal, sys
import numpy as np
import ptutils as pt, ptutils.files, ptutils._pickle_codec
path = sys.argv[1]
if path.endswith('.pt'):
    import torch
pt.save(path, np.ones(1) if path.endswith('npy') else {'old': 1})
before = open(path, 'rb').read()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if sys.argv[2] == 'limit':
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
elif sys.argv[2] == 'user':
    os.chmod(os.path.dirname(path), 0o555)
    os.setgid(65534)
    os.setuid(65534)
big = np.ones(1_000_000)
try:
    pt.save(path, big if path.endswith('npy') else {'w': big})
except pt.errors.IOFailed as error:
    print(error)
else:
    print('SAVED')
assert open(path, 'rb').read() == before
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
"""


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("how", ["limit", "user", "tmpfs"])
def test_a_save_that_fails_leaves_what_was_there(suffix: str, how: str) -> None:
    if how != "limit" and os.getuid() != 0:
        pytest.skip("needs root")
    top = Path(tempfile.mkdtemp())  # pytest's folders are closed to others
    top.chmod(0o755)
    folder = top / "d"
    folder.mkdir()
    if how == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("may not mount")
    try:
        done = run(FULL, str(folder / f"x.{suffix}"), how)
    finally:
        if how == "tmpfs":
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(top)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"x.{suffix}" in done.stdout or str(folder) in done.stdout
    assert "SAVED" not in done.stdout and len(done.stdout) < 600


@pytest.fixture
def ticking() -> Iterator[list[int]]:
    ticks = [0]
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    yield ticks
    stop.set()
    thread.join()


def test_big_saves_leave_the_gil_to_others(tmp_path: Path, ticking: list[int]) -> None:
    value = {"w": np.ones(20_000_000)}
    before = ticking[0]
    pt.save(tmp_path / "x.safetensors", value)
    assert ticking[0] - before > 5


def test_big_endian_arrays_of_numpy_are_turned_round(tmp_path: Path) -> None:
    arrays = {
        "i": np.arange(6, dtype=">i4").reshape(2, 3),
        "f": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
        "c": np.array([1 + 2j, 3], ">c16"),
        "h": np.array(0.5, ">f2"),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    back = pt.read(tmp_path / "x.npz")
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype.newbyteorder("=")
        assert np.array_equal(back[name], array), name
    np.save(tmp_path / "x.npy", arrays["f"])
    assert np.array_equal(pt.read(tmp_path / "x.npy"), arrays["f"])


def test_json_of_python_may_hold_nan_and_infinity(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    value = {"loss": [float("inf"), -float("inf"), 1.5], "Infinity": "NaN, Infinity"}
    path.write_text(json.dumps({**value, "nan": float("nan")}, indent=2))
    back = pt.read(path)
    assert back.pop("nan") != back and back == value


def test_what_a_codec_lacks_is_named() -> None:
    with pytest.raises(pt.errors.WrongType, match="a Half has no suffixes; a codec"):
        pt.files.register_codec(type("Half", (), {"name": "half"}))


def test_a_torch_tensor_that_no_file_holds_is_named(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(pt.errors.WrongType, match=r"'a' is of .*float8_e4m3fn, torch"):
        pt.save(tmp_path / "x.npz", {"a": torch.ones(2).to(torch.float8_e4m3fn)})


def test_a_save_comes_after_those_in_the_background_before_it(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for _ in range(10):
        pt.save(path, {"x": np.zeros(300_000)}, background=True)
        pt.save(path, {"x": 1})
        pt.sync()
        assert pt.read(path) == {"x": 1}


def test_without_mmap_arrays_stay_when_the_file_is_written_into(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.ones(100_000))
    mapped, copied = pt.read(path), pt.read(path, mmap=False)
    assert np.array_equal(mapped, copied)
    np.save(path, np.zeros(100_000))
    assert copied.sum() == 100_000


@pytest.mark.parametrize("suffix", ["json", "npz", "yaml", "safetensors"])
def test_times_that_would_come_back_as_others_are_refused(
    tmp_path: Path, suffix: str
) -> None:
    paris = datetime.datetime(2020, 10, 25, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))
    with pytest.raises(pt.errors.WrongType, match="'when' is of type datetime"):
        pt.save(tmp_path / f"x.{suffix}", {"when": paris})
    second = datetime.datetime(2020, 10, 25, 2, 30, fold=1)
    pt.save(tmp_path / f"x.{suffix}", {"when": second})
    assert pt.read(tmp_path / f"x.{suffix}")["when"].fold == 1


def test_yaml_escapes_beyond_ascii(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(r'{a: "\N", b: "é\_\u2028é", c: "\x85\xa0", "\_": 1}')
    back = pt.read(path)
    assert back == {"a": "\x85", "b": "é\xa0\u2028é", "c": "\x85\xa0", "\xa0": 1}
