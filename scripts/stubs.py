"""Writes the stub of ptutils._core into a folder: python scripts/stubs.py DIR.

Classes bear the public module's name, so that pickles and configurations do;
the stub generator would take them for imports from there. For it they are the
extension's own.
"""

import sys
import types

import pybind11_stubgen

import ptutils._core as core
import ptutils.data  # noqa: F401  (what it adds to classes)

for name, value in vars(core).items():
    if isinstance(value, type) and value.__module__.startswith("ptutils"):
        value.__module__ = "ptutils._core"
    elif isinstance(value, types.ModuleType):
        raise SystemExit(f"_core has a module inside it: {name}")
for name in ("classes", "targets"):  # those of data sets that have them
    delattr(core.Dataset, name)
sys.argv = ["pybind11-stubgen", "ptutils._core", "-o", sys.argv[1]]
pybind11_stubgen.main()
