"""Saves in the background, and folders of checkpoints."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import ptutils as pt
from ptutils import errors


def test_a_background_save_holds_the_state_of_the_moment_it_was_asked_for(tmp_path):
    w = np.zeros(1_000_000)
    for step in range(5):
        w[:] = step
        pt.save(tmp_path / f"{step}.safetensors", {"w": w}, background=True)
    w[:] = -1
    pt.sync()
    for step in range(5):
        assert (pt.read(tmp_path / f"{step}.safetensors")["w"] == step).all()


@pytest.mark.parametrize("suffix", [".json", ".npz", ".safetensors", ".pkl", ".pt"])
def test_every_format_is_saved_in_the_background(tmp_path, suffix):
    if suffix == ".pt":
        pytest.importorskip("torch")
    path = tmp_path / f"x{suffix}"
    pt.save(path, {"a": (1, 2.5), "w": np.arange(3)}, background=True)
    pt.sync()
    got = pt.read(path)
    assert got["a"] == (1, 2.5) and got["w"].tolist() == [0, 1, 2]


def test_tied_weights_stay_tied_in_the_background(tmp_path):
    tied = np.arange(1000.0)
    pt.save(tmp_path / "x.npz", {"in": tied, "out": tied}, background=True)
    pt.sync()
    assert os.path.getsize(tmp_path / "x.npz") < 1.5 * tied.nbytes
    got = pt.read(tmp_path / "x.npz")
    assert np.shares_memory(got["in"], got["out"])


def test_an_error_comes_with_the_next_save_or_sync_once(tmp_path):
    pt.save(tmp_path / "none" / "x.json", {"a": 1}, background=True)
    with pytest.raises(errors.IOFailed, match=r"background failed: .*none"):
        pt.sync()
    pt.sync()
    pt.save(tmp_path / "none" / "x.json", {"a": 1}, background=True)
    with pytest.raises(errors.IOFailed):
        for _ in range(100):  # until the first has failed
            pt.save(tmp_path / "y.json", {"a": 1}, background=True)
            os.sched_yield()
        pt.sync()
    pt.sync()


def test_what_cannot_be_copied_is_refused_at_once(tmp_path):
    with pytest.raises(errors.WrongType, match="without background=True"):
        pt.save(tmp_path / "x.pkl", {"a": {1, 2}}, background=True)
    with pytest.raises(errors.UnknownName, match="compres"):
        pt.save(tmp_path / "x.npz", {"a": 1}, background=True, compres=True)


def test_a_process_that_ends_writes_what_waits(tmp_path):
    program = (
        "import ptutils as pt, numpy as np\n"
        "for i in range(4): pt.save(f'{i}.npz', {'w': np.full(1_000_000, i)},"
        " background=True)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert [pt.read(tmp_path / f"{i}.npz")["w"][-1] for i in range(4)] == [0, 1, 2, 3]


def test_a_forked_child_saves_by_itself_and_leaves_the_parents_saves(tmp_path):
    pt.save(tmp_path / "parent.npz", {"w": np.ones(2_000_000)}, background=True)
    pid = os.fork()
    if pid == 0:
        try:
            pt.save(tmp_path / "child.json", {"a": 1}, background=True)
            pt.sync()
            os._exit(0 if pt.read(tmp_path / "child.json") == {"a": 1} else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    pt.sync()
    assert pt.read(tmp_path / "parent.npz")["w"].sum() == 2_000_000


@pytest.mark.parametrize("background", [False, True])
def test_the_last_and_the_best_stay(tmp_path, background):
    kept = pt.Checkpoints(
        tmp_path, keep_last=2, keep_best="val/loss", background=background
    )
    for step, loss in enumerate([3.0, 1.0, math.nan, 2.0, -math.inf, 1.0, 4.0]):
        kept.save({"w": np.full(10, step)}, step, {"val/loss": loss})
    kept.sync()
    assert [entry["step"] for entry in kept] == [1, 5, 6]
    assert kept.best["step"] == 1 and kept.last["metrics"] == {"val/loss": 4.0}
    assert kept.load(at="best")["w"][0] == 1 and kept.load(at=5)["w"][0] == 5
    assert len(os.listdir(tmp_path)) == 4
    again = pt.Checkpoints(tmp_path, keep_best="val/loss")
    assert list(again) == list(kept)
    with pytest.raises(errors.NotFound, match="no 3"):
        kept.load(at=3)


def test_a_state_is_not_removed_before_its_only_successor_is_whole(
    tmp_path, monkeypatch
):
    kept = pt.Checkpoints(tmp_path, keep_last=1)
    kept.save({"w": np.ones(1000)}, 1)
    save = pt.files.save

    def save_on_a_bad_disk(path, *args, **options):
        save(path, *args, **options)
        if str(path).endswith(".safetensors"):
            content = bytearray(path.read_bytes())
            content[-5] ^= 1
            path.write_bytes(content)

    monkeypatch.setattr(pt.files, "save", save_on_a_bad_disk)
    with pytest.raises(errors.Malformed, match="were kept"):
        kept.save({"w": np.ones(1000)}, 2)
    monkeypatch.undo()
    assert kept.load(at=1, verify=True)["w"].sum() == 1000
    kept.save({"w": np.zeros(1000)}, 3)
    assert [entry["step"] for entry in kept] == [3]


def test_a_failed_save_leaves_the_states_before_it(tmp_path):
    kept = pt.Checkpoints(tmp_path, keep_last=1)
    kept.save({"a": 1}, 1)
    with pytest.raises(errors.WrongType):
        kept.save({"a": object()}, 2)
    assert kept.load() == {"a": 1}


def test_a_state_whose_process_died_before_the_index_is_taken_up(tmp_path):
    kept = pt.Checkpoints(tmp_path, keep_last=1)
    kept.save({"a": 1}, 1)
    pt.save(tmp_path / "step-00000002.safetensors", {"a": 2})
    (tmp_path / "notes.safetensors").write_bytes(b"mine")
    again = pt.Checkpoints(tmp_path, keep_last=1)
    assert again.load() == {"a": 2}
    again.save({"a": 3}, 3)
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoints.json",
        "notes.safetensors",
        "step-00000003.safetensors",
    ]


def test_a_process_that_ends_leaves_the_metrics_of_its_last_save(tmp_path):
    code = (
        "import sys, numpy as np, ptutils as pt\n"
        "kept = pt.Checkpoints(sys.argv[1], keep_last=1, keep_best='val/accuracy',"
        " background=True)\n"
        "for step, accuracy in [(1, .5), (2, .9)]:\n"
        "    kept.save({'w': np.ones(9)}, np.int64(step), {'val/accuracy': accuracy})"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env={
        **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    kept = pt.Checkpoints(tmp_path, keep_last=1, keep_best="val/accuracy")
    for step in (3, 4):
        kept.save({"w": np.zeros(9)}, step, {"val/accuracy": 0.1})
    assert [entry["step"] for entry in kept] == [2, 4] and kept.best["step"] == 2


def test_shards_go_with_their_index(tmp_path):
    kept = pt.Checkpoints(tmp_path, keep_last=1, suffix=".safetensors.index.json")
    for step in range(3):
        kept.save({"w": np.ones(9) * step}, step)
    assert kept.load()["w"][0] == 2
    assert len(os.listdir(tmp_path)) == 3  # checkpoints.json, an index, a shard


def test_a_damaged_list_of_checkpoints_says_what_to_do(tmp_path):
    kept = pt.Checkpoints(tmp_path)
    for step in (99_999_999, 100_000_000):
        kept.save({"w": np.ones(9)}, step)
    for content in ('[{"step": 1, "fi', '{"a": 1}', "[1]"):
        (tmp_path / "checkpoints.json").write_text(content)
        with pytest.raises(errors.Malformed, match="delete it, and only their metrics"):
            pt.Checkpoints(tmp_path)
    (tmp_path / "checkpoints.json").unlink()
    assert pt.Checkpoints(tmp_path).last["step"] == 100_000_000
