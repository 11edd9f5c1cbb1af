"""A data set of its own indices, for tests of loaders."""

from __future__ import annotations

from ptutils.data import Dataset

N = 101
WORKERS = (0, 1, 2, 4)


class Numbers(Dataset):
    def __init__(self, n: int = N, bad: tuple[int, ...] = ()) -> None:
        self.n, self.bad = n, bad

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        if index in self.bad:
            raise RuntimeError(f"{index} is bad")
        return index


def epoch(loader) -> list[list[int]]:
    return [batch.tolist() for batch in loader]
