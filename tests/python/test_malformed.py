"""Malformed files of every format: an error of ours, or the value that the format's
own library reads from the same bytes, within 2 s and 256 MB; never a crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import full
from evil_pickles import EVIL
from formats import FORMATS
from malformed_cases import CASES, GOOD, one
from worker import Worker

import ptutils as pt


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker("malformed_worker.py")
    yield worker
    worker.close()


@pytest.mark.parametrize("name", FORMATS)
def test_cut_and_flipped_files_are_errors_or_what_the_library_reads(
    name: str, worker: Worker, tmp_path: Path
) -> None:
    found = worker.ask("flips", name, str(tmp_path), full(1_000, 10_000))
    assert not found["faults"], "\n".join(found["faults"])
    assert found["errors"] > 100


@pytest.mark.parametrize("suffix", {**CASES, **EVIL})
def test_files_made_to_break_their_readers_are_errors(
    suffix: str, worker: Worker, tmp_path: Path
) -> None:
    found = worker.ask("cases", suffix, str(tmp_path))
    assert not found["faults"], "\n".join(found["faults"])
    cases = len(CASES.get(suffix, {})) + len(EVIL.get(suffix, {}))
    assert found["errors"] == cases


def test_a_name_that_leads_out_of_the_archive_is_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "it"
    folder.mkdir(parents=True)
    (folder / "x.npz").write_bytes(one(b"../../a.npy", GOOD))
    assert list(pt.read(folder / "x.npz")) == ["../../a"]
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_large_array_that_is_deflated_well_is_no_bomb(tmp_path: Path) -> None:
    zeros = np.zeros((20 << 20) // 8)
    np.savez_compressed(tmp_path / "x.npz", a=zeros, b=np.asfortranarray([zeros] * 2))
    back = pt.read(tmp_path / "x.npz")
    assert back["a"].shape == zeros.shape and back["b"].shape == (2, *zeros.shape)


@pytest.mark.parametrize(
    "text, value",
    [
        ("a: 'x'", "x"),
        ('a: "x\\""', 'x"'),
        ("a: 'x'''", "x'"),
        ("a: &b 'x'", "x"),
        ("a: !!str 'x'", "x"),
        ("a: &b !!str\n  'x' # '", "x"),
        ("a: |\n  '", "'"),
        ("a: 'x\n\n  y'", "x\ny"),
        ("\ufeffa: 'x'", "x"),
        ("é: 'é'", "é"),
        ("? a", None),
        ("{a}", None),
        ("{a: }", None),
        ("a:", None),
    ],
)
def test_yaml_that_ends_early_but_whole(text: str, value: object, tmp_path) -> None:
    (tmp_path / "x.yaml").write_bytes(text.encode())
    assert list(pt.read(tmp_path / "x.yaml").values()) == [value]
