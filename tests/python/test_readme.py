"""The README's code runs as written, and prints what it shows.

Blocks are taken in order, into one folder. A ``python`` or ``yaml`` block whose
first line is a comment with a file's name is that file; another ``python`` block
is a program of its own. A ``console`` block is commands after ``$`` and lines of
what they print: each must come, in order, with any numbers in place of those
shown. Blocks of other kinds are not run.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

import ptutils

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"^# ([\w.-]+\.(?:py|yaml|json))\b")
NUMBER = re.compile(r"[-+]?\.?\d[\d.,:e+-]*")
# How far a run came before it was killed is chance.
KIND = re.compile(r"(new|resumed)( · attempt \d+)?")
DOCUMENTS = ["README.md", "docs/guide.md"]


@dataclass
class Block:
    """A fenced block and where it begins."""

    kind: str
    text: str
    line: int


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in FENCE.finditer(text)
    ]


def same_but_numbers(shown: str) -> re.Pattern[str]:
    """A pattern for a line as it may be printed: other numbers, other spaces.

    >>> bool(same_but_numbers("took 0:03  of 12 ms").search("took 0:17 of 3.5 ms"))
    True
    """
    words = []
    for word in KIND.sub("new", shown).split():
        plain = NUMBER.split(word)
        words.append(r"[-+]?[\d.,:e+-]+".join(re.escape(part) for part in plain))
    return re.compile(r"^\s*" + r"\s+".join(words) + r"\s*$")


def assert_printed(shown: list[str], printed: str, where: str) -> None:
    """Each line shown is printed, in this order."""
    left = iter(re.split(r"[\r\n]+", printed))
    for line in shown:
        if not line.strip():
            continue
        pattern = same_but_numbers(line)
        assert any(pattern.match(KIND.sub("new", given)) for given in left), (
            f"{where}: not printed: {line!r}\nprinted was:\n{printed}"
        )


def commands_of(block: Block) -> list[tuple[str, list[str]]]:
    """Commands with the lines shown below each."""
    out: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        else:
            out[-1][1].append(line)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean folder, with this interpreter's python and ptutils on the path."""
    root = tmp_path_factory.mktemp("readme")
    commands = root / "bin"
    commands.mkdir()
    for name, start in (("python", ""), ("ptutils", " -m ptutils")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{start} "$@"\n')
        script.chmod(0o755)
    (root / "first").mkdir()
    return root / "first"


def shell(folder: Path, command: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(ptutils.__file__).parents[1]),
        "XDG_STATE_HOME": str(folder.parent / "state"),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",  # torch's threads wait for each other badly
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=80,
    )
    if not command.startswith("timeout "):  # that one is there to be killed
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    # The README's machine is called vm.
    return re.sub(rf"\b{re.escape(platform.node())}\b", "vm", done.stdout)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_of_the_readme_runs_and_prints_what_it_shows(
    document: str, folder: Path
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pandas")
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("dataset-fashion-mnist is not installed")
    ran = 0
    for block in blocks_of(ROOT / document):
        where = f"{document}:{block.line}"
        if block.kind in ("python", "yaml"):
            name = FILE_NAME.match(block.text)
            path = folder / (name[1] if name else "unnamed.py")
            assert name or block.kind == "python", f"{where}: a file without a name"
            path.write_text(block.text, encoding="utf-8")
            if not name:
                shell(folder, f"python {path.name}")
                ran += 1
        elif block.kind == "console":
            for command, shown in commands_of(block):
                assert_printed(shown, shell(folder, command), where)
                ran += 1
    assert ran


def test_files_that_the_readme_names_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(
        r"`((?:cpp|bindings|python|examples|tests|docs)/[^` ]*)`", text
    ):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("step 12/300  0:03 left", "step 7/300 0:00:12 left", True),
        ("best .8810 @ 4690", "best .8795 @ 938", True),
        ("complete · success", "complete · failure", False),
        ("where  size\n", "where size", True),
        ("loss 0.3", "loss nan", False),
    ],
)
def test_lines_may_differ_in_numbers_only(shown: str, printed: str, same: bool) -> None:
    assert bool(same_but_numbers(shown).match(printed)) is same
