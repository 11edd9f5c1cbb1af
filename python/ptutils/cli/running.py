"""``ptutils run`` and ``ptutils resume``."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

from .. import _core, _text, registry
from ..errors import NotFound, WrongState
from ..session import for_more
from . import metrics
from .common import (
    Terminal,
    changed,
    database,
    is_stored,
    load_config,
    no_file,
    one_run,
    open_runs,
)

if TYPE_CHECKING:
    import argparse

    from .._core import Session


class _Notes(logging.Handler):
    """What the core logs while it runs, on stderr beside the progress line."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.INFO)
        self.terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if ": complete · " not in text:  # the answer says it
            self.terminal.note(text)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """A file, or a stored run by its exp_id."""
    from ..session import Session, rebuilding

    prepare(args, terminal)
    if args.command == "run" and _is_file(args.what, args):
        session = _from_file(args)
        return _run(session, args, terminal)
    config = _stored(args, args.exp_id if args.command == "resume" else args.what)
    with rebuilding(config):
        session = Session._from_config(config, False, database(args))
        return _run(session, args, terminal)


def prepare(args: argparse.Namespace, terminal: Terminal) -> None:
    """Notes of the core on stderr, classes of this folder, --trust."""
    logger = logging.getLogger("ptutils")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Notes(terminal))
    logger.propagate = False
    # Classes of modules beside the file are found as `python -m` finds them.
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    registry.trust(*args.trust)


def _is_file(what: str, args: argparse.Namespace) -> bool:
    if os.path.isfile(what):
        return True
    looks = what.endswith((".yaml", ".yml", ".json", ".py")) or os.sep in what
    return (looks or os.path.exists(what)) and not is_stored(args, what)


def _from_file(args: argparse.Namespace) -> Session:
    from ..session import Session

    config = load_config(args.what, args.overrides, args.seed)
    if args.db or config.get("dbinterface") is None:
        config["dbinterface"] = database(args)
    session = Session._from_config(config, True, database(args))
    metrics.require_best(session, config)
    return session


def _stored(args: argparse.Namespace, exp_id: str) -> dict[str, Any]:
    """The configuration in a record, to be built under the trust rule."""
    if not os.path.exists(database(args)) and args.command == "run":
        raise NotFound(no_file(exp_id) + f", and no database {database(args)}")
    runs = open_runs(args)
    run = one_run(runs, exp_id)
    config = run.config
    if config.get("model") is None or config.get("dataprovider") is None:
        raise WrongState(
            f"[{exp_id}] was a loop of one's own: start its script again, it goes "
            f"on where it ended{_command(run)}"
        )
    config = changed(config, args.overrides, args.seed)
    config.pop("func", None)
    config["dbinterface"] = database(args)
    runs.close()
    return dict(config)


def _command(run: Any) -> str:
    """The command that started it last, to be typed again."""
    found = run.metadata
    if not found or not found[-1].get("command"):
        return ""
    last = found[-1]
    return f":\n  cd {shlex.quote(last['directory'])} && {shlex.join(last['command'])}"


def _run(session: Session, args: argparse.Namespace, terminal: Terminal) -> int:
    started = time.time()
    resume = f"ptutils resume {shlex.quote(session.exp_id)}" + (
        f" --db {shlex.quote(args.db)}" if args.db else ""
    )
    try:
        if args.command == "resume":
            session.resume()
        elif args.restart:
            session.restart()
        else:
            session.run()
    except (KeyboardInterrupt, SystemExit) as ended:
        status = session.status
        code = 143 if isinstance(ended, SystemExit) else 130
        if status.state == "paused":
            text = f"paused at step {status.step}; go on with: {resume}"
        else:
            text = f"stopped at once, at step {status.step}; go on with: {resume}"
        if terminal.as_json:
            terminal.answer(_as_data(session), "")
        terminal.note(text)
        return code
    except OSError as error:
        # Nothing is wrong with the experiment: it goes on once there is room.
        if args.debug or session.status.outcome != "failure":
            raise
        terminal.error(error)
        terminal.note(f"go on with: {resume}")
        return 1
    _core._log_flush()
    lines = [str(session.status), *_summary(session)]
    nothing_to_do = session.status.heartbeat < started  # the one it had before
    if nothing_to_do:
        lines.append(
            "nothing to do: "
            + for_more(session, "-o train_params.{}=N", resume)
            + "; for another run, -o exp_id=NAME"
        )
    terminal.answer(_as_data(session, nothing_to_do), "\n".join(lines))
    return 0


def _runs(session: Session) -> Any:
    from ..runs import Runs

    return Runs(session.dbinterface)


def _record(session: Session) -> Any:
    return _runs(session)[session.exp_id]


def _summary(session: Session) -> list[str]:
    run = _record(session)
    if run.best:
        best = run.best
        return [f"best {best['metric']} {_text.number(best['value'])} @ {best['step']}"]
    last = [f"{name} {_text.number(value)}" for name, value in run.latest.items()]
    return ["last " + "  ".join(last)] if last else []


def _as_data(session: Session, nothing_to_do: bool = False) -> dict[str, Any]:
    """As `show --json` has it, with what this command did."""
    from .showing import as_data

    where = session.dbinterface.location()
    sizes = _runs(session).sizes()
    return {
        **as_data(_record(session), sizes),
        "dbinterface": where,
        "nothing_to_do": nothing_to_do,
    }
