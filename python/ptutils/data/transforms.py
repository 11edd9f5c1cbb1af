"""What is done to samples on their way into a batch.

Images are (C, H, W), as torch has them. What a chain asks for is done in one pass
into the batch: a crop of what was resized is the only part that is resized.
Functions of one value go anywhere in a chain; each call takes the interpreter's
lock, and some microseconds.

>>> import numpy as np
>>> from ptutils.data import transforms as T
>>> chain = T.Compose([T.ToCHW(), T.CenterCrop(2), T.ToFloat(1 / 255)])
>>> chain(np.full((4, 4, 3), 255, np.uint8)).shape
(3, 2, 2)
"""

from __future__ import annotations

import inspect
from typing import Any

from .._core import (
    Branch,
    Cast,
    CenterCrop,
    ColorJitter,
    Compose,
    Cutout,
    DecodeImage,
    Normalize,
    OneHot,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    ToCHW,
    ToFloat,
    Transform,
    Vocabulary,
)
from .._unknown import attributes_of

__all__ = [
    "Branch",
    "Cast",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "DecodeImage",
    "Normalize",
    "OneHot",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "Resize",
    "ToCHW",
    "ToFloat",
    "Transform",
    "Vocabulary",
]
__getattr__ = attributes_of(__name__, __all__)


def _takes_random(function: Any) -> bool:
    try:
        return "random" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function of another language
        return False


def _is_torchvision(function: Any) -> bool:
    of = function if inspect.isfunction(function) else type(function)
    return (of.__module__ or "").split(".")[0] == "torchvision"


def _on_tensors(function: Any, value: Any) -> Any:
    """torchvision's, which leave arrays as they are: as tensors, and back."""
    import numpy as np
    import torch

    if not isinstance(value, np.ndarray):
        return function(value)
    given = function(torch.from_numpy(np.ascontiguousarray(value)))
    return given.numpy() if isinstance(given, torch.Tensor) else given


def _generator(key: int, counter: int) -> Any:
    """A NumPy generator of a sample's stream."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=[key, counter]))
