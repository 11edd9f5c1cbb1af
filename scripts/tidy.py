"""Run clang-tidy on the core's sources that have changed since it passed them.

    python scripts/tidy.py BUILD

BUILD is a built folder (compile_commands.json, ninja's dependency log). Sources
that it compiles together are looked at together: most of the time goes into
headers. What passed is remembered in BUILD/tidy by a hash of the source, what it
includes of the project, the command, and .clang-tidy.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commands(build: Path) -> dict[Path, str]:
    """The first compile command of each source, or batch of sources, of cpp/.

    Not of the kernels: Eigen alone takes clang-tidy longer than all the rest,
    and Debian's clang-tidy 14 does not know __builtin_cpu_supports' levels.
    """
    found: dict[Path, str] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = Path(entry["file"])
        core = any(path.is_relative_to(base / "cpp") for base in (ROOT, build))
        if core and "kernels" not in path.parts:
            found.setdefault(path, entry["command"])
    return found


def dependencies(build: Path) -> dict[Path, set[Path]]:
    """The project's files that each source, the first of them, needs."""
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
        if paths:
            found.setdefault(paths[0], set()).update(own)
    return found


def fingerprint(command: str, files: set[Path]) -> str:
    digest = hashlib.sha256(command.encode())
    for path in sorted(files | {ROOT / ".clang-tidy"}):
        digest.update(str(path).encode())
        if path.exists():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check(build: Path, source: Path, stamp: Path) -> str:
    """clang-tidy's complaints, or nothing; then the stamp is set."""
    done = subprocess.run(
        [
            "clang-tidy",
            "--quiet",
            "-p",
            str(build),
            "--extra-arg=-Wno-everything",
            "--extra-arg=-Qunused-arguments",
            str(source),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return done.stdout or done.stderr
    stamp.touch()
    return ""


def distinct(complaints: list[str]) -> str:
    """The complaints, those about a header once, not once for each source."""
    blocks = re.split(
        r"^(?=\S+:\d+:\d+: (?:error|warning): )", "\n".join(complaints), flags=re.M
    )
    first = {block.split("\n", 1)[0]: block for block in reversed(blocks)}
    return "".join(reversed(first.values()))


def main(build: Path) -> int:
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    known = dependencies(build)
    todo = []
    for source, command in commands(build).items():
        stamp = stamps / fingerprint(command, known.get(source, {source}))
        if not stamp.exists():
            todo.append((source, stamp))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(lambda item: check(build, *item), todo))
    print(distinct(complaints), end="")
    failed = sum(1 for complaint in complaints if complaint)
    print(f"clang-tidy: {len(todo)} checked, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
