"""Run clang-tidy on the core's sources that have changed since it passed them.

    python scripts/tidy.py BUILD [FILE...]

BUILD is a built folder (compile_commands.json, ninja's dependency log). What
passed is remembered in BUILD/tidy by a hash of the source, the project's headers
that it includes, the command, and .clang-tidy.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BATCH = 8  # sources in a translation unit


@dataclass
class Source:
    path: Path
    stamp: Path  # is there once it has passed
    flags: tuple[str, ...]


def commands(build: Path) -> dict[Path, str]:
    """The first compile command of each source below cpp/.

    Not of the kernels: Eigen alone takes clang-tidy longer than all the rest,
    and Debian's clang-tidy 14 does not know __builtin_cpu_supports' levels.
    """
    found: dict[Path, str] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = Path(entry["file"])
        if path.is_relative_to(ROOT / "cpp") and "kernels" not in path.parts:
            found.setdefault(path, entry["command"])
    return found


def dependencies(build: Path) -> dict[Path, set[Path]]:
    """The project's files that each source was last compiled from."""
    log = subprocess.run(
        ["ninja", "-C", str(build), "-t", "deps"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[Path, set[Path]] = {}
    for block in log.split("\n\n"):
        paths = [(build / line.strip()).resolve() for line in block.splitlines()[1:]]
        own = {path for path in paths if path.is_relative_to(ROOT)}
        for source in own:
            if source.suffix == ".cpp":
                found.setdefault(source, set()).update(own)
    return found


def flags_of(command: str) -> tuple[str, ...]:
    """What a command says beside the source and the object."""
    words = shlex.split(command)[1:]
    return tuple(words[: words.index("-o")])


def fingerprint(command: str, files: set[Path]) -> str:
    digest = hashlib.sha256(command.encode())
    for path in sorted(files | {ROOT / ".clang-tidy"}):
        digest.update(str(path).encode())
        if path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def tidy(build: Path, source: Path, *flags: str) -> str:
    """clang-tidy's complaints, or nothing."""
    done = subprocess.run(
        [
            "clang-tidy",
            "--quiet",
            *([] if flags else ["-p", str(build)]),
            "--extra-arg=-Wno-everything",
            "--extra-arg=-Qunused-arguments",
            str(source),
            *(["--", *flags] if flags else []),
        ],
        capture_output=True,
        text=True,
    )
    return (done.stdout or done.stderr) if done.returncode else ""


def check(build: Path, batch: list[Source]) -> list[str]:
    """The complaints about a batch's sources; what passes is stamped.

    All in one translation unit first: reading the headers takes most of the
    time. What does not pass so is looked at by itself.
    """
    if len(batch) > 1:
        whole = batch[0].stamp.with_suffix(".cpp")
        whole.write_text("".join(f'#include "{source.path}"\n' for source in batch))
        failed = tidy(build, whole, *batch[0].flags)
        whole.unlink()
        if not failed:
            for source in batch:
                source.stamp.touch()
            return []
    complaints = []
    for source in batch:
        if complaint := tidy(build, source.path):
            complaints.append(complaint)
        else:
            source.stamp.touch()
    return complaints


def distinct(complaints: list[str]) -> str:
    """The complaints, those about a header once, not once for each source."""
    blocks = re.split(
        r"^(?=\S+:\d+:\d+: (?:error|warning): )", "\n".join(complaints), flags=re.M
    )
    first = {block.split("\n", 1)[0]: block for block in reversed(blocks)}
    return "".join(reversed(first.values()))


def batches(sources: list[Source]) -> list[list[Source]]:
    """Of sources that are compiled alike, and of no more than every core gets."""
    size = max(1, min(BATCH, len(sources) // (2 * (os.cpu_count() or 1))))
    alike: dict[tuple[str, ...], list[Source]] = {}
    for source in sources:
        alike.setdefault(source.flags, []).append(source)
    return [
        group[i : i + size]
        for group in alike.values()
        for i in range(0, len(group), size)
    ]


def main(build: Path, wanted: list[Path]) -> int:
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    known = dependencies(build)
    todo = []
    for path, command in commands(build).items():
        if wanted and path not in wanted:
            continue
        stamp = stamps / fingerprint(command, known.get(path, {path}))
        if not stamp.exists():
            todo.append(Source(path, stamp, flags_of(command)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = sum(pool.map(lambda b: check(build, b), batches(todo)), [])
    print(distinct(complaints), end="")
    print(f"clang-tidy: {len(todo)} checked, {len(complaints)} failed")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(
        main(
            Path(sys.argv[1]).resolve(),
            [Path(name).resolve() for name in sys.argv[2:]],
        )
    )
