"""Module, and what a Module carries beside itself."""

from ._core import Callback, Callbacks, History, Module, Statistic, Status
from .state import Config, Configuration, State

Base = Module

__all__ = [
    "Base",
    "Callback",
    "Callbacks",
    "Config",
    "Configuration",
    "History",
    "Module",
    "State",
    "Statistic",
    "Status",
]
