"""One data set after another."""

from __future__ import annotations

import sys
from bisect import bisect_right
from itertools import accumulate
from typing import Any

from .. import _core
from ..errors import OutOfBounds


class ConcatDataset(_core.Dataset):
    """The samples of several data sets, one data set after another."""

    def __init__(self, datasets: list[Any]) -> None:
        self.datasets = datasets

    def _ends(self) -> list[int]:
        return list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)

    def __getitem__(self, index: Any) -> Any:
        ends = self._ends()
        at = index + ends[-1] if index < 0 else index
        if not 0 <= at < ends[-1]:
            raise OutOfBounds(
                f"[ConcatDataset] no sample {index}; the data set has {ends[-1]}"
            )
        which = bisect_right(ends, at)
        return self.datasets[which][at - ends[which] + len(self.datasets[which])]


def concatenated(first: Any, second: Any) -> Any:
    """``first + second``: torch's ConcatDataset where torch is in use, so that
    what torch has for its data sets works, else ours."""
    is_data = hasattr(second, "__getitem__") and hasattr(second, "__len__")
    if not is_data or isinstance(second, (str, bytes, dict)):
        return NotImplemented
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None:
        return torch_data.ConcatDataset([first, second])
    return ConcatDataset([first, second])
