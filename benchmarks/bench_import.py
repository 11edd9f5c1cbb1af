"""How long `import ptutils` takes, in a fresh process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from common import Absent, Benchmark, Work

HEAVY = ("numpy", "torch", "pandas", "matplotlib", "yaml")


def process(code: str) -> Work:
    """Runs it in an interpreter of its own, from a folder without packages."""

    def run() -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    return run


def importing(package: str) -> Work | Absent:
    if importlib.util.find_spec(package) is None:
        return Absent(f"no module named {package}")
    return process(f"import {package}")


def check(_: dict[str, Work]) -> None:
    """What is heavy waits until it is used."""
    code = f"import ptutils, sys; print(*set(sys.modules) & set({HEAVY}))"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    if found:
        raise AssertionError(f"import ptutils imports {', '.join(found)}")


def main() -> None:
    bench = Benchmark("import", "import, in a fresh process")
    rows = bench.compare(
        "start python and import",
        {
            "ptutils": importing("ptutils"),
            "nothing": process("pass"),
            "numpy": importing("numpy"),
            "torch": importing("torch"),
        },
        check=check,
        number=1,
    )
    if rows["ptutils"].times:
        took = rows["ptutils"].median - rows["nothing"].median
        bench.note(f"import ptutils alone: {took * 1e3:.1f} ms (target: 60 ms)")
    bench.finish()


if __name__ == "__main__":
    main()
