"""What a Model does with a torch net: the operations that the core calls.

torch is not imported here; the objects that come in bring it.
"""

from __future__ import annotations

import sys
from typing import Any

from . import _core


def _device(net: Any) -> Any:
    for parameter in net.parameters():
        return parameter.device
    return None


def to_device(value: Any, device: Any) -> Any:
    """Tensors in lists, tuples and dicts, moved; arrays become tensors."""
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(item, device) for item in value)
    if isinstance(value, dict):
        return {key: to_device(item, device) for key, item in value.items()}
    if hasattr(value, "__dlpack__") and not hasattr(value, "requires_grad"):
        import torch

        value = torch.from_dlpack(value)
    if hasattr(value, "to") and device is not None:
        return value.to(device, non_blocking=True)
    return value


def forward(net: Any, inputs: Any, grad: bool) -> Any:
    if not hasattr(net, "parameters"):  # a ptutils.Module over native layers
        return net(inputs)
    inputs = to_device(inputs, _device(net))
    if grad:
        return net(inputs)
    torch = sys.modules["torch"]
    with torch.no_grad():
        return net(inputs)


def loss(criterion: Any, outputs: Any, targets: Any) -> Any:
    if isinstance(outputs, (_core.Variable, _core.Tensor)):
        return criterion(outputs, targets)
    return criterion(outputs, to_device(targets, getattr(outputs, "device", None)))


def accuracy(outputs: Any, targets: Any) -> float | None:
    if isinstance(outputs, _core.Tensor):
        import numpy as np

        outputs, targets = outputs.numpy(), np.asarray(targets)
        is_floating = targets.dtype.kind == "f"
    else:
        targets = to_device(targets, getattr(outputs, "device", None))
        is_floating = getattr(targets, "ndim", 0) == 1 and targets.is_floating_point()
    dimensions = getattr(outputs, "ndim", 0), getattr(targets, "ndim", 0)
    if dimensions != (2, 1) or is_floating or len(targets) == 0:
        return None
    return int((outputs.argmax(1) == targets).sum()) / len(targets)


def read(scalars: list[Any]) -> list[float]:
    """Numbers of 0-d tensors: one transfer for those of one device."""
    torch: Any = sys.modules.get("torch")
    tensors = torch is not None and all(isinstance(s, torch.Tensor) for s in scalars)
    if not tensors or len({(s.device, s.dtype) for s in scalars}) != 1:
        return [float(s) for s in scalars]
    return torch.stack([s.detach().reshape(()) for s in scalars]).double().tolist()


def install() -> None:
    _core._set_foreign_ops(sys.modules[__name__])
