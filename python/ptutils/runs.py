"""Runs read back: ``pt.open('runs.db')``.

A database is opened read-only; a run that is in progress shows what is durable
so far.
"""

from __future__ import annotations

import datetime
import html as _html
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from . import _core, _filter, _listing, _text, registry
from . import history as _history  # completes History: to_pandas, plot
from ._core import History, Status
from .errors import Error, NotFound, UnknownName, WrongState, WrongType, WrongValue
from .state import Configuration

__all__ = ["Difference", "Run", "Runs", "open"]

_GLOB = frozenset("*?[")


class Difference(dict[str, tuple[Any, Any]]):
    """What differs between two configurations: ``{path: (old, new)}``."""

    def __repr__(self) -> str:
        if not self:
            return "no difference"
        rows = [
            [path, _text.shown(old, 40), "→", _text.shown(new, 40)]
            for path, (old, new) in self.items()
        ]
        return "\n".join(_text.columns(rows))


class Run:
    """One run as it was when it was looked up; its history, checkpoints and
    metadata are read when asked for.

    ``runs['fashion-cnn']`` makes one.
    """

    def __init__(self, core: Any) -> None:
        self._core = core

    @property
    def exp_id(self) -> str:
        """Its name in the database."""
        return str(self._core.exp_id)

    @property
    def config(self) -> Configuration:
        """The effective configuration: what the run is made of now."""
        return Configuration(self._core.config)

    @property
    def status(self) -> Status:
        """Where it stands."""
        return self._core.status

    @property
    def edits(self) -> list[dict[str, Any]]:
        """What was changed: {session, attempt, step, path, old, new, cause}."""
        return list(self._core.edits)

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Where each line begins: {attempt, from_step, kind, started}."""
        return list(self._core.attempts)

    @property
    def best(self) -> dict[str, Any] | None:
        """{metric, value, step, checkpoint}; None where nothing is kept."""
        best = self._core.best
        return dict(best) if best else None

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric."""
        return dict(self._core.latest or {})

    @property
    def created(self) -> datetime.datetime:
        """When it was first begun, with this machine's time zone."""
        return datetime.datetime.fromtimestamp(self._core.created).astimezone()

    @property
    def parent(self) -> str | None:
        """The run that this one is a re-run or a variation of."""
        return self._core.parent or None

    @property
    def duration(self) -> float:
        """Seconds that it has run, over all its processes."""
        return float(self.status.seconds)

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """What each process that ran it was: versions, machine, command, git."""
        return list(self._core.metadata())

    @property
    def history(self) -> History:
        """Its metrics by step."""
        return self._core.history()

    @property
    def checkpoints(self) -> list[dict[str, Any]]:
        """What is saved: {id, attempt, step, time}, newest last."""
        return list(self._core.checkpoints())

    def state(self, at: str = "last") -> Any:
        """The whole state of a checkpoint: ``'last'`` or ``'best'``."""
        _check_at(self.exp_id, at)
        return self._core.state(at)

    def load(
        self,
        path: str,
        at: str = "last",
        *,
        net: Any = None,
        classes: Sequence[type] = (),
        trusted: bool = False,
    ) -> Any:
        """A part of it, with its state in it.

        Parameters
        ----------
        path
            ``'model.net'``, ``'model'``, or a part of one's own loop (``'net'``).
        at
            ``'last'`` or ``'best'``.
        net
            The object to load into. Without it the part is built from the
            stored configuration: ptutils' own classes, and those named before
            on this machine.
        classes
            Classes that the configuration may name (those of a notebook).
        trusted
            Any class that the configuration names may be imported.

        Raises
        ------
        Untrusted
            When the configuration names a class that nobody here has named.
        """
        _check_at(self.exp_id, at)
        try:
            with registry.naming(*classes):
                return self._core.load(path, at, net, trusted)
        except Exception as error:
            if net is not None or not _is_of_building(error, path):
                raise
            kind = type(error) if isinstance(error, Error) else WrongState
            part, net_of = path, "Net()"
            if path.endswith(".optimizer"):  # it needs its net
                part, net_of = path.rpartition(".")[0], "pt.Model(Net(), …)"
            raise kind(
                f"{error}\n  what is stored of {part!r} may not be enough to build "
                "it: give the object to load into: "
                f"run.load({part!r}, at={at!r}, net={net_of})"
            ) from error

    def diff(self, other: Run) -> Difference:
        """Only what differs between the two configurations."""
        if not isinstance(other, Run):
            raise WrongType(
                f"[{self.exp_id}.diff] takes a Run (runs['name']), "
                f"not {_text.with_article(other)}"
            )
        return Difference(self._core.diff(other._core))

    def __repr__(self) -> str:
        rows = [["status", str(self.status)]]
        if self.status.lost:
            rows[0] = ["status", f"{self.status.column}, step {self.status.step}"]
        if best := self.best:
            value = f"{_text.number(best['value'])} @ {best['step']}"
            rows.append(["best", f"{best['metric']} {value}"])
        if latest := self.latest:
            values = [f"{name} {_text.number(v)}" for name, v in latest.items()]
            rows.append(["last", "  ".join(values[:8])])
        rows.append(["created", _text.clock(self._core.created)])
        if self.parent:
            rows.append(["parent", _text.printed(self.parent)])
        if self.edits:
            rows.append(["edits", str(len(self.edits))])
        return "\n".join(
            [f"Run {_text.printed(self.exp_id)}", *_indented(_text.columns(rows))]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{_html.escape(repr(self))}</pre>"


def _check_at(exp_id: str, at: Any) -> None:
    if at not in ("last", "best"):
        raise WrongValue(f"[{exp_id}] at is 'last' or 'best', not {at!r}")


def _is_of_building(error: Exception, path: str) -> bool:
    """Not that there is no such part or checkpoint."""
    text = str(error)
    path = path.removesuffix(".optimizer")  # built with its model
    ours = isinstance(error, Error)
    return not ours or f"[{path}" in text or "the state does not fit" in text


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


class Runs:
    """The runs of a database, or some of them.

    Parameters
    ----------
    location
        A path, a URI, or a DBInterface.

    Examples
    --------
    ::

        runs = pt.open('runs.db')
        runs                                   # a table
        runs['fashion-mlp']                    # one Run
        runs['fashion-*']                      # those that match
        runs[{'model.optimizer.lr': {'$lt': 1e-2}}]
        runs[{'status': 'complete', 'val/accuracy': {'$gt': 0.9}}]
        runs.to_pandas(['model.optimizer.lr', 'val/accuracy:max'])
    """

    def __init__(self, location: Any) -> None:
        given = os.fspath(location) if isinstance(location, os.PathLike) else location
        self._core = _core.Runs(given)
        self._tests: tuple[Callable[[list[Any]], list[Any]], ...] = ()

    def _view(self, keep: Callable[[list[Any]], list[Any]]) -> Runs:
        view = object.__new__(Runs)
        view._core = self._core
        view._tests = (*self._tests, keep)
        return view

    def _all(self) -> list[Run]:
        found = self._core.match("*")
        for keep in self._tests:
            found = keep(found)
        return [Run(core) for core in found]

    @property
    def location(self) -> str:
        """What identifies the database."""
        return str(self._core.location)

    def sizes(self) -> dict[str, int]:
        """Bytes of each run's documents; empty where the database cannot say."""
        return dict(self._core.sizes())

    @overload
    def __getitem__(self, key: int) -> Run: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: dict[str, Any]) -> Runs: ...
    def __getitem__(self, key: str | int | dict[str, Any]) -> Any:
        if isinstance(key, int):
            return self._all()[key]
        if isinstance(key, str):
            if _GLOB.isdisjoint(key) or key in self:
                return self._one(key)
            ids = {core.exp_id for core in self._core.match(key)}
            return self._view(lambda found: [c for c in found if c.exp_id in ids])
        if isinstance(key, dict):
            query = dict(key)
            self._core.find(query)  # its mistakes are seen here

            def keep(found: list[Any]) -> list[Any]:
                ids = {core.exp_id for core in self._core.find(query)}
                return [core for core in found if core.exp_id in ids]

            return self._view(keep)
        raise WrongType(
            f"[{self.location}] runs[…] takes an exp_id, a glob or a query, "
            f"not {_text.with_article(key)}"
        )

    def _one(self, exp_id: str) -> Run:
        if not self._tests:
            return Run(self._core.get(exp_id))
        known = {run.exp_id: run for run in self._all()}
        if exp_id in known:
            return known[exp_id]
        hint = _core._did_you_mean(exp_id, list(known))
        raise NotFound(f"[{self.location}] no run {exp_id!r} among these{hint}")

    def filter(self, text: str) -> Runs:
        """As ``ptutils ls``: ``'status:in-progress lr<1e-2'``."""
        test = _filter.parse(text, self._all())
        return self._view(lambda found: [c for c in found if test(Run(c))])

    def __iter__(self) -> Iterator[Run]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, exp_id: object) -> bool:
        return any(run.exp_id == exp_id for run in self._all())

    def close(self) -> None:
        """Ends the connection to the database."""
        self._core.close()

    def to_pandas(self, columns: Sequence[str] | None = None) -> Any:
        """A frame with a row a run, indexed by exp_id.

        Parameters
        ----------
        columns
            Paths of the configuration (``'model.optimizer.lr'``); metrics, the
            last value or ``'val/accuracy:max'``, ``':min'``, ``':last'``;
            ``'status' 'stage' 'step' 'epoch' 'attempt' 'duration' 'created'
            'best' 'host' 'size'``. Without: status, step, duration, best, and
            what of the configuration differs between the runs.

        Raises
        ------
        UnknownName
            For a column that none of the runs has.
        """
        pandas = _history.needs("pandas", "Runs.to_pandas")
        runs = self._all()
        if columns is None:
            columns = ["status", "step", "duration", "best", *_differing(runs)]
        elif isinstance(columns, str):
            columns = [columns]
        sizes = self.sizes() if "size" in columns else {}
        data = {name: _column(runs, name, sizes) for name in columns}
        index = pandas.Index([run.exp_id for run in runs], name="exp_id")
        frame = pandas.DataFrame(data, index=index)
        if "duration" in data:
            frame["duration"] = pandas.to_timedelta(frame["duration"], unit="s")
        return frame

    def __repr__(self) -> str:
        runs = self._all()
        if not runs:
            return f"{self.location}: no runs"
        return _listing.text(runs, self.sizes())

    def _repr_html_(self) -> str:
        runs = self._all()
        if not runs:
            return f"<i>{_html.escape(self.location)}: no runs</i>"
        return _listing.html(runs, self.sizes())


