"""Layers, losses and the gradients beneath them, with torch's names.

>>> import numpy as np
>>> from ptutils import nn
>>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
>>> loss = nn.CrossEntropyLoss()(net(np.ones((2, 4), np.float32)), np.array([0, 2]))
>>> loss.backward()
>>> net[0].weight.grad.shape
(8, 4)
"""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

from .. import _core
from .._core import (
    Criterion,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    Linear,
    ReLU,
    Sequential,
    Variable,
)
from .._core import _cross_entropy as cross_entropy
from .._core import _grad_enabled as is_grad_enabled
from .._core import _linear as linear
from .._core import _NetModule as Module
from .._core import _relu as relu
from .._unknown import attributes_of

__all__ = [
    "Criterion",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "Module",
    "ReLU",
    "Sequential",
    "Variable",
    "cross_entropy",
    "dropout",
    "is_grad_enabled",
    "linear",
    "no_grad",
    "relu",
]
__getattr__ = attributes_of(__name__, __all__)


class no_grad(ContextDecorator):  # noqa: N801  (torch's name)
    """No gradients are recorded on this thread; nets give Tensors.

    >>> from ptutils import nn
    >>> with nn.no_grad():
    ...     print(nn.is_grad_enabled())
    False
    """

    def __init__(self) -> None:
        self._guard = _core._NoGrad()

    def __enter__(self) -> no_grad:
        self._guard.enter()
        return self

    def __exit__(self, *exc: object) -> None:
        self._guard.exit()


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Zeroes elements with probability p and scales the others by 1 / (1 - p).

    >>> import numpy as np
    >>> from ptutils import nn
    >>> nn.dropout(np.ones(2, np.float32), training=False).numpy()
    array([1., 1.], dtype=float32)
    """
    return _core._dropout(x, p, training)
