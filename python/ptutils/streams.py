"""The random streams of other libraries, as a session saves them."""

from __future__ import annotations

import random
import sys
from typing import Any

from . import _core
from ._late import after_import


def global_state() -> int:
    """Another number where one of the generators was drawn from."""
    numpy, torch = _numpy_state(), _torch()
    return hash(
        (
            random.getstate(),
            numpy and (numpy[1].tobytes(), *numpy[2:]),
            torch and torch.get_rng_state().numpy().tobytes(),
        )
    )


def _python_state() -> Any:
    version, numbers, gauss = random.getstate()
    return [version, list(numbers), gauss]


def _set_python_state(state: Any) -> None:
    random.setstate((state[0], tuple(state[1]), state[2]))


def _numpy() -> Any:
    return sys.modules.get("numpy.random")


def _numpy_state() -> Any:
    numpy = _numpy()
    if numpy is None or not hasattr(numpy, "get_state"):
        return None
    name, keys, position, has_gauss, gauss = numpy.get_state()
    return [name, keys.copy(), position, has_gauss, gauss]


def _set_numpy_state(state: Any) -> None:
    import numpy

    numpy.random.set_state(tuple(state))


def _seed_numpy(seed: int) -> None:
    numpy = _numpy()
    if numpy is not None and hasattr(numpy, "seed"):
        numpy.seed(seed % 2**32)
    else:
        after_import("numpy.random", "seed", lambda: _seed_numpy(seed))


def _torch() -> Any:
    torch = sys.modules.get("torch")
    return torch if torch is not None and hasattr(torch, "get_rng_state") else None


def _torch_state() -> Any:
    torch = _torch()
    if torch is None:
        return None
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_torch_state(state: Any) -> None:
    import torch

    torch.set_rng_state(torch.as_tensor(state["cpu"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([torch.as_tensor(s) for s in state["cuda"]])


def _seed_torch(seed: int) -> None:
    torch = _torch()
    if torch is not None:
        torch.manual_seed(seed)
    else:
        after_import("torch", "seed", lambda: _seed_torch(seed))


def install() -> None:
    """Tells the core of them (once, at import)."""
    _core._add_random_stream("python", random.seed, _python_state, _set_python_state)
    _core._add_random_stream("numpy", _seed_numpy, _numpy_state, _set_numpy_state)
    _core._add_random_stream("torch", _seed_torch, _torch_state, _set_torch_state)
