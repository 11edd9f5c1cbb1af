"""State and configurations in .npz, .h5 and .json, beside the formats' libraries."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench_safetensors import PAGE, anew, make_state, touch_all
from common import Absent, Benchmark, Work

import ptutils as pt

SIZE = 256 << 20  # of the state, in 128 arrays


def equal_states(work: dict[str, Work]) -> None:
    sums = [run() for run in work.values()]
    np.testing.assert_allclose(sums, sums[0], rtol=1e-6)


def numpy_load(path: Path) -> Any:
    with np.load(path) as archive:
        return touch_all({name: archive[name] for name in archive.files})


def compare_npz(bench: Benchmark, folder: Path, state: dict[str, np.ndarray]) -> None:
    path = folder / "state.npz"
    bench.compare(
        "save a stored .npz",
        {
            "ptutils": anew(lambda p: pt.save(p, state, durable=False), path),
            "np.savez": anew(lambda p: np.savez(p, **state), folder / "theirs.npz"),
        },
        number=1,
    )
    bench.compare(
        "load a stored .npz, every page",
        {
            "ptutils": lambda: touch_all(pt.read(path)),
            "np.load": lambda: numpy_load(folder / "theirs.npz"),
        },
        check=equal_states,
        number=1,
        targets={"np.load": 5},
    )


def compare_hdf5(bench: Benchmark, folder: Path, state: dict[str, np.ndarray]) -> None:
    path, theirs = folder / "state.h5", folder / "theirs.h5"
    if importlib.util.find_spec("h5py") is None:
        bench.compare("save an .h5", {"h5py": Absent("no module named h5py")})
        return
    import h5py

    def save(p: Path) -> None:
        with h5py.File(p, "w") as file:
            for name, array in state.items():
                file[name] = array

    def load() -> Any:
        with h5py.File(theirs) as file:
            return touch_all({name: file[name][()] for name in file})

    bench.compare(
        "save an .h5",
        {
            "ptutils": anew(lambda p: pt.save(p, state, durable=False), path),
            "h5py": anew(save, theirs),
        },
        number=1,
        targets={"h5py": 1},
    )
    bench.compare(
        "load an .h5, every page",
        {"ptutils": lambda: touch_all(pt.read(path)), "h5py": load},
        check=equal_states,
        number=1,
        targets={"h5py": 1},
    )


def configuration(runs: int) -> dict[str, Any]:
    """Some 150 bytes a run."""
    return {
        "runs": [
            {
                "id": i,
                "lr": i * 1.1e-3,
                "name": f"run{i}",
                "tags": ["a", "b", str(i)],
                "optimizer": {"betas": [0.9, 0.999], "eps": 1e-8, "nesterov": None},
            }
            for i in range(runs)
        ]
    }


def compare_json(bench: Benchmark, folder: Path) -> None:
    content = configuration(36_000)
    path, theirs = folder / "ours.json", folder / "theirs.json"

    def equal(_: dict[str, Work]) -> None:
        assert pt.read(path) == json.loads(theirs.read_text()) == content

    saves: dict[str, Work] = {
        "ptutils": lambda: pt.save(path, content, durable=False),
        "json": lambda: theirs.write_text(json.dumps(content)),
    }
    for save in saves.values():
        save()
    size = theirs.stat().st_size / 1e6
    bench.compare(
        f"save JSON, {size:.0f} MB", dict(saves), number=1, targets={"json": 0.5}
    )
    bench.compare(
        f"load JSON, {size:.0f} MB",
        {
            "ptutils": lambda: pt.read(path),
            "json": lambda: json.loads(theirs.read_text()),
        },
        check=equal,
        number=1,
        targets={"json": 0.5},
    )


def main() -> None:
    bench = Benchmark("files", "files of other formats")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = make_state(128, SIZE // 128 // PAGE * PAGE)
        compare_npz(bench, folder, state)
        compare_hdf5(bench, folder, state)
        compare_json(bench, folder)
    bench.finish()


if __name__ == "__main__":
    main()
