"""Reads many malformed files, each format's in a process of its own and each file
with little time and memory: what crashes, hangs or exceeds takes the process along
and leaves the file, ``case.SUFFIX``, behind.

Asked by lines of standard input, answers by lines of standard output, in JSON:

    ["flips", FORMAT, FOLDER, COUNT]    cut at every byte (or a share), bits flipped
    ["cases", SUFFIX, FOLDER]           those of malformed_cases and evil_pickles
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import full
from evil_pickles import EVIL
from formats import FORMATS, Format, plain
from malformed_cases import CASES

import ptutils as pt

SECONDS = 2.0  # of this process, so that others' work does not count
MEMORY = 256 << 10  # KB
MOST_FAULTS = 20  # that are kept


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Reader:
    """Reads cases and keeps what is against the rule."""

    def __init__(self, format: Format, folder: Path) -> None:
        self.format = format
        self.case = folder / f"case.{format.suffix}"
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self.base = peak()

    def read(self, content: bytes, original: Any, what: str, verify: bool) -> None:
        # A new file: what was read from the one before may still be mapped.
        self.case.unlink(missing_ok=True)
        self.case.write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            value = pt.read(self.case, verify=verify, **self.format.reading)
        except pt.Error as error:
            self.counts["errors"] += 1
            if str(self.case) not in str(error) or len(str(error)) > 2000:
                self.fault(what, f"no file in {str(error)[:500]!r}")
        except BaseException as error:
            self.fault(what, f"{type(error).__name__}: {error}")
        else:
            self.compare(value, original, what, verify)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if peak() - self.base > MEMORY + len(content) // 1024:
            self.fault(what, f"{(peak() - self.base) // 1024} MB of memory")
            self.base = peak()

    def compare(self, value: Any, original: Any, what: str, verify: bool) -> None:
        if original is None:
            self.fault(what, "read")
            return
        if plain(value) == original:
            self.counts["same"] += 1
            return
        if verify:
            self.fault(what, f"verified, but changed: {value!r:.300}")
            return
        self.counts["others"] += 1
        try:
            theirs = self.format.read(self.case)
        except Exception as error:
            self.fault(what, f"read, {value!r:.300}, where the library has {error!r}")
            return
        if self.format.twice:
            theirs = either(plain(value), plain(theirs), original)
            value = plain(value)
        if not self.format.same(value, theirs):
            self.fault(what, f"read {value!r:.600}, the library {theirs!r:.600}")

    def fault(self, what: str, why: str) -> None:
        if len(self.faults) >= MOST_FAULTS:
            return
        kept = self.case.with_name(f"fault{len(self.faults)}{self.case.suffix}")
        kept.write_bytes(self.case.read_bytes())
        self.faults.append(f"{what} ({kept}): {why}")


def either(value: Any, theirs: Any, original: Any) -> Any:
    """The library's, but the original's leaves where ours has those: what is there
    twice is read from the other place."""
    if value == original:
        return original
    parts = (value, theirs, original)
    if (
        all(isinstance(x, (list, tuple)) for x in parts)
        and len({*map(len, parts)}) == 1
    ):
        return type(value)(either(*each) for each in zip(*parts, strict=True))
    return theirs


def flipped(whole: bytes, chance: random.Random) -> tuple[bytes, str]:
    content = bytearray(whole)
    bits = [
        chance.randrange(8 * len(content)) for _ in range(chance.choice([1, 1, 1, 3]))
    ]
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
    return bytes(content), f"bits {bits}"


def cases(whole: bytes, share: float, flips: int) -> Iterator[tuple[bytes, str, int]]:
    for n in range(0, len(whole), round(1 / share)):
        yield whole[:n], f"the first {n} bytes", 0
    chance = random.Random(1)
    for _ in range(flips):
        content, what = flipped(whole, chance)
        yield content, what, what.count(",") + 1


def flips(name: str, folder: Path, count: int) -> Reader:
    """Of a file of ours and of one of the library's."""
    reader = Reader(FORMATS[name], folder)
    for path in FORMATS[name].files(folder):
        ours = path.stem == "ours" and reader.format.sealed
        original = plain(pt.read(path, **reader.format.reading))
        reader.base = peak()
        share = 1.0 if full(0, 1) else reader.format.share
        for content, what, changed in cases(path.read_bytes(), share, count // 2):
            what = f"{what} of {path.name}"
            reader.read(content, original, what, False)
            if changed == 1 and ours:
                reader.read(content, original, what + ", verified", True)
    return reader


def made(suffix: str, folder: Path) -> Reader:
    """All must be errors; none may make a file."""
    os.chdir(folder)
    reader = Reader(FORMATS[suffix], folder)
    for name, content in {**CASES.get(suffix, {}), **EVIL.get(suffix, {})}.items():
        content = content() if callable(content) else content
        content = content.encode() if isinstance(content, str) else content
        reader.read(content, None, name, False)
        left = [p.name for p in folder.iterdir() if p != reader.case]
        if not all(p.startswith("fault") for p in left):
            reader.fault(name, f"it made {left}")
    return reader


def answer(kind: str, name: str, folder: str, *count: int) -> dict[str, Any]:
    """In a child; how it ended is the answer where it left none."""
    found = Path(folder) / "found.json"
    child = os.fork()
    if child == 0:
        signal.alarm(full(300, 1800))
        try:
            reader = (flips if kind == "flips" else made)(name, Path(folder), *count)
            found.write_text(json.dumps({"faults": reader.faults, **reader.counts}))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return json.loads(found.read_text())
    how = signal.Signals(status).name if os.WIFSIGNALED(status) else str(status)
    how += f" (more than {SECONDS} s)" if how == "SIGPROF" else ""
    return {"faults": [f"{how} while {folder}/case.* was read"]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), flush=True)
