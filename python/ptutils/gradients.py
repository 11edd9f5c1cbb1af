"""Gradients that a loop of one's own has summed up and no optimizer has used: part
of its state, so that sums over several batches go on where they were.

Gradients that an optimizer of torch's has used stay where they are until they are set
to zero, and are no state: its step is the mark. Sparse ones are left out.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from typing import Any

from . import _core, nn


class Gradients:
    """Those of the parts of a session."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._marks: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._hooks: list[Any] = []

    def watch(self) -> None:
        """From now on: what the session's optimizers have used."""
        torch = sys.modules.get("torch")
        if torch is None:
            return
        for _, part in _parts(self._session):
            if isinstance(part, torch.optim.Optimizer) and part not in self._marks:
                self._marks[part] = None
                self._hooks.append(part.register_step_post_hook(self._used))

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _used(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        for parameter in _parameters_of(optimizer):
            if parameter.grad is not None:
                self._marks[optimizer] = (
                    weakref.ref(parameter),
                    weakref.ref(parameter.grad),
                    parameter.grad._version,
                )
                return

    def _is_used(self, optimizer: Any) -> bool:
        """Nothing was added since its last step."""
        mark = self._marks.get(optimizer)
        if mark is None:
            return False
        parameter, grad, version = mark[0](), mark[1](), mark[2]
        now = None if parameter is None else parameter.grad
        return now is not None and now is grad and now._version == version

    def state(self) -> dict[str, Any]:
        """Copies, by the names of their parameters."""
        self.watch()  # parts may have come since
        used = {
            id(parameter)
            for optimizer in list(self._marks)
            if self._is_used(optimizer)
            for parameter in _parameters_of(optimizer)
        }
        return {
            name: _copy(parameter.grad)
            for name, parameter in self._parameters()
            if parameter.grad is not None
            and id(parameter) not in used
            and not getattr(parameter.grad, "is_sparse", False)
        }

    def load(self, state: dict[str, Any]) -> None:
        """What is not in the state has none."""
        for name, parameter in self._parameters():
            saved = state.get(name)
            if saved is None:
                parameter.grad = None
            elif isinstance(parameter, nn.Variable):
                parameter.grad = _core.Tensor(saved)
            else:
                torch = sys.modules["torch"]
                parameter.grad = torch.as_tensor(saved).to(parameter, copy=True)

    def _parameters(self) -> Iterator[tuple[str, Any]]:
        for name, part in _parts(self._session):
            if hasattr(part, "named_parameters"):
                for inner, parameter in part.named_parameters():
                    yield f"{name}.{inner}", parameter


def _copy(grad: Any) -> Any:
    return grad.detach().clone() if hasattr(grad, "detach") else grad.clone()


def _parameters_of(optimizer: Any) -> Iterator[Any]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _parts(
    module: Any, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Any]]:
    """Nets and optimizers, in modules too; each once, for modules may hold each
    other."""
    seen = {id(module)} if seen is None else seen
    for name, child in module.named_children():
        if id(child) in seen:
            continue
        seen.add(id(child))
        if isinstance(child, _core.Module) and not isinstance(child, nn.Module):
            yield from _parts(child, f"{prefix}{name}.", seen)
        else:
            yield f"{prefix}{name}", child
