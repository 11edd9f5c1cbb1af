"""``ptutils ls``, ``show`` and ``diff``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core, _listing, _text
from ..errors import FileMissing, WrongValue
from . import filing
from .common import (
    Terminal,
    is_stored,
    load_config,
    looks_like_file,
    no_file,
    one_run,
    open_runs,
    plain,
    say,
)

if TYPE_CHECKING:
    import argparse

    from ..runs import Run


def ls(args: argparse.Namespace, terminal: Terminal) -> int:
    """The table of runs."""
    found = open_runs(args)
    runs = found.filter(" ".join(args.filter)) if args.filter else found
    rows, sizes = list(runs), found.sizes()
    if not rows and not terminal.as_json:
        among = f" that match {' '.join(args.filter)!r}" if args.filter else ""
        terminal.note(f"no runs{among} in {found.location}")
        return 0
    data = [as_data(run, sizes) for run in rows]
    terminal.answer(data, _listing.text(rows, sizes, terminal.colour))
    return 0


def as_data(run: Run, sizes: dict[str, int]) -> dict[str, Any]:
    """A run in JSON."""
    status = run.status
    return {
        "exp_id": run.exp_id,
        "status": {
            **status.to_dict(),
            "lost": status.lost,
            "percent": status.percent if status.percent >= 0 else None,
            "text": status.column,
        },
        "best": run.best,
        "latest": run.latest,
        "created": run.created.isoformat(),
        "parent": run.parent,
        "size": sizes.get(run.exp_id),
    }


def show(args: argparse.Namespace, terminal: Terminal) -> int:
    """One run: a summary, or the sections that were asked for."""
    if filing.is_state(args.exp_id):
        return filing.show(args, terminal)
    if os.path.isfile(args.exp_id):
        raise WrongValue(
            f"[{args.exp_id}] is a file, not a run; `ptutils check {args.exp_id}` "
            "says what it describes"
        )
    if looks_like_file(args.exp_id) and not is_stored(args, args.exp_id):
        raise FileMissing(no_file(args.exp_id))
    runs = open_runs(args)
    run = one_run(runs, args.exp_id)
    asked = [name for name in _SECTIONS if getattr(args, name)]
    if terminal.as_json:
        data = as_data(run, runs.sizes())
        data["attempts"], data["checkpoints"] = run.attempts, run.checkpoints
        data["metadata"] = run.metadata
        for name in asked:
            data[name] = _SECTIONS[name](run)[0]
        terminal.answer(data, "")
        return 0
    if not asked:
        say(_summary(run, runs.sizes()))
        return 0
    parts = [_SECTIONS[name](run)[1] for name in asked]
    if len(asked) > 1:
        parts = [f"# {name}\n{part}\n" for name, part in zip(asked, parts, strict=True)]
    say("\n".join(parts).rstrip())
    return 0


def _config(run: Run) -> tuple[Any, str]:
    config = plain(run.config)
    return config, _core.to_yaml(config).rstrip()


def _edits(run: Run) -> tuple[Any, str]:
    rows = [
        [
            f"step {edit['step']}",
            f"attempt {edit['attempt']}",
            edit["path"],
            _text.shown(edit["old"], 40),
            "→",
            _text.shown(edit["new"], 40),
            f"({edit['cause']})",
        ]
        for edit in run.edits
    ]
    return run.edits, "\n".join(_text.columns(rows)) or "no edits"


def _history(run: Run) -> tuple[Any, str]:
    history, data = run.history, []
    rows = [["metric", "records", "first", "last", "min", "max"]]
    for name in history.names():
        records = history.records(name)
        if not records:  # all of them abandoned
            continue
        found = [r for r in records if r["value"] == r["value"]] or records
        low = min(found, key=lambda record: record["value"])
        high = max(found, key=lambda record: record["value"])
        rows.append(
            [
                name,
                str(len(found)),
                _at(found[0]),
                _at(found[-1]),
                _at(low),
                _at(high),
            ]
        )
        data.append({"metric": name, "records": records})
    return data, "\n".join(_text.columns(rows)) if data else "no metrics"


def _at(record: dict[str, Any]) -> str:
    return f"{_text.number(record['value'])} @ {record['step']}"


_SECTIONS: dict[str, Callable[[Any], tuple[Any, str]]] = {
    "config": _config,
    "edits": _edits,
    "history": _history,
}


def _summary(run: Run, sizes: dict[str, int]) -> str:
    status = run.status
    rows = [["status", str(status)]]
    if status.lost:
        rows = [["status", f"{status.column}, step {status.step}"]]
    elif status.state == "in-progress":
        rows.append(["now", _progress(run)])
    if status.exception:
        lines = status.exception.rstrip().splitlines()
        rows += [
            ["error" if i == 0 else "", line] for i, line in enumerate(lines[-12:])
        ]
    if best := run.best:
        value = f"{_text.number(best['value'])} @ {best['step']}"
        rows.append(["best", f"{best['metric']} {value}"])
    if latest := run.latest:
        values = [f"{name} {_text.number(v)}" for name, v in latest.items()]
        rows += _wrapped("last", values, 3)
    rows += _attempts(run)
    rows += _checkpoints(run)
    if run.edits:
        rows.append(["edits", f"{len(run.edits)} (--edits)"])
    rows += _process(run)
    rows.append(["size", _text.size(sizes.get(run.exp_id))])
    return "\n".join(
        [_text.printed(run.exp_id), *(f"  {line}" for line in _text.columns(rows))]
    )


def _wrapped(title: str, items: list[str], count: int) -> list[list[str]]:
    lines = ["  ".join(items[i : i + count]) for i in range(0, len(items), count)]
    return [[title if i == 0 else "", line] for i, line in enumerate(lines)]


def _progress(run: Run) -> str:
    status = run.status
    percent = f"{status.percent:.0f} %, " if status.percent >= 0 else ""
    eta = f", {_core._format_duration(status.eta)} left" if status.eta >= 0 else ""
    return f"{status.stage}, {percent}on {status.host}, pid {status.pid}{eta}"


def _attempts(run: Run) -> list[list[str]]:
    lines = [
        f"{a['attempt']}  {a['kind']} from step {a['from_step']}, "
        f"{_text.clock(a['started'])}"
        for a in run.attempts
    ]
    return [["attempts" if i == 0 else "", line] for i, line in enumerate(lines)]


def _checkpoints(run: Run) -> list[list[str]]:
    """A line an attempt, where there are several."""
    best = (run.best or {}).get("checkpoint")
    lines: dict[int, list[str]] = {}
    for c in run.checkpoints:
        mark = " (best)" if c["id"] == best else ""
        lines.setdefault(c["attempt"], []).append(f"step {c['step']}{mark}")
    several = len(run.attempts) > 1
    items = [
        (f"{attempt}  " if several else "") + ", ".join(steps)
        for attempt, steps in lines.items()
    ]
    return _wrapped("checkpoints", items, 1)


def _process(run: Run) -> list[list[str]]:
    """The last process that ran it."""
    found = run.metadata
    if not found:
        return []
    last = found[-1]
    machine, versions = last.get("machine", {}), last.get("versions", {})
    about = [machine.get("host"), machine.get("processor"), *machine.get("gpus", [])]
    about.append(f"{machine['threads']} threads" if "threads" in machine else None)
    rows = [["machine", ", ".join(part for part in about if part)]]
    rows.append(
        ["versions", ", ".join(f"{name} {value}" for name, value in versions.items())]
    )
    if "seed" in last:
        rows.append(["seed", str(last["seed"])])
    if git := last.get("git"):
        state = "with changes" if git["changed"] else "clean"
        rows.append(["git", f"{git['commit'][:12]} ({git['branch']}), {state}"])
    if last.get("command"):
        rows.append(["command", _text.shown(shlex.join(last["command"]), 200)])
        rows.append(["in", last.get("directory", "-")])
    return rows


def diff(args: argparse.Namespace, terminal: Terminal) -> int:
    """Two configurations: of runs, of files, of one and the other."""
    if filing.is_state(args.a) and os.path.exists(args.b):
        return filing.diff(args, terminal)
    for name in (args.a, args.b):
        missing = looks_like_file(name) and not os.path.exists(name)
        if missing and not is_stored(args, name):
            raise FileMissing(no_file(name))
    first, second = _configuration(args, args.a), _configuration(args, args.b)
    if os.path.isfile(args.a) != os.path.isfile(args.b):
        first, second = _effective(args.a, first), _effective(args.b, second)
    from ..runs import Difference

    found = Difference(
        {
            path: (old, new)
            for path, old, new, _ in _core._compare(first, second)
            if path not in ("exp_id", "func") and not path.startswith("dbinterface")
        }
    )
    data = {path: {"old": old, "new": new} for path, (old, new) in found.items()}
    terminal.answer(data, repr(found))
    return 0


def _configuration(args: argparse.Namespace, what: str) -> dict[str, Any]:
    if os.path.isfile(what) or (os.path.isdir(what) and not is_stored(args, what)):
        return dict(load_config(what, [], None))
    return dict(one_run(open_runs(args), what).config)


def _effective(what: str, config: dict[str, Any]) -> dict[str, Any]:
    """A file's configuration as a record has it: with defaults and whole names."""
    if not os.path.isfile(what):
        return config
    out = {"seed": 0, **config}
    for slot, func in (
        ("model", "ptutils.Model"),
        ("dataprovider", "ptutils.data.DataProvider"),
    ):
        part = {"func": func, **config.get(slot, {})}
        built = _core.configure(part, path=slot, slot=slot)
        out[slot] = built.to_config()
    if config.get("callbacks"):
        from ..session import register_callbacks

        owner: Any = _core.Module()
        register_callbacks(owner, config["callbacks"])
        out["callbacks"] = owner.callbacks.to_config()
    return out
