"""Session's Python side: how it is made and run; signals. A loop of one's own:
own_loop.py.

The mechanism (lease, checkpoints, history, heartbeat) is C++; what is here is
how it is called.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import operator
import os
import signal
import sys
import time
import types
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from . import _core, registry, streams, torch_ops
from ._core import Session
from ._given_classes import with_names
from .module import extend
from .state import Config, Configuration

__all__ = ["Config", "Configuration", "Session", "restart", "resume"]

_init_core: Any = Session.__init__
_PARAMETERS = (
    "seed",
    "model",
    "dataprovider",
    "dbinterface",
    "train_params",
    "validation_params",
    "save_params",
    "callbacks",
)


def default_database() -> str:
    """``PTUTILS_DB``, else ``runs.db`` here."""
    return os.environ.get("PTUTILS_DB", "runs.db")


def open_database(location: Any) -> Any:
    """A DBInterface for a path or URI; an interface is given back as it is."""
    if isinstance(location, (list, tuple)):
        if len(location) != 1:
            raise ValueError(
                f"[dbinterface] a list of {len(location)} databases: one is "
                "supported; give a path or one DBInterface"
            )
        location = location[0]
    if isinstance(location, dict):
        location = _core.configure(location, path="dbinterface", slot="dbinterface")
    if isinstance(location, _core.DBInterface):
        return location
    if not isinstance(location, (str, os.PathLike)):
        raise _core.WrongType(
            f"[dbinterface] a path ('runs.db') or a DBInterface, not {location!r}"
        )
    return _core.open_database(os.fspath(location))


def _init(
    self: Session,
    exp_id: str,
    *,
    seed: int = 0,
    model: Any = None,
    dataprovider: Any = None,
    dbinterface: Any = None,
    train_params: Any = None,
    validation_params: Any = None,
    save_params: Any = None,
    callbacks: Sequence[Any] = (),
    **parts: Any,
) -> None:
    """One experiment.

    Parameters
    ----------
    exp_id
        Its name in the database. The same name again goes on where it ended.
    seed
        Of every random stream: ours, Python's, NumPy's, torch's.
    model, dataprovider
        For ``run()``; a loop of one's own needs neither.
    dbinterface
        A path (``'runs.db'``) or a DBInterface; default ``$PTUTILS_DB``, else
        ``runs.db``.
    train_params, validation_params, save_params
        ``{'num_epochs': 5}``, ``{'val': {'every': '1 epoch'}}``,
        ``{'every': '500 steps', 'keep_last': 3, 'keep_best': 'val/accuracy'}``.
    callbacks
        Names, classes or instances.
    **parts
        What else is saved: nets, optimizers, schedulers, … Attributes set later
        are saved too.
    """
    _check_name(exp_id)
    seed = _check_seed(exp_id, seed)
    _check_parts(exp_id, parts)
    database = open_database(default_database() if dbinterface is None else dbinterface)
    _init_core(
        self,
        exp_id,
        seed,
        model,
        dataprovider,
        database,
        train_params,
        validation_params,
        save_params,
    )
    for name, part in parts.items():
        setattr(self, name, part)
    register_callbacks(self, callbacks)


def register_callbacks(owner: Any, callbacks: Iterable[Any]) -> None:
    """By name, class, instance, or ``{'func': …, its arguments and filters}``."""
    if callbacks is None:
        return
    if isinstance(callbacks, (str, dict)) or not isinstance(callbacks, Iterable):
        raise _core.WrongType(
            f"[callbacks] a list, such as ['NaNDetector'], not {callbacks!r}"
        )
    for i, callback in enumerate(callbacks):
        if isinstance(callback, dict):
            callback = dict(callback)
            if "func" not in callback:
                raise _core.NotFound(
                    f"[callbacks[{i}]] a dictionary without 'func', which names the "
                    f"callback's class: {callback}"
                )
            owner.callbacks.register_callback(callback.pop("func"), **callback)
        else:
            owner.callbacks.register_callback(callback)


def _check_name(exp_id: Any) -> None:
    if not isinstance(exp_id, str):
        raise _core.WrongType(f"[Session] exp_id is a name, not {exp_id!r}")
    _core._check_exp_id(exp_id)


def _check_seed(exp_id: str, seed: Any) -> int:
    number = whole(exp_id, "seed", seed)
    if not 0 <= number < 2**64:
        raise _core.WrongValue(f"[{exp_id}] seed is {number}; from 0 to 2**64 - 1")
    return number


def whole(where: str, name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise _core.WrongType(
            f"[{where}] {name} is a whole number, not {value!r}"
        ) from None


def _check_parts(exp_id: str, parts: dict[str, Any]) -> None:
    """A misspelt parameter is not a part: parts are Modules, nets, optimizers."""
    for name, part in parts.items():
        if _core._is_child(part):
            continue
        near = _core._nearest_names(name, list(_PARAMETERS), 1)
        if near or hasattr(Session, name):
            hint = f"; did you mean {near[0]}?" if near else ""
            raise _core.UnknownName(f"[{exp_id}] no parameter {name!r}{hint}")
        raise _core.WrongType(
            f"[{exp_id}] {name}={part!r} is no part (a Module, a net, an optimizer, "
            f"…); other attributes are set on the session: session.{name} = …"
        )


def _make(cls: Any, *options: Any) -> Any:
    """For sessions that the core builds from a configuration."""
    made = cls.__new__(cls)
    _init_core(made, *options)
    return made


def from_config(cls: Any, config: Any = None, /, **values: Any) -> Any:
    """From a Configuration or a dict: {exp_id, model, dataprovider, …}."""
    with with_names(dict(config or {}, **values)) as named:
        return cls._from_config(named, True, default_database())


def from_file(cls: Any, path: Any, overrides: Sequence[str] = ()) -> Any:
    """From an experiment file (YAML, JSON); ``overrides``: ``'a.b=c'``."""
    return cls._from_file(os.fspath(path), list(overrides))


_open: list[weakref.ref[Any]] = []


def _pause_open() -> None:
    """An interpreter that ends in mid-run leaves it paused, not lost."""
    for reference in _open:
        session = reference()
        if session is not None and session._begun:
            try:
                session._finish(session._done())
            except Exception as error:
                print(f"{session.exp_id}: not paused: {error}", file=sys.stderr)


class Ending:
    """Turns what the core says at the end into what Python's users expect."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __enter__(self) -> None:
        self.session._set_metadata(_metadata())
        if "ipykernel" in sys.modules:
            from . import notebook

            notebook.attach(self.session)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        _core._log_flush()
        if "ipykernel" in sys.modules:
            from . import notebook

            notebook.finish(self.session)
        if self.session._begun and all(r() is not self.session for r in _open):
            atexit.unregister(_pause_open)
            atexit.register(_pause_open)  # runs before what is there already
            _open[:] = [r for r in _open if r() is not None]
            _open.append(weakref.ref(self.session))
        if kind is KeyboardInterrupt and self.session._signal == signal.SIGTERM:
            raise SystemExit(143) from None


