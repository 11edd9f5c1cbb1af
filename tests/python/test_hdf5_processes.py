"""HDF5 and threads, forks, h5py in the same process, a missing library, memory."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from test_hdf5 import run

import ptutils as pt


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    array = np.arange(200_000.0).reshape(1000, 200)
    pt.save(path, {"a": array, "b": {"c": array * 2}}, compress=True)
    wrong: list[object] = []

    def read() -> None:
        for _ in range(10):
            back = pt.read(path)
            theirs = pt.State(path).b.c
            if not (np.array_equal(back["a"], array) and theirs[1, 1] == 402):
                wrong.append(back)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


FORK = """
import os, sys, threading, warnings
warnings.simplefilter('ignore')
import numpy as np
import ptutils as pt
path = sys.argv[1]
state = pt.State(path)
going = True
def read():
    while going:
        pt.read(path)
thread = threading.Thread(target=read)
thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        ok = state.a[5] == 5 and pt.read(path)['a'][7] == 7
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
going = False
thread.join()
"""


def test_a_forked_child_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    pt.save(path, {"a": np.arange(100_000.0)}, compress=True)
    run(FORK, path)


TOGETHER = """
import sys
first, second, path = sys.argv[1:]
def h5py_():
    import h5py, numpy as np
    with h5py.File(path, 'a') as file:
        file['x'] = np.arange(5.0)
        return file['x'][2], h5py.version.hdf5_version
def ptutils_():
    import ptutils as pt, numpy as np
    pt.save(path + '.h5', {'a': np.arange(5.0)}, compress=True)
    return pt.read(path + '.h5')['a'][2]
calls = {'h5py': h5py_, 'ptutils': ptutils_}
print(calls[first](), calls[second]())
import ptutils as pt, h5py
assert pt.read(path)['x'][2] == 2
assert h5py.File(path + '.h5')['a'][2] == 2
"""


@pytest.mark.parametrize("order", [("h5py", "ptutils"), ("ptutils", "h5py")])
def test_h5py_and_ours_in_one_process(tmp_path: Path, order: tuple[str, str]) -> None:
    run(TOGETHER, *order, tmp_path / "x.h5")


def test_the_library_is_loaded_when_it_is_needed(tmp_path: Path) -> None:
    code = """
import sys
import ptutils as pt
def loaded():
    return 'libhdf5' in open('/proc/self/maps').read()
pt.save(sys.argv[1] + '.json', [1])
assert not loaded()
pt.save(sys.argv[1] + '.h5', [1])
assert loaded() and pt.read(sys.argv[1] + '.h5') == [1]
"""
    run(code, tmp_path / "x")


def test_without_the_library_all_other_formats_work(tmp_path: Path) -> None:
    """A package with all but the shared library that the codec is in."""
    whole, part = Path(pt.__file__).parent, tmp_path / "ptutils"
    (part / "lib").mkdir(parents=True)
    for path in whole.iterdir():
        if path.name != "lib":
            (part / path.name).symlink_to(path)
    (part / "lib" / "libptutils.so").symlink_to(whole / "lib" / "libptutils.so")
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import ptutils as pt
assert pt.__file__.startswith(sys.argv[1])
for suffix in ('npz', 'json', 'safetensors', 'pkl'):
    pt.save(f'{sys.argv[1]}/x.{suffix}', {'a': 1})
    assert pt.read(f'{sys.argv[1]}/x.{suffix}') == {'a': 1}
for _ in range(2):
    try:
        pt.save(f'{sys.argv[1]}/x.h5', {'a': 1})
    except pt.errors.WrongState as error:
        print(error)
"""
    said = run(code, tmp_path).splitlines()
    assert len(said) == 2 and "apt-get install libhdf5" in said[1]
    assert "cannot load libptutils_hdf5.so" in said[0]
    assert not (tmp_path / "x.h5").exists()


MEMORY = """
import resource, sys
import numpy as np, ptutils as pt
state = {f'l{i}': np.ones(8_000_000, 'u1') for i in range(20)}
state['strided'] = np.ones((4000, 4000), 'u1').T
pt.save(sys.argv[1], {'a': np.ones(3)}, durable=False)
def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = used()
pt.save(sys.argv[1], state, durable=False)
print(used() - before)
"""


def test_a_save_takes_little_memory(tmp_path: Path) -> None:
    assert int(run(MEMORY, tmp_path / "x.h5")) <= 16 * 1024
