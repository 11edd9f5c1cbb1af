"""Batches of samples of different lengths."""

from __future__ import annotations

from typing import Any

from ..errors import WrongType, WrongValue


class PadCollate:
    """A ``collate_fn`` for samples of different sizes: arrays (of a tuple's or dict's
    fields) are filled up at their ends to the largest of the batch, numbers become
    an array, texts a list.

    >>> import numpy as np
    >>> from ptutils.data import DataLoader, PadCollate
    >>> words = [np.array([3, 1, 4]), np.array([1]), np.array([5, 9])]
    >>> next(DataLoader(words, batch_size=3, collate_fn=PadCollate(value=-1)))
    array([[ 3,  1,  4],
           [ 1, -1, -1],
           [ 5,  9, -1]])

    Parameters
    ----------
    value : number
        What stands behind the end of a shorter array.

    Raises
    ------
    ptutils.errors.WrongValue
        Where arrays have different numbers of dimensions, or dtypes.
    """

    def __init__(self, value: float = 0) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"PadCollate(value={self.value})"

    def __call__(self, samples: list[Any]) -> Any:
        first = samples[0]
        if isinstance(first, dict):
            return {key: self([sample[key] for sample in samples]) for key in first}
        if isinstance(first, (tuple, list)):
            return tuple(self(list(field)) for field in zip(*samples, strict=True))
        if isinstance(first, (str, bytes)):
            return samples
        if hasattr(first, "new_full"):  # a torch tensor
            return self._padded(
                samples, lambda shape: first.new_full(shape, self.value)
            )
        import numpy as np

        arrays = [np.asarray(sample) for sample in samples]
        if arrays[0].dtype == object:
            raise WrongType(
                f"[PadCollate] a {type(first).__name__} cannot be stacked: give "
                "arrays, numbers, texts, or tuples and dicts of them"
            )
        return self._padded(
            arrays, lambda shape: np.full(shape, self.value, arrays[0].dtype)
        )

    def _padded(self, arrays: list[Any], full: Any) -> Any:
        kinds = {(a.ndim, a.dtype) for a in arrays}
        if len(kinds) > 1:
            told = ", ".join(sorted(f"{n}-d {dtype}" for n, dtype in kinds))
            raise WrongValue(f"[PadCollate] arrays of one field differ: {told}")
        shapes = [tuple(a.shape) for a in arrays]
        out = full((len(arrays), *(max(sizes) for sizes in zip(*shapes, strict=True))))
        for i, array in enumerate(arrays):
            out[(i, *(slice(size) for size in shapes[i]))] = array
        return out


PadCollate.__module__ = "ptutils.data"
