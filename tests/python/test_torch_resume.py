"""Loops over torch's DataLoader resume with the very batches that were due."""

from __future__ import annotations

import random

import numpy as np
import pytest

import ptutils as pt

torch = pytest.importorskip("torch")
from torch.utils import data  # noqa: E402

N, BATCH, EPOCHS = 40, 8, 3


class Randrange(data.Sampler):
    """Draws as it goes, from Python's stream."""

    def __len__(self):
        return N

    def __iter__(self):
        for _ in range(N):
            yield random.randrange(N)


class Shuffled(data.Sampler):
    """Draws in iter() itself, from generators of its own and from torch."""

    def __init__(self):
        self.python, self.numpy = random.Random(3), np.random.default_rng(4)

    def __len__(self):
        return N

    def __iter__(self):
        order = torch.randperm(N).tolist()
        self.python.shuffle(order)
        self.numpy.shuffle(order)
        return iter(order)


def generator():
    return torch.Generator().manual_seed(7)


def replaced(own):
    return data.RandomSampler(range(N), replacement=True, num_samples=N, generator=own)


SAMPLERS = {
    "shuffle": lambda: None,
    "random": lambda: data.RandomSampler(range(N), generator=generator()),
    "replaced": lambda: replaced(None),
    "replaced, own": lambda: replaced(generator()),
    "weighted": lambda: data.WeightedRandomSampler([1.0, 2.0] * (N // 2), N),
    "subset": lambda: data.SubsetRandomSampler(range(N), generator()),
    "randrange": Randrange,
    "in iter": Shuffled,
}
FORMS = ["sampler", "batch_sampler", "none"]


def loader_of(kind, form="sampler", workers=0, persistent=False):
    sampler = SAMPLERS[kind]()
    options = {"num_workers": workers, "persistent_workers": persistent}
    if form == "batch_sampler":
        batches = data.BatchSampler(
            sampler or data.RandomSampler(range(N)), BATCH, False
        )
        options["batch_sampler"] = batches
    else:
        options["sampler"] = sampler
        options["shuffle"] = sampler is None
        options["batch_size"] = BATCH if form == "sampler" else None
    return data.DataLoader(data.TensorDataset(torch.arange(N)), **options)


def batches_of(path, loader, *, until=()):
    """What one process of the run is given, and what the loop itself draws."""
    seen = []
    net = torch.nn.Linear(1, 1)
    save = {"every": "1000 steps"}
    with pt.Session("r", dbinterface=str(path), net=net, save_params=save) as s:
        for (x,) in s.loop(loader, epochs=EPOCHS):
            seen.append((x.tolist(), random.random(), torch.rand(()).item()))
            if s.step_count + 1 in until:
                s.pause()
    return s, seen


def check(tmp_path, options, pauses):
    whole, expected = batches_of(tmp_path / "whole.db", loader_of(*options))
    assert len({tuple(np.ravel(x)) for x, *_ in expected}) > N // BATCH  # epochs differ
    given = []
    for at in (*pauses, 10**6):
        random.seed(at)  # a new process has other streams
        torch.manual_seed(at)
        s, seen = batches_of(tmp_path / "parts.db", loader_of(*options), until=(at,))
        given += seen
    assert given == expected
    assert s.status.state == "complete" and s.status.step == whole.status.step


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", SAMPLERS)
def test_in_this_process(tmp_path, kind, form):
    steps = N if form == "none" else N // BATCH
    check(tmp_path, (kind, form), (2, steps, steps + 3, 2 * steps + 1, 3 * steps - 1))


WITH_WORKERS = [(kind, True) for kind in SAMPLERS] + [
    (kind, False) for kind in ("replaced, own", "randrange", "in iter")
]


@pytest.mark.parametrize(("kind", "persistent"), WITH_WORKERS)
def test_with_workers(tmp_path, kind, persistent):
    form = "batch_sampler" if kind == "replaced" else "sampler"
    check(tmp_path, (kind, form, 2, persistent), (2, 8))


class Noisy(data.Dataset):
    def __len__(self):
        return N

    def __getitem__(self, index):
        return (torch.rand(1),)


def test_other_workers_are_told_where_the_data_set_may_draw(tmp_path, caplog):
    def steps(dataset, workers, until):
        loader = data.DataLoader(dataset, BATCH, num_workers=workers)
        batches_of(tmp_path / "a.db", loader, until=(until,))
        return "had num_workers=0, and has 1 now" in caplog.text

    assert not steps(Noisy(), 0, 2)
    assert steps(Noisy(), 1, 4)
