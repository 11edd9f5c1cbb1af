"""What every benchmark shares: fair repetitions, a table, JSON.

A case is one piece of work done by several contenders, ptutils the first. Their
results are checked to be equal before anything is timed. Then all are warmed up
and take turns, repetition by repetition, so that a change of the machine's speed
meets all of them. Reported are medians, and how many times as long a peer takes:
the ratio of medians, with the least and the greatest ratio of a repetition. A
peer that is absent is a failed row, and the exit status is then 1; a missed
target is said, and is no failure.

Beside each time stands CPU time by wall time: 2.0 means that two cores worked;
below 1 where one should have worked means that the machine was busy or the disk
slow.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

Work = Callable[[], Any]

REPETITIONS = 7
SPIN = "import time; a = time.perf_counter()\nwhile time.perf_counter() - a < .3: pass"


@dataclass
class Absent:
    """A peer that could not be had, and why."""

    why: str


@dataclass
class Row:
    """What one contender did in one case."""

    case: str
    who: str
    error: str = ""
    median: float = 0.0  # seconds a piece of work
    fastest: float = 0.0
    slowest: float = 0.0
    cores: float = 0.0  # CPU time by wall time
    rate: float = 0.0  # items/s, where the case has items
    ratio: float = 0.0  # how many times as long as ptutils
    ratio_least: float = 0.0
    ratio_greatest: float = 0.0
    target: float = 0.0  # of the ratio; 0: none
    times: list[float] = field(default_factory=list)


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def free_cores(n: int = 2) -> float:
    """How many of n cores n spinning processes really get."""
    before, begin = cpu_seconds(), time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(n)]
    for process in running:
        process.wait()
    return (cpu_seconds() - before) / (time.perf_counter() - begin)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    versions = {"python": platform.python_version()}
    for name in ("ptutils", "numpy", "torch", "safetensors"):
        try:
            versions[name] = str(__import__(name).__version__)
        except (ImportError, AttributeError):
            pass
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "cores_free": round(free_cores(), 2),
        "load": [round(v, 2) for v in os.getloadavg()],
        "versions": versions,
    }


def duration(seconds: float) -> str:
    """
    >>> duration(0.0123), duration(1.5e-6), duration(-2e-7)
    ('12.3 ms', '1.50 us', '-200 ns')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= size:
            return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{seconds / 1e-9:.0f} ns"


