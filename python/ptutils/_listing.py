"""The table of runs: what `ptutils ls` prints, and the repr of Runs."""

from __future__ import annotations

import html as _html
from collections.abc import Sequence
from typing import Any

from . import _core, _text

_COLOURS = {
    "success": "32",
    "stopped": "33",
    "paused": "33",
    "failure": "31",
    "lost": "31",
    "in-progress": "36",
    "pending": "2",
}


def kind_of(status: Any) -> str:
    """The one word that a status is coloured and filtered by."""
    if status.lost:
        return "lost"
    if status.state == "complete":
        return str(status.outcome or "complete")
    return str(status.state)


def best_metric(runs: Sequence[Any]) -> str:
    """The metric that all runs keep their best by; '' when there are several."""
    names = {run.best["metric"] for run in runs if run.best}
    return names.pop() if len(names) == 1 else ""


def _best(run: Any, shared: str) -> str:
    best = run.best or _best_record(run, shared)
    if not best:
        return "-"
    text = f"{_text.number(best['value'])} @ {best['step']}"
    return text if shared else f"{best['metric']} {text}"


def _best_record(run: Any, metric: str) -> dict[str, Any] | None:
    """Of a run that keeps no best: of the metric that the others keep theirs by."""
    if metric not in run.latest:
        return None
    records = [r for r in run.history.records(metric) if r["value"] == r["value"]]
    if not records:
        return None
    choose = max if _core._is_best_large(metric) else min
    return choose(records, key=lambda record: record["value"])


def row(run: Any, shared: str, sizes: dict[str, int]) -> list[str]:
    """One run's cells; of a pending one, only why it waits."""
    status = run.status
    if status.state == "pending":
        return [_text.printed(run.exp_id), status.column]
    runs = status.state == "in-progress"
    alive = runs and not status.lost
    percent = f"{status.percent:.0f}" if status.percent >= 0 else "-"
    where = f"{status.host} {status.where}".strip() if runs else "-"
    return [
        _text.printed(run.exp_id),
        status.column,
        status.stage or "-",
        percent,
        _core._format_duration(status.eta) if alive else "-",
        _best(run, shared),
        where,
        _text.size(sizes.get(run.exp_id)),
    ]


def table(runs: Sequence[Any], sizes: dict[str, int]) -> list[list[str]]:
    """The header, then a row a run."""
    shared = best_metric(runs)
    header = ["exp_id", "status", "stage", "%", "ETA", "best", "where", "size"]
    if shared:
        header[5] = f"best {shared}"
    return [header, *(row(run, shared, sizes) for run in runs)]


def text(runs: Sequence[Any], sizes: dict[str, int], colour: bool = False) -> str:
    """Aligned columns."""
    rows = table(runs, sizes)
    lines = _text.columns(rows)
    if not colour:
        return "\n".join(lines)
    out = [f"\x1b[1m{lines[0]}\x1b[0m"]
    for run, cells, line in zip(runs, rows[1:], lines[1:], strict=True):
        code = _COLOURS.get(kind_of(run.status))
        painted = f"\x1b[{code}m{cells[1]}\x1b[0m" if code else cells[1]
        begin = line.index(cells[1], len(cells[0]))
        out.append(line[:begin] + painted + line[begin + len(cells[1]) :])
    return "\n".join(out)


def html(runs: Sequence[Any], sizes: dict[str, int]) -> str:
    """The same for notebooks."""
    header, *rows = table(runs, sizes)
    cells = "".join(
        f"<th style='text-align:left'>{_html.escape(h)}</th>" for h in header
    )
    body = []
    for line in rows:
        last = f" colspan='{len(header) - len(line) + 1}'" if len(line) < 8 else ""
        parts = [
            f"<td style='text-align:left'{last if i == len(line) - 1 else ''}>"
            f"{_html.escape(cell)}</td>"
            for i, cell in enumerate(line)
        ]
        body.append(f"<tr>{''.join(parts)}</tr>")
    return (
        f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
