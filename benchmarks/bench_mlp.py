"""A training step of a multilayer perceptron, beside torch on the same threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import Absent, Benchmark, Work

import ptutils as pt
from ptutils import nn, optim

try:
    import torch
except ImportError as error:
    torch = None
    no_torch = str(error)

SIZES = (784, 512, 10)
BATCH = 64
RNG = np.random.default_rng(0)
X = RNG.random((BATCH, SIZES[0]), dtype=np.float32)
Y = RNG.integers(0, SIZES[2], BATCH)
# Torch's habit: uniform within 1 / sqrt(inputs).
WEIGHTS = {
    f"{layer}.{name}": (RNG.uniform(-1, 1, shape) / inputs**0.5).astype(np.float32)
    for layer, inputs, outputs in ((0, *SIZES[:2]), (2, *SIZES[1:]))
    for name, shape in (("weight", (outputs, inputs)), ("bias", (outputs,)))
}


def step_of(
    modules: Any, optimizer: str, tensor: Callable[[Any], Any]
) -> tuple[Work, Callable[[], float]]:
    """The same lines for both libraries: a step, and one that gives its loss."""
    layers, optimizers = modules
    net = layers.Sequential(
        layers.Linear(*SIZES[:2]), layers.ReLU(), layers.Linear(*SIZES[1:])
    )
    net.load_state_dict({name: tensor(value) for name, value in WEIGHTS.items()})
    criterion = layers.CrossEntropyLoss()
    if optimizer == "SGD, momentum":
        opt = optimizers.SGD(net.parameters(), lr=0.01, momentum=0.9)
    else:
        opt = optimizers.Adam(net.parameters(), lr=1e-3)
    x, y = tensor(X), tensor(Y)

    def step() -> Any:
        loss = criterion(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step, lambda: step().item()


def same_losses(losses: dict[str, Callable[[], float]]) -> None:
    """Ten steps from equal weights give equal losses, to float's accuracy."""
    given = {who: [loss() for _ in range(10)] for who, loss in losses.items()}
    first = next(iter(given.values()))
    assert first[-1] < first[0], f"the loss does not fall: {first}"
    for who, values in given.items():
        np.testing.assert_allclose(values, first, rtol=2e-4, err_msg=who)


def main() -> None:
    bench = Benchmark("mlp", f"MLP {'-'.join(map(str, SIZES))}, batch {BATCH}")
    for threads in (1, 2):
        pt.set_num_threads(threads)
        if torch is not None:
            torch.set_num_threads(threads)
        for optimizer in ("SGD, momentum", "Adam"):
            ours, our_loss = step_of((nn, optim), optimizer, pt.Tensor)
            contenders: dict[str, Work | Absent] = {"ptutils": ours}
            losses = {"ptutils": our_loss}
            if torch is None:
                contenders["torch"] = Absent(no_torch)
            else:
                contenders["torch"], losses["torch"] = step_of(
                    (torch.nn, torch.optim), optimizer, torch.as_tensor
                )
            bench.compare(
                f"{optimizer}, {threads} thread{'s' * (threads > 1)}",
                contenders,
                check=lambda _, losses=losses: same_losses(losses),
                items=BATCH,
                targets={"torch": 1.25},
            )
    bench.finish()


if __name__ == "__main__":
    main()
