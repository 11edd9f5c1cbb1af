"""safetensors in several files, and the text beside tensors."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import ptutils as pt

INDEX = "model.safetensors.index.json"
VALUE = {
    "net": {"w": np.arange(6, dtype="float32").reshape(2, 3), "b": torch.ones(2)},
    "half": torch.ones(3).bfloat16(),
    "z": np.ones(2, "complex64"),
    "step": 3,
}


def same(a: object, b: object) -> bool:
    return pt._core._identical(a, b)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def save(folder: Path, value: object, shard_bytes: int = 24, **more: object) -> Path:
    pt.save(folder / INDEX, value, shard_bytes=shard_bytes, **more)
    return folder / INDEX


def test_what_was_saved_comes_back_and_others_read_it(tmp_path: Path) -> None:
    path = save(tmp_path, VALUE, metadata={"model": "small"})
    assert same(pt.read(path, verify=True), VALUE)
    shards = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    assert names(tmp_path) == [*shards, INDEX]
    index = json.loads(path.read_text())
    assert index["metadata"]["total_size"] == 24 + 8 + 6 + 16
    loaded = {}
    for shard in shards:
        tensors = safetensors.torch.load_file(tmp_path / shard)
        with safetensors.safe_open(tmp_path / shard, "pt") as file:
            assert file.metadata()["format"] == "pt"
        assert all(index["weight_map"][name] == shard for name in tensors)
        loaded.update(tensors)
    assert set(loaded) == set(index["weight_map"]) == {"net.w", "net.b", "half", "z"}
    assert torch.equal(loaded["half"], VALUE["half"])
    assert pt.files.metadata(path) == {"model": "small", "total_size": "54"}
    assert pt.files.metadata(tmp_path / shards[0]) == {"model": "small", "format": "pt"}
    for empty in ({}, {"n": 1}):
        assert same(pt.read(save(tmp_path, empty)), empty)
        assert names(tmp_path) == [INDEX]


def hugging_face(folder: Path) -> Path:
    first, second = {"a": torch.ones(2), "c": torch.zeros(3)}, {"b": torch.ones(1)}
    for i, tensors in enumerate((first, second)):
        name = folder / f"model-0000{i + 1}-of-00002.safetensors"
        safetensors.torch.save_file(tensors, name, {"format": "pt"})
    where = {"a": 1, "b": 2, "c": 1}
    files = {k: f"model-0000{i}-of-00002.safetensors" for k, i in where.items()}
    (folder / INDEX).write_text(
        json.dumps({"metadata": {"total_size": 24}, "weight_map": files})
    )
    return folder / INDEX


def test_an_index_of_hugging_face(tmp_path: Path) -> None:
    path = hugging_face(tmp_path)
    back = pt.read(path)
    assert list(back) == ["a", "b", "c"] and back["a"].tolist() == [1, 1]
    assert pt.files.metadata(path) == {"total_size": "24"}
    path = save(tmp_path, VALUE)  # takes the place of theirs
    assert same(pt.read(path), VALUE) and len(names(tmp_path)) == 4


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda m: m.update(a="../x.safetensors"), "no name in the folder"),
        (lambda m: m.update(a="/etc/passwd"), "no name in the folder"),
        (lambda m: m.update(a=".."), "no name in the folder"),
        (lambda m: m.update(a="x\0y"), "no name in the folder"),
        (lambda m: m.update(a=3), "no text"),
        (lambda m: m.update(d=m["a"]), "no tensor 'd'"),
        (lambda m: m.pop("c"), "'c', which the index does not name"),
        (lambda m: m.update(a=m["b"]), "no tensor 'a'"),
        (lambda m: m.update(a="gone.safetensors"), "1 of 3 shards.*gone.safetensors"),
    ],
)
def test_what_is_wrong_in_an_index_is_named(change, why: str, tmp_path: Path) -> None:
    path = hugging_face(tmp_path)
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))
    with pytest.raises(pt.Error, match=why):
        pt.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 1}',
                                  '{"weight_map": {}, "metadata": 1}'])  # fmt: skip
def test_an_index_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(pt.errors.Malformed):
        pt.read(tmp_path / INDEX)


def test_damage_in_a_shard_or_the_index_is_found(tmp_path: Path) -> None:
    path = save(tmp_path, VALUE)
    shard = tmp_path / "model-00001-of-00003.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(pt.errors.Malformed, match="checksum differs"):
        pt.read(path, verify=True)
    path = save(tmp_path, VALUE)
    text = path.read_text()
    path.write_text(text.replace('\\"step\\":3', '\\"step\\":4'))
    assert path.read_text() != text
    with pytest.raises(pt.errors.Malformed, match="checksum"):
        pt.read(path, verify=True)


def test_a_new_save_takes_other_files_and_removes_the_old(tmp_path: Path) -> None:
    (tmp_path / "model-extra.safetensors").write_bytes(b"mine")
    (tmp_path / "model-00009-of-00009.safetensors").write_bytes(b"mine")
    kept = names(tmp_path)
    for i in range(4):
        before = set(names(tmp_path))
        path = save(tmp_path, {"a": np.full(9, i), "b": np.full(9, -i)}, 80)
        assert not (set(names(tmp_path)) & before) - {INDEX, *kept}
        assert pt.read(path)["b"][0] == -i
    assert len(names(tmp_path)) == 3 + len(kept)


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    path = save(tmp_path, VALUE)
    before = names(tmp_path)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        with pytest.raises(pt.errors.IOFailed, match="ulimit -f"):
            save(tmp_path, {"a": np.ones(9), "b": np.ones(50_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    with pytest.raises(pt.errors.WrongType, match="text"):
        save(tmp_path, {"a": np.ones(9)}, metadata={"k": 3})
    with pytest.raises(pt.errors.WrongType, match="shard_bytes"):
        save(tmp_path, {"a": np.ones(9)}, "5GB")
    assert names(tmp_path) == before and same(pt.read(path), VALUE)


KILLED = """
import sys
import numpy as np
import ptutils as pt
n = 0
while True:
    n += 1
    pt.save(sys.argv[1], {str(i): np.full(9000, n) for i in range(6)},
            durable=False, shard_bytes=160_000)
    print(n, flush=True)
