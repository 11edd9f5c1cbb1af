"""Frames and plots of histories; progress in a notebook."""

from __future__ import annotations

import math
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import environment

import ptutils as pt
from ptutils import history as history_module
from ptutils import notebook

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
pandas = pytest.importorskip("pandas")


@pytest.fixture
def history() -> pt.History:
    made = pt.History()
    for step in range(1, 101):
        made.log("train/loss", 2.0 / step, step=step)
        if step % 50 == 0:
            made.log("val/loss", 3.0 / step, step=step)
            made.log("val/accuracy", step / 200, step=step)
    return made


def test_frames_have_a_column_a_metric_and_nan_where_absent(
    history: pt.History,
) -> None:
    frame = history.to_pandas()
    assert list(frame) == ["train/loss", "val/loss", "val/accuracy"]
    assert len(frame) == 100 and frame.index[0] == 1
    assert frame["val/loss"].notna().sum() == 2
    assert frame.loc[50, "val/accuracy"] == 0.25
    assert list(history.to_pandas("val/*", "train/loss")) == [
        "val/loss",
        "val/accuracy",
        "train/loss",
    ]
    assert len(pt.History().to_pandas()) == 0


def test_branches_show_abandoned_lines(history: pt.History) -> None:
    history.begin_attempt(1, 90)
    history.log("train/loss", 9.0, step=91, attempt=1)
    now = history.to_pandas("train/loss")
    assert now.index.max() == 91 and now.loc[91, "train/loss"] == 9.0
    every = history.to_pandas("train/loss", branches=True)
    assert every.index.names == ["attempt", "step"] and len(every) == 101
    assert every.loc[(0, 91), "train/loss"] == 2.0 / 91
    assert every.loc[(1, 91), "train/loss"] == 9.0


def test_a_notebook_shows_a_history_and_a_status_as_html(history: pt.History) -> None:
    history.log("val/a<b", 0.5, step=1)
    shown = history._repr_html_()
    assert "val/a&lt;b" in shown and shown.count("<tr>") == 1 + len(history.names())
    assert pt.Status._repr_html_ is not None


def test_one_panel_a_quantity(history: pt.History, tmp_path: Path) -> None:
    loss, accuracy = history.plot().axes
    assert loss.get_ylabel() == "loss" and accuracy.get_ylabel() == "accuracy"
    labels = [line.get_label() for line in loss.get_lines()]
    assert labels == ["train/loss", "val/loss"]
    assert list(loss.get_lines()[0].get_xdata())[:3] == [1, 2, 3]
    one = history.plot("train/loss")
    one.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_plot_draws_into_given_axes(history: pt.History) -> None:
    figure, ax = matplotlib.pyplot.subplots()
    assert history.plot("*", ax=ax) is figure
    assert len(ax.get_lines()) == 3
    matplotlib.pyplot.close(figure)


def test_smooth_is_a_moving_average_beside_the_values(history: pt.History) -> None:
    (ax,) = history.plot("train/loss", smooth=0.9).axes
    smooth, raw = (line.get_ydata() for line in ax.get_lines())
    assert list(raw[:2]) == [2.0, 1.0]
    assert smooth[0] == 2.0
    assert math.isclose(smooth[1], (0.9 * 0.1 * 2.0 + 0.1 * 1.0) / (0.9 * 0.1 + 0.1))
    few = history.plot("val/accuracy", smooth=0.9).axes[0].get_lines()
    assert [list(line.get_ydata()) for line in few] == [[0.25, 0.5]]
    for wrong in (1, -0.1, 2):
        with pytest.raises(ValueError, match="0 to below 1"):
            history.plot("train/loss", smooth=wrong)


def test_smoothing_passes_over_nan() -> None:
    import numpy as np

    out = history_module.smoothed(np.array([1.0, np.nan, 1.0]), 0.5)
    assert out[0] == out[2] == 1.0 and np.isnan(out[1])


def test_unknown_metrics_and_empty_histories_are_errors(history: pt.History) -> None:
    with pytest.raises(KeyError, match="no metric 'train/los'; did you mean"):
        history.plot("train/los")
    with pytest.raises(ValueError, match="no metrics yet"):
        pt.History().plot()


def test_a_live_sessions_history_plots(tmp_path: Path) -> None:
    with pt.Session("live", dbinterface=tmp_path / "r.db") as session:
        for i, _ in enumerate(session.loop([0.0] * 4)):
            session.log(loss=float(i))
            if i == 2:
                assert list(session.history.to_pandas()["train/loss"]) == [0, 1, 2]
                (ax,) = session.history.plot("train/loss").axes
                assert len(ax.get_lines()[0].get_xdata()) == 3


def test_a_history_plots_where_nothing_else_was_imported(tmp_path: Path) -> None:
    code = "import ptutils as pt; pt.History.plot, pt.History.to_pandas"
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['pandas'] = sys.modules['matplotlib'] = None\n"
        "import ptutils as pt\n"
        "from ptutils import history\n"
        "h = pt.History(); h.log('a/b', 1.0, step=1)\n"
        "for call in (h.to_pandas, h.plot):\n"
        "    try: call()\n"
        "    except ModuleNotFoundError as e: print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.stdout.count("pip install 'ptutils[plot]'") == 2, done.stderr


class Handle:
    def __init__(self, shown: list[Any]) -> None:
        self.shown = shown

    def update(self, content: Any, raw: bool = False) -> None:
        self.shown.append(("update", content["text/plain"]))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A process that looks like a notebook's kernel; what it displays."""
    shown: list[Any] = []

    def display(content: Any, raw: bool = False, display_id: bool = False) -> Handle:
        assert raw and display_id
        shown.append(("new", content["text/plain"]))
        return Handle(shown)

    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    fake = types.ModuleType("IPython.display")
    fake.display = display  # type: ignore[attr-defined]
    parent = types.ModuleType("IPython")
    parent.display = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", parent)
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    return shown


def test_a_notebook_has_one_line_that_is_updated(
    kernel: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook, "_SECONDS", 0.0)
    with pt.Session("nb", dbinterface=tmp_path / "r.db") as session:
        for i, _ in enumerate(session.loop([0.0] * 5)):
            session.log(loss=float(i))
    assert [kind for kind, _ in kernel].count("new") == 1
    assert "step 3/5" in kernel[2][1] and "train/loss 2" in kernel[2][1]
    assert kernel[-1][1].startswith("nb: complete · success")


def test_a_notebooks_line_is_written_twice_a_second_at_most(
    kernel: list[Any], tmp_path: Path
) -> None:
    with pt.Session("nb", dbinterface=tmp_path / "r.db") as session:
        for _ in session.loop([0.0] * 200):
            session.log(loss=1.0)
    assert len(kernel) <= 4
    config = pt.open(tmp_path / "r.db")["nb"].config
    assert "callbacks" not in config


def test_the_last_value_of_a_misspelt_metric_is_an_error():
    h = pt.runs.History()
    h.log("train/loss", 1.0, step=3)
    h.begin_attempt(1, 0)
    assert np.isnan(h.last("train/loss"))  # abandoned
    with pytest.raises(KeyError, match="no metric 'train/lossss'; did you mean"):
        h.last("train/lossss")
