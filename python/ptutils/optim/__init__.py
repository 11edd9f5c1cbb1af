"""Optimizers with torch's formulas, defaults and states.

>>> import numpy as np
>>> from ptutils import nn, optim
>>> net = nn.Linear(2, 1)
>>> optimizer = optim.Adam(net.parameters(), lr=1e-2)
>>> net(np.ones((3, 2), np.float32)).sum().backward()
>>> optimizer.step()
>>> optimizer.zero_grad()
"""

from .._core import SGD, Adam, Optimizer
from .._unknown import attributes_of

__all__ = ["SGD", "Adam", "Optimizer"]
__getattr__ = attributes_of(__name__, __all__)
