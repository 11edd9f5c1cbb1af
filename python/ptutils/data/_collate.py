"""Batches of samples of different lengths."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import WrongType, WrongValue


class PadCollate:
    """A ``collate_fn`` for samples of different sizes: arrays (of a tuple's or dict's
    fields) are filled up at their ends to the largest of the batch, numbers become
    an array, texts a list; a list is an array of its numbers.

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
        Where samples differ in their fields, or arrays in their dtypes or numbers of
        dimensions; where ``value`` is none of an array's dtype. It says which.
    """

    def __init__(self, value: float = 0) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise WrongType(f"[PadCollate] value is a number, not {value!r:.40}")
        self.value = value

    def __repr__(self) -> str:
        return f"PadCollate(value={self.value})"

    def __call__(self, samples: list[Any]) -> Any:
        if not samples:
            raise WrongValue("[PadCollate] no samples were given")
        return self._batch(samples, "the sample")

    def _batch(self, samples: list[Any], where: str) -> Any:
        first = samples[0]
        if isinstance(first, dict):
            for i, sample in enumerate(samples):
                if not isinstance(sample, dict) or set(sample) != set(first):
                    self._differ(where, i, sample, first)
            return {k: self._batch([s[k] for s in samples], repr(k)) for k in first}
        if isinstance(first, tuple):
            for i, sample in enumerate(samples):
                if not isinstance(sample, tuple) or len(sample) != len(first):
                    self._differ(where, i, sample, first)
            return tuple(
                self._batch([s[i] for s in samples], f"field {i}")
                for i in range(len(first))
            )
        if isinstance(first, (str, bytes)):
            return samples
        if hasattr(first, "new_full"):  # a torch tensor
            return self._padded(samples, where, first.new_full)
        import numpy as np

        arrays = [np.asarray(sample) for sample in samples]
        if all(array.ndim == 0 for array in arrays):
            whole = np.array(samples)  # of numbers the type that holds them all
            arrays = [whole[i, ...] for i in range(len(samples))]
        dtype = arrays[0].dtype
        if dtype.kind not in "biufc":
            raise WrongType(
                f"[PadCollate] {where}: a {type(first).__name__} cannot be stacked: "
                "give arrays or lists of numbers, numbers, texts, or tuples and dicts"
            )
        return self._padded(arrays, where, lambda s, v: np.full(s, v, dtype))

    @staticmethod
    def _differ(where: str, i: int, sample: Any, first: Any) -> NoReturn:
        def told(value: Any) -> str:
            if isinstance(value, dict):
                return f"the fields {', '.join(map(str, value))}"
            size = f" of {len(value)}" if isinstance(value, tuple) else ""
            return f"a {type(value).__name__}{size}"

        raise WrongValue(
            f"[PadCollate] {where}: sample {i} of the batch has {told(sample)}, the "
            f"first one {told(first)}"
        )

    def _padded(self, arrays: list[Any], where: str, full: Any) -> Any:
        kinds = [f"{array.ndim}-d {array.dtype}" for array in arrays]
        for i, kind in enumerate(kinds):
            if kind != kinds[0]:
                raise WrongValue(
                    f"[PadCollate] {where}: sample {i} of the batch is {kind}, the "
                    f"first one {kinds[0]}"
                )
        shapes = [tuple(array.shape) for array in arrays]
        sizes = tuple(max(each) for each in zip(*shapes, strict=True))
        fill = self.value if any(shape != sizes for shape in shapes) else 0
        try:
            out = full((len(arrays), *sizes), fill)
            held = fill != fill and bool((out != out).all())  # NaN
            held = held or bool((out == fill).all())
        except (OverflowError, ValueError, RuntimeError):
            held = False
        if not held:
            raise WrongValue(
                f"[PadCollate] {where}: value={self.value} is none of {kinds[0]}; give "
                "PadCollate(value=…) one that is"
            )
        for i, array in enumerate(arrays):
            out[(i, *(slice(size) for size in shapes[i]))] = array
        return out


PadCollate.__module__ = "ptutils.data"
