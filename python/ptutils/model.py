"""The parts of a model: net, criterion, optimizer and how they step."""

from ._core import Criterion, Model, Optimizer

__all__ = ["Criterion", "Model", "Optimizer"]
