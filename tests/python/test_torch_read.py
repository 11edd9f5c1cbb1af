"""Files of torch's, read and written over; what torch's modules and tensors have
beside numbers."""

from __future__ import annotations

import datetime
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt

torch = pytest.importorskip("torch")


def test_a_file_is_not_mapped_and_may_be_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(300_000.0)}, path)
    state = pt.read(path)
    torch.save(state, path)
    assert torch.equal(pt.read(path)["a"], torch.arange(300_000.0))


def test_a_deflated_archive_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    value = {"a": torch.randint(-(2**62), 2**62, (1000,)), "b": torch.zeros(9999)}
    torch.save(value, tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as deflated,
    ):
        for name in stored.namelist():
            deflated.writestr(name, stored.read(name))
    back = pt.read(tmp_path / "x.pt", verify=True)
    assert all(torch.equal(back[name], tensor) for name, tensor in value.items())


def test_a_read_is_of_one_save(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.pt"
    pt.save(path, {"w": np.full(4, 1.0), "step": 1})
    load = torch.load

    def late(*args, **kwargs):
        pt.save(path, {"w": np.full(4, 2.0), "step": 2})
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", late)
    back = pt.read(path, verify=True)
    assert back["w"][0] == back["step"] == 1


class Extra(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.n, self.layer = 1, torch.nn.Linear(1, 1)

    def get_extra_state(self) -> dict:
        return {"n": self.n, "deep": {"a": [1]}}

    def set_extra_state(self, state: dict) -> None:
        assert state["deep"] == {"a": [1]}
        self.n = state["n"]


def test_the_extra_state_of_torch_modules_comes_back(tmp_path: Path) -> None:
    class Holder(pt.Module):
        def __init__(self) -> None:
            self.net = torch.nn.Sequential(Extra(), torch.nn.ReLU())

    first, second = Holder(), Holder()
    first.net[0].n = 5
    pt.save(tmp_path / "x.safetensors", first)
    second.load_state_dict(pt.State(tmp_path / "x.safetensors"))
    assert second.net[0].n == 5


def test_tensors_that_have_no_numbers_are_shown_and_compared() -> None:
    value = {
        "f8": torch.ones(2).to(torch.float8_e4m3fn),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(2, device="meta"),
        "set": {1, 2},
    }
    assert "float8_e4m3fn" in repr(pt.summary(value))
    assert set(pt.diff(value, dict(value))) <= {"meta", "sparse", "f8"}
    assert "set" in pt.diff(value, {**value, "set": {1}})


def test_conjugate_and_negative_views_stay_what_they_are(tmp_path: Path) -> None:
    x = torch.tensor([1 + 2j, 5 - 1j])
    other = torch.tensor([3 + 4j]).conj().imag
    saved = {"x": x, "c": x.conj(), "n": other, "part": x.conj()[1:]}
    torch.save(saved, tmp_path / "a.pt")
    found = pt.read(tmp_path / "a.pt")
    for name, wanted in saved.items():
        assert torch.equal(found[name], wanted)
        assert found[name].is_conj() == wanted.is_conj()
        assert found[name].is_neg() == wanted.is_neg()
    found["x"][0] = 7
    assert found["c"][0] == 7  # one memory, still


def test_numpys_values_and_times_in_a_file_of_torchs(tmp_path: Path) -> None:
    saved = {
        "rng": np.random.get_state(),
        "a": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros((2, 0)),
        "best": np.float32(1.5),
        "dtype": np.dtype(">f4"),
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "inside": OrderedDict(x=[np.arange(3, dtype=">i4"), (np.int64(3), "y")]),
        "counts": Counter({np.int64(4): np.int64(2)}),
        "w": torch.ones(2),
    }
    for path, new in ((tmp_path / "a.pt", True), (tmp_path / "b.pt", False)):
        torch.save(saved, path, _use_new_zipfile_serialization=new)
        found = pt.read(path)
        assert pt.diff(found["a"], saved["a"]) == {}
        assert found["a"].flags.f_contiguous and found["none"].shape == (2, 0)
        for name in ("best", "dtype", "when", "counts"):
            assert found[name] == saved[name]
            assert type(found[name]) is type(saved[name])
        assert found["counts"][4] == 2
        big, pair = found["inside"]["x"]
        assert big.dtype == ">i4" and big.tolist() == [0, 1, 2] and pair == (3, "y")
        np.random.set_state(found["rng"])
    torch.save({"x": np.array([{}], object)}, path)
    with pytest.raises(pt.errors.Malformed, match="'O8', which is not read"):
        pt.read(path)
    torch.save({"x": np.ma.ones(3)}, path)
    with pytest.raises(pt.errors.Untrusted, match="numpy.ma"):
        pt.read(path)
