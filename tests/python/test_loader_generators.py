"""Samples that draw from the generators of Python, NumPy and torch."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ptutils.data import DataLoader


class Drawn(torch.utils.data.Dataset[Any]):
    def __init__(self, draw: Callable[[], Any]) -> None:
        self.draw = draw

    def __len__(self) -> int:
        return 48

    def __getitem__(self, index: int) -> Any:
        time.sleep(0.002)  # worth a thread, were it not Python
        return torch.as_tensor(self.draw())


DRAWS = {
    "random": random.random,
    "numpy": lambda: np.random.rand(),
    "torch": lambda: torch.rand(()),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_samples_of_python_are_drawn_in_the_caller_unless_threads_are_asked_for(
    draw: str, caplog: pytest.LogCaptureFixture
) -> None:
    def epoch(**options: Any) -> list[float]:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        loader = DataLoader(Drawn(DRAWS[draw]), batch_size=4, **options)
        out = []
        for batch in loader:
            out += [*batch.tolist(), random.random(), np.random.rand()]
            out.append(torch.rand(()).item())  # as dropout does
        return out

    assert epoch() == epoch() == epoch(num_workers=0)
    assert "does not repeat" not in caplog.text
    epoch(num_workers=2)
    assert "workers='process' seeds each batch" in caplog.text


def test_data_sets_that_draw_nothing_are_left_in_peace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in DataLoader(Drawn(lambda: 1.0), batch_size=4, num_workers=2):
        pass
    assert "does not repeat" not in caplog.text
