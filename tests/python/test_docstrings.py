"""The examples in the bindings' docstrings, run as doctests.

pytest collects those of .py files; compiled functions are found here.
"""

from __future__ import annotations

import doctest
import types
from collections.abc import Iterator

import pytest

import ptutils
from ptutils import _core

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def documented(owner: object, path: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """(name, docstring) of an object and of what it defines."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    text = getattr(owner, "__doc__", None)
    if isinstance(text, str) and ">>>" in text:
        yield path, text
    if isinstance(owner, type | types.ModuleType):
        for name, member in list(vars(owner).items()):
            if not name.startswith("__"):
                yield from documented(member, f"{path}.{name}", seen)


EXAMPLES = list(documented(_core, "_core", set()))


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_docstring_examples(
    name: str, text: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    names = {"ptutils": ptutils, "pt": ptutils}
    test = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    output: list[str] = []
    failures, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(
        test, out=output.append
    )
    assert failures == 0, "".join(output)
