"""Samples that come one after another, for torch's loader too."""

from __future__ import annotations

import sys
from typing import Any

from .. import _core


class IterableDataset(_core.IterableDataset):
    __doc__ = _core.IterableDataset.__doc__

    def __new__(cls, *args: Any, **kwargs: Any) -> IterableDataset:
        # torch's loader asks isinstance whether it may iterate.
        torch_data = sys.modules.get("torch.utils.data")
        if torch_data is not None:
            torch_data.IterableDataset.register(IterableDataset)
        made: IterableDataset = super().__new__(cls, *args, **kwargs)
        return made


IterableDataset.__module__ = "ptutils.data"
