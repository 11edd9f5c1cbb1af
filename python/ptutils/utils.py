"""Small helpers: files, threads, random streams.

>>> from ptutils import utils
>>> utils.num_threads() >= 1
True
"""

from ._core import num_threads, seed, set_num_threads
from .files import read, save

__all__ = ["num_threads", "read", "save", "seed", "set_num_threads"]
