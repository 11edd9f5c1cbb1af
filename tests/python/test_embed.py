"""The C++ door: the experiment file runs in a program without Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PTUTILS_BUILD_DIR", ROOT / "build" / "dev"))
EXPERIMENT = ROOT / "examples" / "fashion_mnist" / "experiment.yaml"
IMAGES = Path("/usr/share/datasets/fashion-mnist")

pytestmark = pytest.mark.skipif(
    not IMAGES.is_dir(), reason="wants Debian's package dataset-fashion-mnist"
)


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def embed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/embed_cmake, built against the installed package alone."""
    folder = tmp_path_factory.mktemp("embed")
    run("cmake", "--install", BUILD, "--prefix", folder / "prefix")
    shutil.copytree(ROOT / "examples" / "embed_cmake", folder / "source")
    run("cmake", "-G", "Ninja", "-S", folder / "source", "-B", folder / "build",
        f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")  # fmt: skip
    run("cmake", "--build", folder / "build")
    return folder / "build" / "embed"


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """The experiment of the example, of 600 steps."""
    text = EXPERIMENT.read_text(encoding="utf-8")
    assert "num_epochs: 10" in text
    text = text.replace("num_epochs: 10", "num_steps: 600")
    text = text.replace("every: 1 epoch", "every: 300 steps")
    path = tmp_path / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_python_is_in_the_process(embed: Path) -> None:
    linked = run("ldd", embed)
    assert "libptutils.so" in linked
    assert "not found" not in linked
    assert "python" not in linked.lower()


def test_it_trains_predicts_and_says_that_it_is_complete(
    embed: Path, short: Path, tmp_path: Path
) -> None:
    text = run(embed, short, "runs.db", "p.npz", cwd=tmp_path)
    assert "step 600: " in text
    assert "complete · success · new · 600 steps" in text
    import numpy as np

    p = np.load(tmp_path / "p.npz")["p"]
    assert p.shape == (10000, 10)
    assert np.allclose(p.sum(1), 1, atol=1e-5)
    again = run(embed, short, "runs.db", "q.npz", cwd=tmp_path)
    assert "step 600: " not in again
    assert "complete · success · new · 600 steps" in again
    q = np.load(tmp_path / "q.npz")["p"]
    assert q.tobytes() == p.tobytes()


def test_ctrl_c_leaves_it_paused_and_it_goes_on_to_the_bit(
    embed: Path, short: Path, tmp_path: Path
) -> None:
    run(embed, short, "straight.db", "p.npz", cwd=tmp_path)
    process = subprocess.Popen(
        [embed, short, "runs.db", "q.npz"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if "step 100: " in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130, rest
    assert "paused at step" in rest
    text = run(embed, short, "runs.db", "q.npz", cwd=tmp_path)
    assert "resumed at step" in text
    assert (tmp_path / "p.npz").read_bytes() == (tmp_path / "q.npz").read_bytes()


def test_sigkill_leaves_the_last_checkpoint(
    embed: Path, short: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [embed, short, "runs.db", "q.npz"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    time.sleep(0.7)
    process.kill()
    process.wait()
    run(embed, short, "runs.db", "q.npz", cwd=tmp_path)
    run(embed, short, "straight.db", "p.npz", cwd=tmp_path)
    assert (tmp_path / "p.npz").read_bytes() == (tmp_path / "q.npz").read_bytes()
