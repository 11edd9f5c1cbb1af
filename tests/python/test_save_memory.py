"""A save takes little memory above the state; text and deflated formats, which are
made in memory before they are written, excepted."""

from __future__ import annotations

import json

MEASURE = """
import json, os, sys
import numpy as np
import torch
import ptutils as pt

def memory(name):
    with open('/proc/self/status') as file:
        return next(int(l.split()[1]) for l in file if l.startswith(name)) / 1024

MB = 1 << 20
rows = {f'w{i}': np.full(3 * MB // 8, i, np.float64) for i in range(32)}
above = {}
for suffix in ['npy', 'npz', 'safetensors', 'tfrecord', 'pkl', 'pt']:
    value = np.ones(96 * MB // 8) if suffix == 'npy' else rows
    pt.save(f'x.{suffix}', value if suffix == 'npy' else {'w': np.ones(3)}, False)
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the peak is what there is now
    before = memory('VmRSS')
    pt.save(f'x.{suffix}', value, False)
    above[suffix] = memory('VmHWM') - before
    os.remove(f'x.{suffix}')
print(json.dumps(above))
"""


def test_a_save_takes_at_most_16_mb_above_the_state(python) -> None:
    above = json.loads(python(MEASURE).stdout)
    assert all(0 <= mb <= 16 for mb in above.values()), above