_RECORD: dict[str, Callable[[Run], Any]] = {
    "status": lambda run: run.status.column,
    "stage": lambda run: run.status.stage,
    "step": lambda run: run.status.step,
    "epoch": lambda run: run.status.epoch,
    "attempt": lambda run: run.status.attempt,
    "duration": lambda run: run.duration,
    "created": lambda run: run.created,
    "best": lambda run: run.best["value"] if run.best else float("nan"),
    "host": lambda run: run.status.host,
    "parent": lambda run: run.parent,
}


def _differing(runs: list[Run]) -> list[str]:
    """Paths of the configurations whose values are not the same in all runs."""
    seen: dict[str, list[Any]] = {}
    for run in runs:
        for path, value in _filter.leaves(run.config):
            seen.setdefault(path, []).append(value)
    return [
        path
        for path, values in seen.items()
        if path != "exp_id"
        and (len(values) < len(runs) or any(v != values[0] for v in values))
    ]


def _metric(run: Run, name: str, how: str) -> float:
    if how == "last":
        return run.latest.get(name, float("nan"))
    values = _history.columns(run.history, name)["value"]
    values = values[values == values]
    if len(values) == 0:
        return float("nan")
    return float(values.max() if how == "max" else values.min())


def _column(runs: list[Run], column: str, sizes: dict[str, int]) -> list[Any]:
    if column == "size":
        return [sizes.get(run.exp_id) for run in runs]
    if column in _RECORD:
        return [_RECORD[column](run) for run in runs]
    name, colon, how = column.rpartition(":")
    name, how = (name, how) if colon else (column, "last")
    if colon and how not in ("max", "min", "last"):
        raise WrongValue(f"[{column}] ends in ':max', ':min' or ':last'")
    if any(name in run.latest for run in runs):
        return [_metric(run, name, how) for run in runs]
    tables = [dict(_filter.leaves(run.config)) for run in runs]
    if runs and (colon or not any(name in table for table in tables)):
        paths = [] if colon else [path for table in tables for path in table]
        metrics = [metric for run in runs for metric in run.latest]
        known = list(dict.fromkeys([*paths, *metrics, *([] if colon else _RECORD)]))
        hint = _core._did_you_mean(name, known)
        raise UnknownName(f"[Runs.to_pandas] no run has {name!r}{hint}")
    return [table.get(name) for table in tables]


def open(location: Any = None) -> Runs:
    """The runs of a database, read-only; live ones show what is durable.

    Parameters
    ----------
    location
        A path, a URI, or a DBInterface; default ``$PTUTILS_DB``, else
        ``runs.db``.
    """
    if location is None:
        location = os.environ.get("PTUTILS_DB", "runs.db")
    return Runs(location)
