"""How numbers, sizes, times and tables are written for people."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence


def number(value: float) -> str:
    """A metric's value, short.

    >>> number(0.91312), number(12.34567), number(2e-7), number(3.0)
    ('.9131', '12.35', '2e-07', '3')
    """
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    size = abs(value)
    if 1e-3 <= size < 1:
        text = f"{value:.4f}"
        return text.replace("0.", ".", 1)
    return f"{value:.4g}"


def grouped(value: int) -> str:
    """Digits by three: 60 000."""
    return f"{value:,}".replace(",", " ")


def size(count: float | None) -> str:
    """Bytes in the unit that fits; '-' where unknown.

    >>> size(41_234_567), size(1_190_000_000), size(300), size(None)
    ('41 MB', '1.2 GB', '300 B', '-')
    """
    if count is None:
        return "-"
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    fine = count < 9.95 and units[0] in ("MB", "GB", "TB")
    digits = f"{count:.1f}" if fine else f"{count:.0f}"
    return f"{digits.removesuffix('.0')} {units[0]}"


def clock(seconds: float) -> str:
    """A moment on this machine's clock; '-' for none."""
    if not seconds:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Aligned lines. A row that is shorter than the others may spill over the
    columns that it lacks.

    >>> print('\\n'.join(columns([['a', 'bb', 'c'], ['aaa', 'a long reason']])))
    a    bb  c
    aaa  a long reason
    """
    count = max((len(row) for row in rows), default=0)
    widths = [0] * count
    for row in rows:
        full = len(row) == count
        for i, cell in enumerate(row if full else row[:-1]):
            widths[i] = max(widths[i], _width(cell))
    return [
        gap.join(
            cell + " " * (width - _width(cell))
            for cell, width in zip(row, widths, strict=False)
        ).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    """Columns of a terminal: two for a wide character, none for an accent that
    combines."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0
        if unicodedata.combining(char)
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def printed(name: str) -> str:
    """A name of another's making, that a terminal can be sent.

    >>> printed('mlp-α'), printed('a\\x1b[2J')
    ('mlp-α', 'a\\\\x1b[2J')
    """
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def escaped(text: str) -> str:
    """As HTML has it.

    >>> escaped('a<b')
    'a&lt;b'
    """
    import html  # long to import, for notebooks alone

    return html.escape(text)


def with_article(value: object) -> str:
    """What kind of thing it is, in a sentence.

    >>> with_article(3), with_article("a")
    ('an int', 'a str')
    """
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shown(value: object, limit: int = 60) -> str:
    """A configuration's value on one line.

    >>> shown(1e-3), shown('Adam'), shown(None), shown({'p': .5})
    ('0.001', 'Adam', '-', '{p: 0.5}')
    >>> shown('on two\\nlines'), shown('a long text', 7)
    ('on two lines', 'a long…')
    """
    text = " ".join(_shown(value).split("\n"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        inner = ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return str(value)
