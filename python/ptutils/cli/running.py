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
from .common import (
    Terminal,
    changed,
    database,
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
    prepare(args, terminal)
    if args.command == "run" and (os.path.exists(args.what) or _is_file(args.what)):
        session, name = _from_file(args)
    else:
        name = args.exp_id if args.command == "resume" else args.what
        session = _from_record(args, name)
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


def _is_file(what: str) -> bool:
    return what.endswith((".yaml", ".yml", ".json", ".py")) or os.sep in what


def _from_file(args: argparse.Namespace) -> tuple[Session, str]:
    from ..session import Session

    config = load_config(args.what, args.overrides, args.seed)
    if args.db or config.get("dbinterface") is None:
        config["dbinterface"] = database(args)
    session = Session._from_config(config, True, database(args))
    return session, session.exp_id


def _from_record(args: argparse.Namespace, exp_id: str) -> Session:
    """The session that a record describes, under the trust rule."""
    from ..session import Session

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
    return Session._from_config(config, False, database(args))


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
    if session.status.heartbeat < started:  # the one that it had before
        lines.append(
            f"nothing to do: {session.exp_id} is complete; for more, "
            "-o train_params.num_epochs=N; for another run, -o exp_id=NAME"
        )
    terminal.answer(_as_data(session), "\n".join(lines))
    return 0


def _record(session: Session) -> Any:
    from ..runs import Runs

    return Runs(session.dbinterface)[session.exp_id]


def _summary(session: Session) -> list[str]:
    run = _record(session)
    if run.best:
        best = run.best
        return [f"best {best['metric']} {_text.number(best['value'])} @ {best['step']}"]
    last = [f"{name} {_text.number(value)}" for name, value in run.latest.items()]
    return ["last " + "  ".join(last)] if last else []


def _as_data(session: Session) -> dict[str, Any]:
    run = _record(session)
    return {
        "exp_id": run.exp_id,
        "status": run.status.to_dict(),
        "best": run.best,
        "latest": run.latest,
        "dbinterface": session.dbinterface.location(),
    }