def _metadata() -> dict[str, Any]:
    """Python's part of the record: versions, without importing anything."""
    versions = {"python": sys.version.split()[0]}
    for name in ("numpy", "torch"):
        module = sys.modules.get(name)
        version = getattr(module, "__version__", None)
        if version is not None:
            versions[name] = str(version)
    torch = sys.modules.get("torch")
    machine: dict[str, Any] = {}
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        machine["gpus"] = [
            torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
        ]
    return {"versions": versions, "machine": machine}


def run(self: Session) -> Session:
    """Runs to the end, from the last state when there is one; a complete run
    says so and returns. Ctrl-C and SIGTERM end the step, save, and leave it
    paused (KeyboardInterrupt, SystemExit 143)."""
    started = time.time()
    with Ending(self):
        self._run()
    say_nothing_done(self, started)
    return self


def say_nothing_done(self: Session, started: float) -> None:
    """On stderr, unless the log has said it: the run was complete before."""
    if self._begun or not 0 < self.status.heartbeat < started:
        return
    if not logging.getLogger("ptutils").isEnabledFor(logging.INFO):
        print(f"{self.exp_id}: {self.status}", file=sys.stderr)
        more = for_more(self, "train_params={{'{}': N}}", "session.resume()")
        print(
            f"nothing to do: {more}; for another run, another exp_id", file=sys.stderr
        )


def for_more(self: Session, value: str, resume: str) -> str:
    """Why it did nothing, and what has it do more; ``value`` is how a value is
    given, ``resume`` what goes on with what was stopped."""
    if self.model:
        given = [n for n in ("num_epochs", "num_steps") if self.train_params.get(n)]
        more = " and ".join(value.format(name) for name in given or ["num_epochs"])
        more += ", of which the first to be reached ends it" if len(given) > 1 else ""
        more = f"{resume}, or {more}" if self.status.outcome == "stopped" else more
    else:
        more = "s.loop(…, epochs=N) or steps=N"
    why = "was stopped; to go on" if self.status.outcome == "stopped" else ""
    return f"{self.exp_id} {why or 'is complete; for more'}, {more}"


