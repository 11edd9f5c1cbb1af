"""What the commands share: where they print, and which database they mean."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .. import _core
from ..errors import (
    Error,
    IOFailed,
    Malformed,
    NotFound,
    UnknownName,
    WrongType,
    WrongValue,
)

if TYPE_CHECKING:
    import argparse

    from ..runs import Run, Runs

SETTINGS = "ptutils.yaml"


class Reported(Exception):
    """An end with an exit status; what there is to say was said."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class OutputError(Exception):
    """Standard output cannot be written."""


def say(text: str) -> None:
    """Prints it on stdout, now."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"standard output could not be written: {error.strerror}"
        ) from None


class Terminal:
    """Answers on stdout, notes and errors on stderr."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, data: Any, text: str) -> None:
        """The command's answer: `data` with --json, else `text`."""
        if self.as_json:
            text = json.dumps(plain(data), ensure_ascii=False, indent=1)
        if text:
            say(text)

    def note(self, text: str) -> None:
        """Something on the way, on stderr."""
        begin = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{begin}ptutils: {text}", file=sys.stderr, flush=True)

    def error(self, error: BaseException) -> None:
        """One message: ours as they are, others with their type."""
        text = message(error, "; --debug shows more")
        if self.as_json:
            try:
                say(json.dumps({"error": text, "type": type(error).__name__}))
            except OutputError as full:
                self.note(str(full))
        self.note(text)

    @property
    def colour(self) -> bool:
        """Colours on a terminal only, and not where NO_COLOR is set."""
        dumb = os.environ.get("TERM", "") in ("", "dumb")
        return sys.stdout.isatty() and not dumb and not os.environ.get("NO_COLOR")


def message(error: BaseException, more: str = "") -> str:
    """An error of ours as it is; any other with its type and its place."""
    if isinstance(error, (Error, OSError, ImportError)):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        file = os.path.relpath(trace.tb_frame.f_code.co_filename)
        place = f" ({file}:{trace.tb_lineno}{more})"
    return f"{type(error).__name__}: {error}{place}"


def plain(value: Any) -> Any:
    """What JSON has, from anything that a database holds."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _setting() -> str | None:
    """The database that the project's settings file names."""
    path = Path(SETTINGS)
    if not path.is_file():
        return None
    settings = _core.parse_yaml(path.read_text(encoding="utf-8"), SETTINGS)
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise WrongType(f"[{SETTINGS}] is a dictionary: dbinterface: runs.db")
    for key in settings:
        if key not in ("dbinterface", "db"):
            hint = _core._did_you_mean(str(key), ["dbinterface", "db"])
            raise UnknownName(f"[{SETTINGS}] unknown {key!r}{hint}")
    found = settings.get("dbinterface", settings.get("db"))
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, dict):
        found = found.get("path")
    if found is not None and not isinstance(found, str):
        raise WrongType(f"[{SETTINGS}] dbinterface is a path, not {found!r}")
    return found


def database(args: argparse.Namespace) -> str:
    """--db, else $PTUTILS_DB, else ptutils.yaml, else runs.db."""
    where: str
    where = args.db or os.environ.get("PTUTILS_DB") or _setting() or "runs.db"
    try:
        where.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(where).decode(errors="backslashreplace")
        raise WrongValue(
            f"[{shown}] the path of a database is UTF-8: rename the file, or open "
            "it by a link with another name"
        ) from None
    return where


def open_runs(args: argparse.Namespace) -> Runs:
    """The runs of the database that is meant, read-only."""
    from ..runs import Runs

    where = database(args)
    if "://" not in where and not os.path.exists(where):
        raise NotFound(
            f"[{where}] there is no database of this name here; --db PATH, "
            f"PTUTILS_DB or dbinterface in {SETTINGS} name another"
        )
    return Runs(where)


def is_stored(args: argparse.Namespace, exp_id: str) -> bool:
    """Whether the database has a run of exactly this name."""
    try:
        return not hasattr(open_runs(args)[exp_id], "filter")
    except (NotFound, Malformed):
        return False


def one_run(runs: Runs, name: str) -> Run:
    """The run of this name, or the only one that a glob finds."""
    found = runs[name]
    if not hasattr(found, "filter"):
        return cast("Run", found)
    names = [run.exp_id for run in found]
    if len(names) == 1:
        return cast("Run", found[0])
    if not names:
        raise NotFound(f"[{runs.location}] no run {name!r}")
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise WrongValue(f"[{name}] {len(names)} runs match: {shown}; name one")


def load_config(path: str, overrides: list[str], seed: int | None) -> Any:
    """An experiment file with what the command line changes."""
    from ..state import Configuration

    if os.path.isdir(path):
        raise WrongValue(f"[{path}] is a folder; give the experiment file in it")
    if path.endswith(".py"):
        raise WrongValue(
            f"[{path}] is a script: start it with `python {path}`; a loop in a "
            "Session goes on where it ended"
        )
    if not os.path.exists(path):
        raise FileNotFoundError(no_file(path))
    return changed(Configuration(path), overrides, seed)


def changed(config: Any, overrides: list[str], seed: int | None) -> Any:
    """A configuration with `-o a.b=c` and --seed in it."""
    for assignment in overrides:
        config = _core._apply_override(config, assignment)
    if seed is not None:
        config["seed"] = seed
    name = config.get("exp_id")
    if isinstance(name, (int, float)):
        quoted = f"'{name}'"
        raise WrongType(
            f"[exp_id] a name, but {name!r} is read as a number: in quotes it is a "
            f'name, exp_id: {quoted}, or -o "exp_id={quoted}"'
        )
    return config


def looks_like_file(name: str) -> bool:
    """A path, or a name with the suffix of a known format: no exp_id."""
    suffixes = (s for each in _core.codecs().values() for s in each)
    return os.sep in name or name.endswith(tuple(suffixes))


@contextmanager
def replacing(out: str) -> Iterator[str]:
    """A path to write to, which becomes ``out`` when all went well; nothing is left
    of it where not."""
    folder, name = os.path.split(os.path.abspath(out))
    try:
        handle, part = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    except OSError as error:
        raise IOFailed(f"[{out}] cannot be written: {error.strerror}") from error
    os.close(handle)
    try:
        yield part
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, out)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(part)
        told = re.search(r"errno = \d+, error message = '([^']+)'", str(error))
        why = told[1] if told else ""
        if isinstance(error, OSError) and not isinstance(error, Error):
            mine = error.filename in (None, part)
            why = (error.strerror or str(error)) if mine else ""
        if why:
            raise IOFailed(f"[{out}] cannot be written: {why}") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def no_file(path: str) -> str:
    """'no such file', with the nearest names beside it."""
    folder, name = os.path.split(path)
    try:
        here = [n for n in os.listdir(folder or ".") if "." in n and n[0] != "."]
    except OSError:
        return f"[{path}] there is no folder {folder!r}"
    near = _core._nearest_names(name, here, 2)
    hint = f"; did you mean {' or '.join(os.path.join(folder, n) for n in near)}?"
    return f"[{path}] no such file{hint if near else ''}"
