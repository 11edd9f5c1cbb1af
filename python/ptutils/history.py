"""History's Python side: frames and plots.

pandas and matplotlib are loaded when they are used.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import _core, _text
from ._core import History, Status
from .errors import UnknownName, WrongValue
from .module import extend

__all__ = ["History"]

_FEW = 60  # records that are drawn with markers, and not smoothed


def needs(module: str, where: str) -> Any:
    """A library of the extra 'plot'."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != library:
            raise
        raise ModuleNotFoundError(
            f"[{where}] needs {library}: pip install 'ptutils[plot]'", name=library
        ) from None


def columns(history: History, name: str, branches: bool = False) -> dict[str, Any]:
    """One metric as NumPy arrays: attempt, step, epoch (i64), time, value (f64)."""
    import numpy

    raw = _core._history_columns(history, name, branches)
    return {
        key: numpy.frombuffer(data, "f8" if key in ("time", "value") else "i8")
        for key, data in raw.items()
    }


def _selected(history: History, globs: tuple[str, ...], where: str) -> list[str]:
    """Metric names that the globs match, in order; an unknown one is an error."""
    out: list[str] = []
    for glob in globs or ("*",):
        found = history.names(glob)
        if not found and globs and glob != "*":
            known = history.names()
            hint = _core._did_you_mean(glob, known) if known else "; it has none"
            raise UnknownName(f"[{where}] no metric {glob!r}{hint}")
        out += [name for name in found if name not in out]
    return out


def to_pandas(self: History, *globs: str, branches: bool = False) -> Any:
    """A frame with a column a metric, indexed by step; NaN where a metric has
    no value.

    Parameters
    ----------
    *globs
        Which metrics: ``'val/*'``, ``'train/loss'``; all when none is given.
    branches
        The abandoned lines of earlier attempts too; the index is then
        (attempt, step).

    Returns
    -------
    pandas.DataFrame
        float64. Its ``attrs['epoch']`` is a Series of the epoch by step.

    Examples
    --------
    >>> import ptutils as pt
    >>> h = pt.History()
    >>> h.log('train/loss', 2.0, step=1)
    >>> h.log('train/loss', 1.5, step=2)
    >>> h.log('val/accuracy', 0.25, step=2)
    >>> h.to_pandas()
          train/loss  val/accuracy
    step
    1            2.0           NaN
    2            1.5          0.25
    """
    pandas = needs("pandas", "History.to_pandas")
    keys = ["attempt", "step"] if branches else ["step"]
    series = {}
    for name in _selected(self, globs, "History.to_pandas"):
        data = columns(self, name, branches)
        if branches:
            index = pandas.MultiIndex.from_arrays([data[k] for k in keys], names=keys)
        else:
            index = pandas.Index(data["step"], name="step")
        series[name] = pandas.Series(data["value"].copy(), index=index, name=name)
    if not series:
        empty = pandas.Index([], name="step", dtype="int64")
        return pandas.DataFrame(index=empty)
    return pandas.concat(series.values(), axis=1).sort_index()


def smoothed(values: Any, weight: float) -> Any:
    """Exponential moving average without the pull of its start; NaN stays NaN
    and enters nothing.

    >>> import numpy
    >>> smoothed(numpy.array([1.0, 1.0, 1.0]), .9)
    array([1., 1., 1.])
    """
    import numpy

    out = numpy.full(len(values), numpy.nan)
    mean, total = 0.0, 0.0
    for i, value in enumerate(values.tolist()):
        if numpy.isfinite(value):
            mean = weight * mean + (1 - weight) * value
            total = weight * total + (1 - weight)
            out[i] = mean / total
        elif value != value:
            continue
        else:
            out[i] = value
    return out


def _draw(ax: Any, name: str, data: dict[str, Any], smooth: float) -> None:
    step, value = data["step"], data["value"]
    if len(step) <= _FEW:
        ax.plot(step, value, label=name, marker="o", markersize=3)
    elif not smooth:
        ax.plot(step, value, label=name, linewidth=1)
    else:
        (line,) = ax.plot(step, smoothed(value, smooth), label=name)
        pale = {"color": line.get_color(), "alpha": 0.3, "linewidth": 0.8}
        ax.plot(step, value, zorder=1, **pale)


def _panels(names: list[str]) -> dict[str, list[str]]:
    """Metrics of one quantity share a panel: train/loss and val/loss."""
    out: dict[str, list[str]] = {}
    for name in names:
        out.setdefault(name.rpartition("/")[2], []).append(name)
    return out


def plot(self: History, *globs: str, smooth: float = 0, ax: Any = None) -> Any:
    """Draws metrics by step: a panel a quantity (loss, accuracy).

    Parameters
    ----------
    *globs
        Which metrics: ``'train/loss'``, ``'val/*'``; all when none is given.
    smooth
        0 to below 1: the weight of the past in a moving average; the values
        themselves stay, pale. A metric of few values (one an epoch) is drawn as
        it is.
    ax
        A matplotlib Axes to draw all of them in.

    Returns
    -------
    matplotlib Figure
        Its ``axes`` are the panels, in the order of the metrics; with ``ax`` the
        figure that it belongs to.
    """
    if not 0 <= smooth < 1:
        raise WrongValue(f"[History.plot] smooth is {smooth}; it is 0 to below 1")
    names = _selected(self, globs, "History.plot")
    if not names:
        raise WrongValue("[History.plot] there are no metrics yet")
    panels = _panels(names)
    if ax is not None:
        figure, axes, groups = ax.figure, [ax], [names]
    else:
        pyplot = needs("matplotlib.pyplot", "History.plot")
        figure, grid = pyplot.subplots(
            1,
            len(panels),
            figsize=(1 + 4.5 * len(panels), 3.4),
            squeeze=False,
            layout="constrained",
        )
        axes, groups = list(grid[0]), list(panels.values())
    for one, group in zip(axes, groups, strict=True):
        for name in group:
            _draw(one, name, columns(self, name), smooth)
        one.set_xlabel("step")
        kinds = list(_panels(group))
        one.set_ylabel(kinds[0] if len(kinds) == 1 else "")
        one.grid(alpha=0.25)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
        one.legend(frameon=False)
    return figure


def _html(self: History) -> str:
    """A row a metric, for notebooks: its last value, and its range."""
    head = ("metric", "records", "last", "min", "max")
    rows = []
    for name in self.names():
        values = [r["value"] for r in self.records(name)]
        known = [value for value in values if value == value] or values
        shown = (_text.number(v) for v in (values[-1], min(known), max(known)))
        rows.append([_text_html(name), str(len(values)), *shown])
    lines = [
        "".join(f"<{tag} style='text-align:left'>{cell}</{tag}>" for cell in row)
        for tag, row in [("th", head), *(("td", row) for row in rows)]
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _text_html(text: str) -> str:
    import html

    return html.escape(text)


def _status_html(self: Status) -> str:
    return f"<code>{_text_html(str(self))}</code>"


extend(History, to_pandas=to_pandas, plot=plot, _repr_html_=_html)
extend(Status, _repr_html_=_status_html)
