"""What `ptutils ls` takes: 'fashion-*', 'status:in-progress lr<1e-2'."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any

from . import _core, _listing
from .errors import UnknownName, WrongValue

_STATUS = (
    "pending",
    "in-progress",
    "paused",
    "complete",
    "lost",
    "success",
    "failure",
    "stopped",
)
_TERM = re.compile(r"^(?P<path>[^<>=!:\s]+)(?P<sign><=|>=|!=|==|=|<|>|:)(?P<value>.+)$")

_OPERATORS = "< <= > >= = !="

Test = Callable[[Any], bool]


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted paths of a configuration with their values."""
    pairs: Any = ()
    if isinstance(config, dict):
        pairs = config.items()
    elif isinstance(config, (list, tuple)):
        pairs = enumerate(config)
    for key, value in pairs:
        path = f"{prefix}{key}"
        if isinstance(value, (dict, list, tuple)) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def _paths(run: Any) -> list[str]:
    return [path for path, _ in leaves(run.config)]


def _values(run: Any, path: str) -> list[Any]:
    """What a path means in a run: a metric, a place in the configuration, or
    the end of one ('lr')."""
    if path in run.latest:
        return [run.latest[path]]
    return [
        value
        for where, value in leaves(run.config)
        if where == path or where.endswith("." + path)
    ]


def _compare(found: Any, sign: str, wanted: Any) -> bool:
    if sign in ("=", "==", ":"):
        return bool(found == wanted)
    if sign == "!=":
        return bool(found != wanted)
    number = (int, float)
    same = isinstance(found, number) and isinstance(wanted, number)
    if not same and not (isinstance(found, str) and isinstance(wanted, str)):
        return False
    signs = {"<": found < wanted, "<=": found <= wanted, ">": found > wanted}
    return bool(signs.get(sign, found >= wanted))


def _status_test(word: str) -> Test:
    if word not in _STATUS:
        hint = _core._did_you_mean(word, list(_STATUS))
        raise WrongValue(f"[status:{word}] no such status{hint}")
    return lambda run: (
        word in (_listing.kind_of(run.status), run.status.state)
        and (word == "lost" or not run.status.lost)
    )


def _value_test(path: str, sign: str, wanted: Any, runs: list[Any]) -> Test:
    if runs and not any(_values(run, path) for run in runs):
        known = sorted({p for run in runs for p in (*_paths(run), *run.latest)})
        short = sorted({p.rpartition(".")[2] for p in known})
        near = _core._nearest_names(path, [*known, *short], 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnknownName(f"[{path}] no run has it{hint}")
    return lambda run: any(_compare(v, sign, wanted) for v in _values(run, path))


def _name_test(pattern: str) -> Test:
    return lambda run: fnmatch.fnmatchcase(run.exp_id, pattern)


def _check_operators(term: str, match: re.Match[str] | None) -> None:
    """A term with an operator has a path before it and a value after it."""
    rest = term if match is None else match["value"]
    wrong = re.search("[<>=]", rest) if match is None else re.match("[<>=]|!=", rest)
    if wrong:
        raise WrongValue(
            f"[{term}] is no filter: write path, operator and value without blanks, "
            f"lr<1e-2; the operators are {_OPERATORS}"
        )


def parse(text: str, runs: list[Any]) -> Test:
    """The test of a filter: all of its terms, which blanks separate.

    Parameters
    ----------
    text
        ``status:WORD``, ``path<value`` (also ``<= > >= = !=``; the end of a
        path is enough, ``lr``; or a metric, its last value), or a glob of
        exp_ids.
    runs
        What is looked at, so that a path that none of them has is an error.
    """
    tests: list[Test] = []
    for term in text.split():
        match = _TERM.match(term)
        _check_operators(term, match)
        if match is None:
            tests.append(_name_test(term))
        elif match["path"] == "status":
            tests.append(_status_test(match["value"]))
        else:
            wanted = _core.parse_scalar(match["value"])
            tests.append(_value_test(match["path"], match["sign"], wanted, runs))
    return lambda run: all(test(run) for test in tests)
