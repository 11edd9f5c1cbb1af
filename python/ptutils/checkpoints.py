"""Checkpoints: a folder of saved states, of which the last and the best stay."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from . import _core, files
from .errors import IOFailed, Malformed, NotFound, WrongType, WrongValue

_INDEX = "checkpoints.json"


def _identity(path: Path) -> tuple[int, int] | None:
    """Of the file there: each save makes another."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


class Checkpoints:
    """States in a folder, one file each, with the metrics of their moment.

    For scripts that want no Session. One process writes in a folder at a time;
    any number read.

    Parameters
    ----------
    folder : str or path
        Made when it is not there. What is in it is taken up.
    keep_last : int
        How many of the newest stay.
    keep_best : str, optional
        The metric whose best stays too. NaN and infinity are never best.
    mode : {'max', 'min'}, optional
        What best is; without it 'min' for losses and errors, by the name.
    suffix : str
        The format: ``.safetensors``, ``.npz``, ``.pt``, …
    background : bool
        ``save`` copies the state and returns; it waits only for the save before
        it. :meth:`sync` waits for the last.

    Notes
    -----
    A state is removed after its successor is on the disk, and where only one
    would remain, after that one has been read back and its checksums agree.

    Examples
    --------
    >>> import tempfile
    >>> kept = Checkpoints(tempfile.mkdtemp(), keep_last=1, keep_best='val/accuracy')
    >>> for step, accuracy in [(100, .7), (200, .9), (300, .8), (400, .85)]:
    ...     kept.save({'step': step}, step, {'val/accuracy': accuracy})
    >>> [entry['step'] for entry in kept]
    [200, 400]
    >>> kept.load(at='best'), kept.load()
    ({'step': 200}, {'step': 400})
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep_last: int = 2,
        keep_best: str | None = None,
        *,
        mode: str | None = None,
        suffix: str = ".safetensors",
        background: bool = False,
    ) -> None:
        if not isinstance(keep_last, int) or keep_last < 1:
            raise WrongValue(f"[Checkpoints] keep_last is 1 or more, not {keep_last!r}")
        if mode not in (None, "max", "min"):
            raise WrongValue(f"[Checkpoints] mode is 'max' or 'min', not {mode!r}")
        _core._codec_for_writing(f"x{suffix}")  # a format that there is
        self.folder = Path(folder)
        self.keep_last = keep_last
        self.keep_best = keep_best
        self.mode = mode or ("max" if _core._is_best_large(keep_best or "") else "min")
        self.suffix = suffix
        self.background = background
        self._pending: dict[str, Any] | None = None
        self._before: object = None  # the file of that name, before the last save
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IOFailed(
                f"[Checkpoints] cannot make the folder {self.folder}: {error.strerror}"
            ) from error
        self._entries = self._read_index()

    def save(
        self, value: Any, step: int, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Saves a state (a module, a State, a dict), then removes what is neither
        among the last nor the best.

        Parameters
        ----------
        value : object
            As :func:`ptutils.save` takes it.
        step : int
            0 or more; an earlier state of the same step is replaced.
        metrics : dict of float, optional
            Of this moment.
        """
        if not isinstance(step, SupportsIndex) or int(step) < 0:
            raise WrongValue(f"[Checkpoints.save] step is 0 or more, not {step!r}")
        step = int(step)
        measured = self._measured(metrics)
        self.sync()
        name = f"step-{step:08d}{self.suffix}"
        entry = {"step": step, "file": name, "metrics": measured}
        before = _identity(self.folder / name)
        files.save(self.folder / name, value, background=self.background)
        self._pending, self._before = entry, before
        if self.background:  # where the process ends before the next save
            files.save(
                self.folder / _INDEX, [*self._without(step), entry], background=True
            )
        else:
            self._take_pending()

    def _measured(self, metrics: Any) -> dict[str, float]:
        if metrics is None:
            return {}
        if not isinstance(metrics, Mapping):
            raise WrongType(
                "[Checkpoints.save] metrics is a dict of numbers by name, not "
                f"{metrics!r}"
            )
        out = {}
        for name, x in metrics.items():
            try:
                out[str(name)] = float(x)
            except (TypeError, ValueError) as error:
                raise WrongType(
                    f"[Checkpoints.save] the metric {name!r} is {x!r}, not a number"
                ) from error
        if out and self.keep_best and self.keep_best not in out:
            hint = _core._did_you_mean(self.keep_best, list(out))
            _core._log(
                30,
                f"Checkpoints: no {self.keep_best!r} among the metrics of this save"
                f"{hint}: it cannot be the best",
            )
        return out

    def sync(self) -> None:
        """Waits until the last save is on the disk; raises what went wrong."""
        if self._pending is None:
            return
        try:
            files.sync()
        except BaseException:
            self._pending = None
            raise
        self._take_pending()

    def load(self, at: str | int = "last", **options: Any) -> Any:
        """A state that was saved.

        Parameters
        ----------
        at : {'last', 'best'} or int
            Which; a step.
        **options
            As :func:`ptutils.read` takes them: ``as_``, ``verify``, ``classes``.
        """
        self.sync()
        return files.read(self.folder / self._at(at)["file"], **options)

    @property
    def last(self) -> dict[str, Any] | None:
        """The newest: ``{'step', 'file', 'metrics'}``."""
        return self._entries[-1] if self._entries else None

    @property
    def best(self) -> dict[str, Any] | None:
        """The one whose ``keep_best`` metric is best; of equal ones the first."""
        scored = [
            (entry["metrics"][self.keep_best], entry)
            for entry in self._entries
            if math.isfinite(entry["metrics"].get(self.keep_best, math.nan))
        ]
        pick = max if self.mode == "max" else min
        return pick(scored, key=lambda pair: pair[0])[1] if scored else None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The entries, in the order of their saves."""
        return iter(list(self._entries))

    def __repr__(self) -> str:
        steps = ", ".join(str(entry["step"]) for entry in self._entries)
        best = f"; best: {self.best['step']}" if self.best else ""
        return f"Checkpoints({str(self.folder)!r}: steps {steps or 'none'}{best})"

    def _at(self, at: str | int) -> dict[str, Any]:
        if at not in ("last", "best") and not isinstance(at, int):
            raise WrongValue(
                f"[Checkpoints.load] at is 'last', 'best' or a step, not {at!r}"
            )
        found = (
            self.last
            if at == "last"
            else self.best
            if at == "best"
            else next((e for e in self._entries if e["step"] == at), None)
        )
        if found is None:
            raise NotFound(f"[Checkpoints.load] {self.folder} has no {at!r}: {self!r}")
        return found

    def _take_pending(self) -> None:
        """What is on the disk now becomes an entry, and others go."""
        entry, self._pending = self._pending, None
        assert entry is not None
        now = _identity(self.folder / entry["file"])
        if now is None or now == self._before:
            _core._log(
                30,
                f"Checkpoints: step {entry['step']} was not saved in {self.folder}: "
                "what went wrong was raised before",
            )
            return
        self._entries = [*self._without(entry["step"]), entry]
        kept = self._kept()
        gone = [e for e in self._entries if e not in kept]
        if gone and len(kept) == 1:
            self._check(kept[0])
        self._entries = kept
        files.save(self.folder / _INDEX, self._entries)
        for old in gone:
            self._remove(self.folder / old["file"])

    def _without(self, step: int) -> list[dict[str, Any]]:
        return [entry for entry in self._entries if entry["step"] != step]

    def _remove(self, path: Path) -> None:
        """The file, and the shards of one that is an index."""
        shards: set[str] = set()
        if path.name.endswith(".index.json") and path.exists():
            shards = set(json.loads(path.read_text())["weight_map"].values())
        for gone in (path, *(path.with_name(name) for name in shards)):
            gone.unlink(missing_ok=True)

    def _kept(self) -> list[dict[str, Any]]:
        last = self._entries[-self.keep_last :]
        return [e for e in self._entries if e in last or e is self.best]

    def _check(self, entry: dict[str, Any]) -> None:
        """The only one that would remain is whole."""
        try:
            files.read(self.folder / entry["file"], verify=True)
        except Malformed as error:
            raise Malformed(
                f"[Checkpoints] {error}; the states before it were kept: {self.folder}"
            ) from error

    def _read_index(self) -> list[dict[str, Any]]:
        """What the index names and is there, then files that it does not name
        yet: their process ended before it was written."""
        path = self.folder / _INDEX
        try:
            named = files.read(path) if path.exists() else []
            entries = [e for e in named if (self.folder / e["file"]).exists()]
        except (Malformed, TypeError, KeyError) as error:
            raise Malformed(
                f"[Checkpoints] {path} is not what was written ({error}); the states "
                "beside it are whole: delete it, and only their metrics are forgotten"
            ) from error
        known = {e["file"] for e in entries}
        pattern = re.compile(r"step-(\d{8,})" + re.escape(self.suffix))
        left = {
            int(found[1]): name
            for name in os.listdir(self.folder)
            if (found := pattern.fullmatch(name)) and name not in known
        }
        for step in sorted(left):
            entries.append({"step": step, "file": left[step], "metrics": {}})
        return entries
