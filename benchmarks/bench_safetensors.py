"""A model's state in a safetensors file, beside safetensors' own and torch."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import Absent, Benchmark, Work

import ptutils as pt

try:
    import safetensors.numpy
    import safetensors.torch
except ImportError as error:
    safetensors = None
    no_safetensors = str(error)
try:
    import torch
except ImportError as error:
    torch = None
    no_torch = str(error)

PAGE = 4096
State = dict[str, np.ndarray]


def make_state(count: int, each: int) -> State:
    """count f32 tensors of `each` bytes."""
    rng = np.random.default_rng(0)
    return {
        f"layer{i}.weight": rng.random(each // 4, dtype=np.float32)
        for i in range(count)
    }


def as_torch(state: State) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in state.items()}


def write_plain(state: State, path: Path, durable: bool) -> None:
    """What any writer costs at least: the bytes, into a new file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for array in state.values():
        left = memoryview(array).cast("B")
        while left:
            left = left[os.write(file, left) :]
    if durable:
        os.fsync(file)
    os.close(file)


def anew(save: Callable[[Path], Any], path: Path) -> Work:
    """Into a file that is not there, as a checkpoint is."""

    def run() -> None:
        path.unlink(missing_ok=True)
        save(path)

    return run


def touch_one(state: Any) -> float:
    return float(next(iter(state.values()))[0])


def touch_all(state: Any) -> float:
    """A value of every page."""
    return sum(float(array[:: PAGE // 4].sum()) for array in state.values())


def check_files(folder: Path, state: State) -> None:
    """Ours is read by safetensors and by us, theirs by us, to the bit."""
    pt.save(folder / "check.safetensors", state)
    read = {"ptutils reads its own": pt.read(folder / "check.safetensors")}
    if safetensors is not None:
        read["safetensors reads ours"] = safetensors.numpy.load_file(
            folder / "check.safetensors"
        )
        safetensors.numpy.save_file(state, folder / "check.safetensors")
        read["ptutils reads theirs"] = pt.read(folder / "check.safetensors")
    for who, found in read.items():
        assert sorted(found) == sorted(state), who
        for name, array in state.items():
            np.testing.assert_array_equal(np.asarray(found[name]), array, err_msg=who)
    (folder / "check.safetensors").unlink()


def savers(folder: Path, state: State) -> dict[str, Work | Absent]:
    ours = folder / "ours.safetensors"
    out: dict[str, Work | Absent] = {
        "ptutils": anew(lambda path: pt.save(path, state, durable=False), ours),
        "write()": anew(lambda path: write_plain(state, path, False), folder / "plain"),
    }
    if safetensors is None:
        out["safetensors"] = Absent(no_safetensors)
    else:
        out["safetensors"] = anew(
            lambda path: safetensors.numpy.save_file(state, path),
            folder / "theirs.safetensors",
        )
    if torch is None:
        out["torch.save"] = Absent(no_torch)
    else:
        tensors = as_torch(state)
        out["torch.save"] = anew(
            lambda path: torch.save(tensors, path), folder / "torch.pt"
        )
    return out


def durable_savers(folder: Path, state: State) -> dict[str, Work | Absent]:
    return {
        "ptutils, durable": anew(
            lambda path: pt.save(path, state), folder / "durable.safetensors"
        ),
        "write() and fsync": anew(
            lambda path: write_plain(state, path, True), folder / "plain"
        ),
    }


def loaders(folder: Path, touch: Callable[[Any], float]) -> dict[str, Work | Absent]:
    """Each reads the file that it wrote."""
    out: dict[str, Work | Absent] = {
        "ptutils": lambda: touch(pt.read(folder / "ours.safetensors")),
    }
    if torch is None:
        out["torch.load(mmap)"] = Absent(no_torch)
    else:
        out["torch.load(mmap)"] = lambda: touch(
            torch.load(folder / "torch.pt", mmap=True)
        )
    if safetensors is None or torch is None:
        out["safetensors"] = Absent("needs safetensors and torch")
    else:
        out["safetensors"] = lambda: touch(
            safetensors.torch.load_file(folder / "theirs.safetensors")
        )
    return out


def same_sums(work: dict[str, Work]) -> None:
    """Those who touch everything find the same (torch sums in another order)."""
    found = {who: run() for who, run in work.items()}
    first = next(iter(found.values()))
    for who, value in found.items():
        np.testing.assert_allclose(value, first, rtol=1e-5, err_msg=who)


def compare_large(bench: Benchmark, folder: Path, count: int, each: int) -> None:
    state = make_state(count, each)
    what = f"{count} tensors, {count * each / 2**20:.0f} MB"
    peers = {"safetensors": 1.0, "torch.save": 1.0}
    bench.compare(
        f"save {what}",
        savers(folder, state),
        check=lambda _: check_files(folder, state),
        number=1,
        targets=peers,
    )
    bench.compare(
        f"save {what}, durable",
        durable_savers(folder, state),
        number=1,
        targets={"write() and fsync": 0.9},
    )
    peers = {"safetensors": 1.0, "torch.load(mmap)": 1.0}
    for how, touch in (("first value", touch_one), ("every page", touch_all)):
        bench.compare(
            f"load {what}, {how}",
            loaders(folder, touch),
            check=same_sums,
            number=1,
            targets=peers,
        )


def compare_small(bench: Benchmark, folder: Path, library: str) -> None:
    """10 000 tensors of 32 bytes, of one library before and after."""
    state: dict[str, Any] = make_state(10_000, 32)
    ours, theirs = folder / "ours.safetensors", folder / "theirs.safetensors"
    what = f"10 000 {library} tensors of 32 bytes"
    peer = None
    if safetensors is not None and (library == "NumPy" or torch is not None):
        peer = safetensors.numpy if library == "NumPy" else safetensors.torch
    if peer is None:
        absent: dict[str, Work | Absent] = {"safetensors": Absent("is not installed")}
        bench.compare(what, absent)
        return
    if library == "torch":
        state = as_torch(state)
    save: dict[str, Work | Absent] = {
        "ptutils": anew(lambda path: pt.save(path, state, durable=False), ours),
        "safetensors": anew(lambda path: peer.save_file(state, path), theirs),
    }
    load: dict[str, Work | Absent] = {
        "ptutils": lambda: pt.read(ours),
        "safetensors": lambda: peer.load_file(theirs),
    }
    if library == "torch":
        path = folder / "theirs.pt"
        save["torch"] = anew(lambda path: torch.save(state, path), path)
        load["torch"] = lambda: torch.load(path)

    def check(work: dict[str, Work]) -> None:
        for who, run in work.items():
            found = run()
            assert sorted(found) == sorted(state), who
            for name, tensor in state.items():
                assert type(found[name]) is type(tensor), (who, name)
                assert (found[name] == tensor).all(), (who, name)

    bench.compare(f"save {what}", save, number=1, targets={"safetensors": 5})
    bench.compare(
        f"load {what}", load, check=check, number=1, targets={"safetensors": 5}
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, default=512, help="of the large state")
    parser.add_argument("--folder", help="where the files go; default: a temporary one")


def main() -> None:
    bench = Benchmark("safetensors", "a state in a safetensors file", arguments)
    options = bench.options
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        each = options.megabytes * 2**20 // 128 // PAGE * PAGE
        compare_large(bench, folder, 128, each)
        for library in ("torch", "NumPy"):
            compare_small(bench, folder, library)
    bench.finish()


if __name__ == "__main__":
    main()
