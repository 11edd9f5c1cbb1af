"""Callbacks that come with ptutils, and the class to derive one's own from."""

from ._core import Callback, Callbacks, NaNDetector

__all__ = ["Callback", "Callbacks", "NaNDetector"]
