"""A loop of one's own in a session: ``with pt.Session(…) as s: for … in s.loop(…)``."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
import types
import typing
from collections.abc import Iterator
from typing import Any

from . import _core
from ._core import Session
from .gradients import Gradients
from .loop_sources import source_of
from .module import extend
from .session import Ending, say_nothing_done, whole

_END = object()


def enter(self: Session) -> Session:
    """Takes the lease and the last state, for a loop of one's own."""
    with Ending(self):
        self._begin("auto")
    vars(self).update(_looped=False, _entered=time.time())
    return self


def leave(
    self: Session,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
) -> None:
    """Saves and sets the status by how the block ended."""
    if not self._begun:
        return
    if kind is None or kind is GeneratorExit:
        with Ending(self):
            self._finish(self._done())
        say_nothing_done(self, self._entered)
        return
    text = "".join(traceback.format_exception(kind, error, trace))
    self._abort(text)
    _core._log_flush()


def loop(
    self: Session,
    loader: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    **unknown: typing.Never,
) -> Iterator[Any]:
    """The batches of a loop of one's own: position, pause, resume, rollback.

    Parameters
    ----------
    loader
        torch's DataLoader, ours, or any iterable that can be begun again.
    epochs, steps
        When it ends; one epoch when neither is given.
    """
    for name in unknown:
        hint = _core._did_you_mean(name.removeprefix("num_"), ["epochs", "steps"])
        raise _core.WrongType(f"[Session.loop] no argument {name!r}{hint}")
    if self._looping:
        raise _core.WrongState(
            f"[{self.exp_id}] a loop of this session is running: loops are not "
            "nested; a session of its own holds the inner one"
        )
    if self._looped:
        raise _core.WrongState(
            f"[{self.exp_id}] one loop a session, and this one's has ended: give "
            "it more epochs (epochs=N), or open the session again"
        )
    if not self._begun:
        raise _core.WrongState(
            f"[{self.exp_id}] loop() wants its session open: "
            "with pt.Session(…) as s: for batch in s.loop(…)"
        )
    if epochs is None and steps is None:
        epochs = 1
    epochs = _count("epochs", epochs)
    steps = _count("steps", steps)
    source = source_of(loader)
    self._set_aim(epochs, steps)
    self._set_steps_per_epoch(source.length())
    self._restore_waiting()
    gradients = Gradients(self)
    gradients.watch()
    self._set_loader_state(*_state_of(source, gradients))
    if source.moved:  # to where an earlier process was
        self._set_steps_left(source.remaining())
    vars(self)["_looped"] = True
    closing = contextlib.closing
    with Ending(self), _looping(self), closing(source), closing(gradients):
        if not self._stays_stopped():
            yield from _epochs(self, source)
        if self._signalled:  # else `with` ends it: what follows may still log
            _pause(self)


def _state_of(source: Any, gradients: Gradients) -> tuple[Any, Any]:
    """How the state of a loop is taken, and how it is loaded."""

    def take() -> dict[str, Any]:
        state, found = source.state(), gradients.state()
        return {**state, "gradients": found} if found else state

    def load(state: dict[str, Any]) -> None:
        state = dict(state)
        gradients.load(state.pop("gradients", {}))
        source.load(state)

    return take, load


def _pause(self: Session) -> None:
    """After a signal: the last save, and a line on stderr."""
    try:
        self._finish(self._done())
    except KeyboardInterrupt:
        if logging.getLogger("ptutils").isEnabledFor(logging.WARNING):
            print(
                f"{self.exp_id}: paused at step {self.step_count}; go on by running "
                "it again",
                file=sys.stderr,
            )
        raise


@contextlib.contextmanager
def _looping(self: Session) -> Iterator[None]:
    vars(self)["_looping"] = True
    try:
        yield
    finally:
        vars(self)["_looping"] = False


def _count(name: str, value: Any) -> int:
    """A number of epochs or steps; 0 when none is given."""
    if value is None:
        return 0
    count = whole("Session.loop", name, value)
    if count < 1:
        raise _core.WrongValue(f"[Session.loop] {name} is {count}; at least 1")
    return count


def _epochs(self: Session, source: Any) -> Iterator[Any]:
    length = source.length()
    while not self._done():
        if self._step_in_epoch == 0:
            self.callbacks.call("start_of_epoch", epoch=self.epoch)
        batches = source.epoch()
        # A loader of unknown length may have no batch left for another step.
        while not length or self._start_step():
            batch = next(batches, _END)
            if batch is _END:
                if self._step_in_epoch == 0:
                    raise ValueError(f"[{self.exp_id}] the loader gave no batches")
                if not self._end_epoch():
                    return
                break
            if not length and not self._start_step():
                break
            self._begin_step()
            ended = 0 < length <= self._step_in_epoch + 1
            try:
                yield batch
            except GeneratorExit:  # break, return: the batch was used
                if self._begun:
                    self._end_step(ended)
                raise
            if ended and not source.moved and next(batches, _END) is not _END:
                raise _core.WrongState(
                    f"[{self.exp_id}] the loader gave more batches than its "
                    f"length, {length}"
                )
            if not self._end_step(ended):
                return
            if source.moved:  # an earlier state was loaded
                break
            if ended:
                break
            if self._done():
                return


extend(
    Session,
    _looped=False,
    _looping=False,
    _entered=0.0,
    __enter__=enter,
    __exit__=leave,
    loop=loop,
)
