"""Saves that are killed, and saves whose system calls fail. Runs with the shim
of failing_calls.c preloaded. Asked by lines of standard input, [SUFFIX, FOLDER,
POINTS], answers by lines of standard output, in JSON. Kills are of a forked child,
so that thousands of them need one start of Python.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from formats import plain

import ptutils as pt

KILL, TEAR, SHORT, INTERRUPT = -1, -2, -3, -4
NEVER = 1 << 40
ERRORS = [errno.ENOSPC, errno.EIO]
TEXTS = ("json", "yaml")
SINGLE = ("npy",)  # formats of one array
shim: Any = None


def value(suffix: str, version: int) -> Any:
    big = np.full(3_000 if suffix in TEXTS else 300_000, version, np.float64)
    if suffix in SINGLE:
        return big
    if suffix == "csv":
        return {"v": np.full(1000, version), "t": [f"row {version}"] * 1000}
    small = {f"s{i}": torch.full((10,), version) for i in range(5)}
    return {"v": version, "big": big, "other": big[1:] + 1, **small}


class Saves:
    def __init__(self, suffix: str, folder: Path) -> None:
        self.suffix = suffix
        self.folder = folder
        self.path = folder / f"x.{suffix}"
        self.values = [value(suffix, 1), value(suffix, 2)]
        self.plain = [plain(v) for v in self.values]
        self.faults: list[str] = []
        self.save(0, False)

    def save(self, version: int, durable: bool = True) -> None:
        pt.save(self.path, self.values[version], durable)

    def fault(self, what: str) -> None:
        self.faults.append(f"{self.suffix}: {what}")

    def count(self) -> tuple[int, float]:
        """System calls and seconds of a save."""
        begin = time.perf_counter()
        shim.fail_at(NEVER, errno.EIO)
        self.save(1)
        took = time.perf_counter() - begin
        count = shim.calls()
        shim.fail_at(NEVER, 0)
        self.save(0)
        return count, took

    def version(self, what: str) -> int | None:
        """Which of the two the file holds, whole."""
        try:
            found = plain(pt.read(self.path, verify=True))
        except Exception as error:
            self.fault(f"{what}: {type(error).__name__}: {error}")
            return None
        if found not in self.plain:
            self.fault(f"{what}: neither the old nor the new value")
            return None
        return self.plain.index(found)

    def only_the_file(self, what: str) -> None:
        left = os.listdir(self.folder)
        if left != [self.path.name]:
            self.fault(f"{what}: it left {left}")

    # Kills.

    def points(self, count: int) -> Iterator[tuple[str, int, int, float]]:
        """Before each call, in the middle of each, and at random times."""
        calls, took = self.count()
        chance = random.Random(self.suffix)
        exact = [(n, how) for n in range(calls) for how in (KILL, TEAR)]
        if len(exact) > 3 * count // 4:
            exact = chance.sample(exact, 3 * count // 4)
        for n, how in exact:
            yield f"killed at call {n} ({how})", n, how, -1
        for _ in range(count - len(exact)):
            after = chance.uniform(0, 1.2 * took)
            yield f"killed after {after:.4f} s", NEVER, errno.EIO, after

    def kill(self, what: str, n: int, how: int, after: float) -> int | None:
        ready, begun = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(begun, b"x")
            shim.fail_at(n, how)
            self.save(1)
            os._exit(0)
        os.read(ready, 1)
        if after >= 0:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(ready), os.close(begun)
        if after < 0 and not os.WIFSIGNALED(status):
            self.fault(f"{what}: it went on, status {status}")
        found = self.version(what)
        self.save(0, False)
        self.only_the_file(what)
        return found

    def kills(self, count: int) -> list[int]:
        """How often the old value, and the new one, was found."""
        found = [self.kill(*point) for point in self.points(count)]
        return [found.count(0), found.count(1)]

    # Failures.

    def fail(self, n: int, error: int) -> None:
        what = f"{errno.errorcode[error]} at call {n}"
        before = sorted(os.listdir("/proc/self/fd"))
        shim.fail_at(n, error)
        try:
            self.save(1)
        except pt.errors.IOFailed as failed:
            text = str(failed)
            if str(self.path) not in text or os.strerror(error) not in text:
                self.fault(f"{what}: {text}")
        except Exception as other:
            self.fault(f"{what}: {type(other).__name__}: {other}")
        else:
            self.fault(f"{what}: it was not noticed")
        shim.fail_at(NEVER, 0)
        self.only_the_file(what)
        if sorted(os.listdir("/proc/self/fd")) != before:
            self.fault(f"{what}: a descriptor stayed open")
        # Only when the folder was not synced is the new one there already.
        late = n == self.calls - 1
        if self.version(what) not in ((1,) if late else (0,)):
            self.fault(f"{what}: not the old value")
        self.save(0, False)

    def failures(self) -> int:
        self.calls, _ = self.count()
        for error in ERRORS:
            for n in range(self.calls):
                self.fail(n, error)
        return self.calls

    def survives(self, how: int, what: str) -> None:
        shim.fail_at(1, how)
        try:
            self.save(1)
        except Exception as error:
            self.fault(f"{what}: {type(error).__name__}: {error}")
        shim.fail_at(NEVER, 0)
        if self.version(what) != 1:
            self.fault(f"{what}: not the new value")
        self.only_the_file(what)
        self.save(0, False)


def answer(suffix: str, folder: str, points: int) -> dict[str, Any]:
    saves = Saves(suffix, Path(folder))
    saves.failures()
    saves.survives(SHORT, "short writes")
    saves.survives(INTERRUPT, "interrupted calls")
    old, new = saves.kills(points)
    return {"faults": saves.faults, "calls": saves.calls, "old": old, "new": new}


if __name__ == "__main__":
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    shim.fail_at.argtypes = ctypes.c_long, ctypes.c_int
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), flush=True)
