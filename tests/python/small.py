"""A small experiment file and its data, for tests that run the command line."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import ptutils

PACKAGES = str(Path(ptutils.__file__).parents[1])

EXPERIMENT = """
exp_id: small
seed: 0
model:
  net:
    func: Sequential
    layers:
      - {func: Flatten}
      - {func: Linear, in_features: 784, out_features: 16}
      - {func: ReLU}
      - {func: Linear, in_features: 16, out_features: 10}
  criterion: {func: CrossEntropyLoss}
  optimizer: {func: Adam, lr: 1e-3}
dataprovider:
  datasets:
    train: {func: FashionMNIST, root: data}
    val: {func: FashionMNIST, root: data, train: false}
  batch_size: 8
train_params: {num_epochs: 2}
validation_params: {val: {every: 1 epoch}}
save_params: {every: 10 steps, keep_last: 2, keep_best: val/accuracy}
callbacks: [NaNDetector]
"""
STEPS = 32  # two epochs of 128 images in batches of 8


def write_images(folder: Path, name: str, count: int) -> None:
    """Images whose class can be learnt: a bright row each, as IDX files."""
    labels = (np.arange(count) % 10).astype("u1")
    images = np.zeros((count, 28, 28), "u1")
    images[np.arange(count), 2 * labels] = 255
    head = struct.pack(">IIII", 0x803, count, 28, 28)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
    head = struct.pack(">II", 0x801, count)
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def make(folder: Path, text: str = EXPERIMENT) -> Path:
    """experiment.yaml and its data in a folder."""
    raw = folder / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    write_images(raw, "train", 128)
    write_images(raw, "t10k", 40)
    path = folder / "experiment.yaml"
    path.write_text(text)
    return path


def environment(**env: str) -> dict[str, str]:
    """This process's, with the ptutils that the tests import, compiled once."""
    path = os.pathsep.join([PACKAGES, os.environ.get("PYTHONPATH", "")])
    out = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), **env}
    out.pop("PYTHONDONTWRITEBYTECODE", None)
    return out


def ptutils_(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``ptutils ARGS`` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ptutils", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**env),
    )


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    """The same, without waiting."""
    return subprocess.Popen(
        [sys.executable, "-m", "ptutils", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def wait_for_steps(database: Path, exp_id: str, seconds: float = 30) -> None:
    """Until a run is in progress and its first steps are durable."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if database.exists():
            try:
                status = ptutils.open(database)[exp_id].status
            except ptutils.Error:  # not begun yet
                status = None
            if status is not None and status.state == "in-progress" and status.step:
                return
        time.sleep(0.05)
    raise AssertionError(f"{exp_id} did not start")
