"""Checkpoints where saves fail, and what killed saves leave."""

from __future__ import annotations

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ptutils as pt


@pytest.mark.parametrize("told_by", ["save", "sync"])
def test_a_failed_background_save_is_no_state(tmp_path: Path, told_by: str) -> None:
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = pt.Checkpoints(
        tmp_path / "c", keep_last=1, keep_best="val/loss", background=True
    )
    try:
        kept.save({"w": np.ones(2)}, 0, {"val/loss": 0.4})
        kept.sync()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(pt.errors.IOFailed):
            kept.save({"w": np.ones(100_000)}, 1, {"val/loss": 0.1})
            time.sleep(0.2)
            pt.sync() if told_by == "sync" else kept.save({"w": np.ones(2)}, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    for step, loss in ((3, 0.6), (4, 0.7), (5, 0.8)):
        kept.save({"w": np.full(2, step)}, step, {"val/loss": loss})
    kept.sync()
    assert [entry["step"] for entry in kept] == [0, 5]
    assert kept.load(at="best")["w"].tolist() == [1, 1]
    assert kept.load()["w"].tolist() == [5, 5]
    files = sorted(p.name for p in (tmp_path / "c").iterdir() if "step" in p.name)
    assert files == ["step-00000000.safetensors", "step-00000005.safetensors"]


KILLED = """
import sys, numpy as np, ptutils as pt
for i in range(10**6):
    pt.save(f"{sys.argv[1]}/x{i}.npz", {"a": np.ones(200_000)})
    print(i, flush=True)
"""


def test_a_killed_save_of_another_name_leaves_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            env=env,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05)
        process.kill()
        process.communicate()
    (tmp_path / ".foreign.tmp").touch()
    (tmp_path / f".x.npz.{os.getppid()}-1.tmp").touch()  # of one that lives
    pt.save(tmp_path / "other.json", 1)
    left = sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".tmp")
    assert left == [".foreign.tmp", f".x.npz.{os.getppid()}-1.tmp"]


def test_metrics_are_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = pt.Checkpoints(tmp_path / "c", keep_best="val/loss")
    with pytest.raises(pt.errors.WrongType, match="'val/loss' is 'x'"):
        kept.save({"a": 1}, 5, {"val/loss": "x"})  # type: ignore[dict-item]
    with pytest.raises(pt.errors.WrongType, match="a dict of numbers"):
        kept.save({"a": 1}, 5, [1])  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING, "ptutils"):
        kept.save({"a": 1}, 5, {"val/los": 1.0})
    assert "val/loss" in caplog.text
    (tmp_path / "file").touch()
    with pytest.raises(pt.errors.IOFailed, match="cannot make the folder"):
        pt.Checkpoints(tmp_path / "file")


def test_a_format_in_python_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    class Up:
        name = "up"
        suffixes = (".up",)

        def read(self, path: str) -> object:
            return {"t": Path(path).read_text()}

        def write(self, path: str, value: dict, durable: bool) -> None:
            with open(path, "w") as file:
                file.write("half")
                file.write(value["t"])

    pt.files.register_codec(Up)
    pt.save(tmp_path / "a.up", {"t": "precious"})
    for save in (pt.save, pt._core.save):
        with pytest.raises(KeyError):
            save(tmp_path / "a.up", {})
        assert pt.read(tmp_path / "a.up") == {"t": "halfprecious"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.up"]


def test_refusals_of_a_pickle_name_the_place(tmp_path: Path) -> None:
    with pytest.raises(pt.errors.WrongType, match=r"x\.pkl: 'a\.b\.1': ") as caught:
        pt.save(tmp_path / "x.pkl", {"a": {"b": [1, lambda: 1]}})
    assert "do not read" not in str(caught.value)
    (tmp_path / "d.pkl").mkdir()
    with pytest.raises(pt.errors.IOFailed, match="is a folder"):
        pt.read(tmp_path / "d.pkl")


def test_long_ids_of_a_csv_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,v\n99999999999999999999,1e3\n3,2\n")
    value = pt.read(tmp_path / "x.csv")
    assert value["id"] == ["99999999999999999999", "3"]
    assert value["v"].tolist() == [1000, 2]