"""


def test_kill_in_mid_save_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    chance = random.Random(1)
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / INDEX)], text=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        said = [1, *map(int, process.stdout.read().split())]
        process.wait()
        back = pt.read(tmp_path / INDEX, verify=True)
        numbers = {int(x) for array in back.values() for x in array}
        assert len(numbers) == 1 and numbers <= {max(said), max(said) + 1}
    save(tmp_path, {"a": np.ones(3)})
    assert len(names(tmp_path)) == 2  # what the killed left is gone


def test_text_beside_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    pt.save(path, VALUE, metadata={"format": "pt", "note": "é\n"})
    assert pt.files.metadata(path) == {"format": "pt", "note": "é\n"}
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata()["note"] == "é\n"
    assert same(pt.read(path, verify=True), VALUE)
    safetensors.torch.save_file({"a": torch.ones(1)}, path, {"k": "v"})
    assert pt.files.metadata(path) == {"k": "v"}
    for bad in ({"k": 1}, {3: "x"}, ["x"], {"__ptutils__": "x"}):
        with pytest.raises(pt.errors.WrongType, match="metadata"):
            pt.save(path, VALUE, metadata=bad)
    pt.save(tmp_path / "x.json", {})
    with pytest.raises(pt.errors.WrongType, match="no text"):
        pt.files.metadata(tmp_path / "x.json")


def test_a_read_between_saves_is_of_one_of_them(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, ptutils as pt\n"
        "for step in range(400):\n"
        "    pt.save(sys.argv[1], {'w': np.full(4, step), 'v': np.full(4, step),"
        " 'step': step}, durable=False, shard_bytes=32)"
    )
    path = tmp_path / INDEX
    pt.save(path, {"w": np.zeros(4), "v": np.zeros(4), "step": 0}, shard_bytes=32)
    writer = subprocess.Popen([sys.executable, "-c", code, path], env={
        **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    while writer.poll() is None:
        back = pt.read(path)
        assert back["w"][0] == back["v"][0] == back["step"]
    assert writer.returncode == 0