def show(self: Session) -> str:
    """Its name and where it stands, then its parts."""
    parts = _core.Module.__repr__(self).split("\n")
    place = f"{self.status}, step {self.step_count}"
    return "\n".join([f"{parts[0]} {self.exp_id!r}: {place}", *parts[1:]])


def resume_(self: Session) -> Session:
    """run(), but NotFound when there is nothing to resume."""
    with Ending(self):
        self._resume()
    return self


def restart_(self: Session) -> Session:
    """From step 0, a new attempt; the old ones are kept."""
    with Ending(self):
        self._restart()
    return self


def step(self: Session, n: int = 1) -> Session:
    """n training steps, beginning or going on with the run."""
    with Ending(self):
        self._step(n)
    return self


def pause(self: Session) -> None:
    """After this step the state is saved and the run left, to be resumed."""
    self._pause()


def stop(self: Session) -> None:
    """After this step the run is complete: stopped."""
    self._stop()


def _load(
    location: Any, exp_id: str, classes: Sequence[type], trusted: bool, command: str
) -> Any:
    database = open_database(location)
    found = list(database.find({"kind": "run", "exp_id": exp_id}))
    if not found:
        known = [run["exp_id"] for run in database.find({"kind": "run"})]
        hint = _core._did_you_mean(exp_id, known) if known else "; it has no runs"
        raise _core.NotFound(f"[{database.location()}] no run {exp_id!r}{hint}")
    config = dict(found[0]["config"])
    if config.get("model") is None or config.get("dataprovider") is None:
        raise _core.WrongState(
            f"[{exp_id}] was a loop of one's own: start its script again, it goes "
            "on where it ended"
        )
    config.pop("func", None)
    config["dbinterface"] = database
    with registry.naming(*classes), rebuilding(config):
        session = Session._from_config(config, trusted, default_database())
        getattr(session, command)()
    return session


@contextlib.contextmanager
def rebuilding(config: dict[str, Any]) -> Iterator[None]:
    """A stored run that is built and gone on with: where it fails for a net of
    another library of which only the class is known, the error says so."""
    try:
        yield
    except (_core.NotFound, _core.Untrusted):
        raise
    except Exception as error:
        net = config["model"].get("net")
        known = isinstance(net, dict) and set(net) == {"func"}
        if not known or net["func"].startswith("ptutils.") or not _is_of_net(error):
            raise
        raise _core.WrongState(
            f"[{config['exp_id']}] of model.net only the class is stored, "
            f"{net['func']}, which is not enough to build it again: give it, "
            f"pt.Session({config['exp_id']!r}, dbinterface=…, model=pt.Model(net, "
            f"…), dataprovider=…).resume() (building it gave: {error})"
        ) from error


def _is_of_net(error: Exception) -> bool:
    """Of building the model, or of putting the state into it."""
    text = str(error)
    if "the state does not fit" in text or text.startswith("[model"):
        return True
    return isinstance(error, ValueError) and "empty parameter list" in text


def resume(
    location: Any,
    exp_id: str,
    *,
    classes: Sequence[type] = (),
    trusted: bool = False,
) -> Session:
    """Rebuilds a run from its stored configuration and goes on with it.

    Only ptutils' own classes, ``classes`` and those named before on this machine
    are built, unless ``trusted``.
    """
    return _load(location, exp_id, classes, trusted, "resume")


def restart(
    location: Any,
    exp_id: str,
    *,
    classes: Sequence[type] = (),
    trusted: bool = False,
) -> Session:
    """The same from step 0, as a new attempt."""
    return _load(location, exp_id, classes, trusted, "restart")


# As Python's own errors and reprs name them.
_init.__qualname__ = "Session"
resume_.__qualname__, restart_.__qualname__ = "Session.resume", "Session.restart"
extend(
    Session,
    __init__=_init,
    _make=classmethod(_make),
    from_config=classmethod(from_config),
    from_file=classmethod(from_file),
    run=run,
    resume=resume_,
    restart=restart_,
    step=step,
    pause=pause,
    stop=stop,
    __call__=run,
    __repr__=show,
)

streams.install()
torch_ops.install()