class Benchmark:
    """One file's cases: ``compare`` for each, then ``finish``."""

    def __init__(self, name: str, title: str, more: Callable[..., Any] | None = None):
        parser = argparse.ArgumentParser(description=title)
        parser.add_argument("--json", type=Path, help="write the figures there")
        parser.add_argument("--repetitions", type=int, default=REPETITIONS)
        if more is not None:
            more(parser)
        self.options = parser.parse_args()
        if self.options.repetitions < 5:
            parser.error("--repetitions: at least 5")
        self.name = name
        self.title = title
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.machine = machine()
        known = self.machine
        print(title)
        print(
            f"{known['cpu']}, {known['cores']} cores ({known['cores_free']} free), "
            f"load {known['load'][0]}; "
            + ", ".join(f"{k} {v}" for k, v in known["versions"].items())
        )
        if known["cores_free"] < 0.9 * min(2, known["cores"]):
            print("the cores are not free: these figures do not count")
        self._widths = (40, 26, 10, 20, 6, 11, 22)
        self._print_row(
            "case", "who", "median", "least … greatest", "cpu", "items/s", "takes"
        )

    def compare(
        self,
        case: str,
        contenders: dict[str, Work | Absent],
        *,
        check: Callable[[dict[str, Work]], None] | None = None,
        number: int = 0,
        items: int = 0,
        targets: dict[str, float] | None = None,
    ) -> dict[str, Row]:
        """One case.

        Parameters
        ----------
        case
            What is done.
        contenders
            Who does it, the first being ptutils: a function that does the work
            once, or Absent. A function that it returns is called after a
            repetition, off the clock.
        check
            Given those present; raises when their results differ.
        number
            Pieces of work a repetition; 0: as many as take some 50 ms.
        items
            In a piece of work, for items/s.
        targets
            For a peer, how many times as long as ptutils it should take.
        """
        rows = {who: Row(case, who) for who in contenders}
        present: dict[str, Work] = {}
        for who, work in contenders.items():
            if isinstance(work, Absent):
                rows[who].error = work.why
            else:
                present[who] = work
        try:
            if check is not None:
                check(present)
            self._measure(rows, present, number)
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()
            for who in present:
                rows[who].error = what[0]
        self._evaluate(list(rows.values()), items, targets or {})
        self.rows += rows.values()
        return rows

    def _measure(self, rows: dict[str, Row], work: dict[str, Work], n: int) -> None:
        numbers = {who: n or enough(run) for who, run in work.items()}
        cpu = dict.fromkeys(work, 0.0)
        gc.collect()
        for repetition in range(self.options.repetitions + 1):
            order = list(work)
            if repetition % 2:
                order.reverse()
            for who in order:
                run, count = work[who], numbers[who]
                cpu_before, begin = cpu_seconds(), time.perf_counter()
                for _ in range(count):
                    after = run()
                wall = time.perf_counter() - begin
                if isinstance(after, FunctionType):
                    after()
                if repetition:  # the first is warming up
                    rows[who].times.append(wall / count)
                    cpu[who] += (cpu_seconds() - cpu_before) / count
        for who in work:
            rows[who].cores = cpu[who] / sum(rows[who].times)

    def _evaluate(self, rows: list[Row], items: int, targets: dict[str, float]) -> None:
        ours = rows[0]
        for row in rows:
            row.target = targets.get(row.who, 0.0)
            if row.times:
                row.median = statistics.median(row.times)
                row.fastest, row.slowest = min(row.times), max(row.times)
                row.rate = items / row.median
            if row is not ours and row.times and ours.times:
                row.ratio = row.median / ours.median
                pairs = [a / b for a, b in zip(row.times, ours.times, strict=True)]
                row.ratio_least, row.ratio_greatest = min(pairs), max(pairs)
            self._show(row, first=row is ours)

    def _show(self, row: Row, first: bool) -> None:
        case = row.case if first else ""
        if row.error:
            self._print_row(case, row.who, "FAILED", row.error)
            return
        ratio = ""
        if row.ratio:
            ratio = f"{row.ratio:.2f}x "
            ratio += f"({row.ratio_least:.2f}-{row.ratio_greatest:.2f})"
        if row.target:
            verdict = "met" if row.ratio >= row.target else "below"
            ratio += f" {verdict} {row.target:g}x"
        self._print_row(
            case,
            row.who,
            duration(row.median),
            f"{duration(row.fastest)} … {duration(row.slowest)}",
            f"{row.cores:.1f}",
            f"{row.rate:,.0f}" if row.rate else "",
            ratio,
        )

    def _print_row(self, *cells: str) -> None:
        text = "  ".join(c.ljust(w) for c, w in zip(cells, self._widths, strict=False))
        print(text.rstrip(), flush=True)

    def note(self, text: str) -> None:
        """A line below the table, kept in the JSON too."""
        self.notes.append(text)
        print(text, flush=True)

    def finish(self) -> None:
        """Writes the JSON; the exit status is 1 when a row failed."""
        failed = [row for row in self.rows if row.error]
        if self.options.json is not None:
            self.options.json.parent.mkdir(parents=True, exist_ok=True)
            content = {
                "name": self.name,
                "title": self.title,
                "machine": self.machine,
                "rows": [vars(row) for row in self.rows],
                "notes": self.notes,
            }
            self.options.json.write_text(json.dumps(content, indent=1) + "\n")
        if failed:
            print(f"{len(failed)} of {len(self.rows)} rows failed", file=sys.stderr)
        raise SystemExit(1 if failed else 0)


def enough(run: Work, seconds: float = 0.05) -> int:
    """How often to do it, so that it takes at least that long."""
    count = 1
    while True:
        begin = time.perf_counter()
        for _ in range(count):
            run()
        took = time.perf_counter() - begin
        if took >= seconds / 2:
            return max(1, round(count * seconds / took))
        count *= 2 if took > seconds / 8 else 4
