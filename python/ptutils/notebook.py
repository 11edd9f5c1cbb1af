"""Progress of a session in a notebook: one line that is updated.

The core prints nothing then; the line is written by the main thread between two
steps, at most twice a second.
"""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from . import _core
from ._core import Session

_SECONDS = 0.5


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    return "ipykernel" in sys.modules


class Line:
    """The displayed line of one session."""

    def __init__(self, session: Session) -> None:
        self.exp_id = session.exp_id
        self.handle: Any = None
        self.last = 0.0

    def show(self, session: Session, ended: bool = False) -> None:
        """Writes it anew; not when the last time was a moment ago."""
        now = time.monotonic()
        if not ended and now - self.last < _SECONDS:
            return
        self.last = now
        self._display(_content(session, ended))

    def _display(self, content: dict[str, str]) -> None:
        from IPython.display import display

        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)


def _content(session: Session, ended: bool) -> dict[str, str]:
    status = session.status
    if ended:
        text = f"{session.exp_id}: {status}"
    else:
        text = _core._progress_line(session.exp_id, status, session._latest)
    bar = ""
    if status.percent >= 0:
        bar = f'<progress value="{status.percent:.1f}" max="100"></progress> '
    return {
        "text/plain": text,
        "text/html": f'{bar}<code style="background:none">{html.escape(text)}</code>',
    }


def attach(session: Session) -> Line:
    """Shows the session's progress here instead of on stderr: from now on at
    every ``end_of_training_step``. Once a session; again, it does nothing."""
    line = session.__dict__.get("_notebook_line")
    if line is None:
        line = session.__dict__["_notebook_line"] = Line(session)
        session._set_progress_output(False)

        # By way of the argument: the line must not keep the session alive.
        def step(session: Session, line: Line = line) -> None:
            line.show(session)

        session.callbacks.on("end_of_training_step", step)
    if not session._begun:
        line.handle = None  # another run, another cell
    return line


def finish(session: Session) -> None:
    """The last state of the line: how the run stands now."""
    line = session.__dict__.get("_notebook_line")
    if line is not None and not session._begun:
        line.show(session, ended=True)
