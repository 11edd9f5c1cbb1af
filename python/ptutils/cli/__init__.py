"""The command line: ``ptutils check | run | ls | show | resume | diff | data …``.

Each command answers in text, or with ``--json`` in JSON on stdout. Exit
statuses: 0 done, 1 an error (one message on stderr), 2 wrong usage, 130 paused
by Ctrl-C, 143 paused by SIGTERM.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

from .. import __version__
from .common import OutputError, Reported, Terminal

_EPILOG = "An argument that is an existing path is a file, else an exp_id."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ptutils",
        description="Neural network experiments: run, watch, resume exactly.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ptutils {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help_text, add) in _COMMANDS.items():
        sub = commands.add_parser(
            name, help=help_text, description=help_text, allow_abbrev=False
        )
        add(sub)
        if name == "data":  # its own commands have them
            continue
        sub.add_argument(
            "--db",
            metavar="PATH",
            help="the database; default $PTUTILS_DB, else 'dbinterface' in "
            "ptutils.yaml, else runs.db",
        )
        _answers(sub)
    return parser


def _answers(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="answer in JSON")
    sub.add_argument("--debug", action="store_true", help="show tracebacks of errors")


def _overrides(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-o",
        metavar="PATH=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="another value: -o model.optimizer.lr=3e-4 (repeatable)",
    )
    sub.add_argument("--seed", type=int, metavar="N", help="as -o seed=N")
    sub.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="a package or class that a stored configuration may import",
    )


def _check(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", help="an experiment file")
    _overrides(sub)


def _run(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("what", help="an experiment file, or an exp_id to go on with")
    sub.add_argument(
        "--restart",
        action="store_true",
        help="from step 0, as a new attempt; what is stored is kept",
    )
    _overrides(sub)


def _resume(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("exp_id")
    _overrides(sub)


def _ls(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "filter",
        nargs="*",
        help="a glob of exp_ids, status:WORD, path<value: 'status:in-progress lr<1e-2'",
    )


def _show(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("exp_id", metavar="EXP", help="an exp_id, or a file of values")
    sub.add_argument("--config", action="store_true", help="its configuration as YAML")
    sub.add_argument("--edits", action="store_true", help="what was changed, and when")
    sub.add_argument("--history", action="store_true", help="its metrics")


def _diff(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("a", help="an exp_id, an experiment file, or a file of values")
    sub.add_argument("b", help="another")


def _convert(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("a", help="a file of values")
    sub.add_argument("b", help="the file to write; its suffix says the format")
    sub.add_argument("--compress", action="store_true", help="smaller (.npz, .hdf5)")
    sub.add_argument(
        "--chunks", type=int, metavar="N", help="N rows lie together (.hdf5)"
    )


def _verify(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("files", nargs="+", metavar="FILE")


def _data(sub: argparse.ArgumentParser) -> None:
    commands = sub.add_subparsers(dest="action", metavar="COMMAND", required=True)
    text = "a folder of folders of pictures, one a class, as one file"
    pack = commands.add_parser("pack", help=text, description=text, allow_abbrev=False)
    pack.add_argument("folder", metavar="FOLDER")
    pack.add_argument("out", metavar="OUT", help="a .h5 or .tfrecord file")
    pack.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="pictures as arrays (N, N, 3): shorter side N, the centre cut out; "
        "without it .tfrecord keeps the picture files as they are",
    )
    pack.add_argument(
        "--skip-damaged",
        action="store_true",
        help="leave out pictures that cannot be decoded, and count them",
    )
    text = "what is in a data set: reader, samples, fields, size"
    info = commands.add_parser("info", help=text, description=text, allow_abbrev=False)
    info.add_argument(
        "path",
        nargs="+",
        metavar="PATH",
        help="a file, a folder, or shards: several, or a pattern",
    )
    info.add_argument(
        "--group", help="of an HDF5 file: the group whose data sets are read"
    )
    info.add_argument(
        "--fields", nargs="+", metavar="NAME", help="those that belong together"
    )
    info.add_argument(
        "--contact-sheet",
        metavar="OUT",
        help="64 pictures from all over it with their labels, drawn to a .png or .jpg",
    )
    for each in (pack, info):
        _answers(each)


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "check": ("build an experiment, one batch each way; write nothing", _check),
    "run": ("run an experiment file; go on where it ended", _run),
    "resume": ("go on with a stored run", _resume),
    "ls": ("the runs of a database", _ls),
    "show": ("one run, or what a file holds", _show),
    "diff": ("what differs between two configurations, or two files", _diff),
    "convert": ("a file in another format", _convert),
    "verify": ("read files whole, and compare their checksums", _verify),
    "data": ("pack a data set into a file, or say what is in one", _data),
}


def _dispatch(args: argparse.Namespace, terminal: Terminal) -> int:
    # Each command's imports are its own: `ls` should not wait for `run`.
    if args.command == "check":
        from . import checking

        return checking.check(args, terminal)
    if args.command in ("run", "resume"):
        from . import running

        return running.run(args, terminal)
    if args.command in ("convert", "verify"):
        from . import filing

        status: int = getattr(filing, args.command)(args, terminal)
        return status
    if args.command == "data":
        from . import packing

        done: int = getattr(packing, args.action)(args, terminal)
        return done
    from . import showing

    command: Callable[[argparse.Namespace, Terminal], int] = getattr(
        showing, args.command
    )
    return command(args, terminal)


def _open_streams() -> None:
    """Closed ones (``>&-``) take what is printed and drop it; what a stream's
    encoding has not is printed as an escape."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What is still to be printed, and could not be at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    _open_streams()
    terminal = Terminal(False)
    try:
        args = _parser().parse_args(argv)
        terminal = Terminal(args.json)
        status = _dispatch(args, terminal)
        sys.stdout.flush()
        return status
    except Reported as reported:
        return reported.status
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return 130
    except BrokenPipeError:  # `ptutils ls | head`
        _drop_output()
        return 141
    except OutputError as error:  # `ptutils show > /dev/full`
        _drop_output()
        terminal.note(str(error))
        return 1
    except Exception as error:
        if args.debug:
            raise
        terminal.error(error)
        return 1
