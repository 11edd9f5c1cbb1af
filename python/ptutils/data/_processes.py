"""Worker processes of a loader: how they are started, and what they run."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import random
import signal
import socket
import sys
import traceback
from typing import Any

from .. import _core
from ..errors import WrongState, WrongType

_PATIENCE = 1.0  # s
_started: dict[int, Any] = {}  # workers' processes by their ids

_NOTE = "in worker process {id} (pid {pid}):\n{text}"


def payload(dataset: Any, collate_fn: Any, worker_init_fn: Any, batched: bool) -> bytes:
    """What a worker needs, pickled."""
    try:
        return pickle.dumps(
            (dataset, len(dataset), collate_fn, worker_init_fn, batched)
        )
    except Exception as error:
        raise WrongType(
            f"[DataLoader] workers='process': {error}; the data set, collate_fn and "
            "worker_init_fn are pickled for the workers: define them in a module"
        ) from error


def start(content: bytes, worker_id: int, method: str | None) -> tuple[int, int]:
    """A worker: this end of its socket, and its process id."""
    context: Any = multiprocessing.get_context(method or "forkserver")
    if context.get_start_method() == "forkserver":
        _preload(context)
    # The server's forks have no copy of our end; other workers may have.
    parent = 0 if context.get_start_method() == "forkserver" else os.getpid()
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with its:
        process = context.Process(
            target=_run, args=(its, parent, content, worker_id), daemon=True
        )
        try:
            process.start()
        except Exception as error:
            mine.close()
            raise WrongState(
                f"[DataLoader] cannot start a worker process: {error}"
            ) from error
    pid = process.pid or 0
    _started[pid] = process
    return mine.detach(), pid


def end(pid: int) -> str:
    """Waits for a worker that was told that it is over; one that is busy for longer
    than a moment is ended. How it ended."""
    process = _started.pop(pid)
    process.join(_PATIENCE)
    if process.exitcode is None:
        process.terminate()
        process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        return ""
    if process.exitcode < 0:
        number = -process.exitcode
        memory = "; is there memory enough?" if number == signal.SIGKILL else ""
        return f"killed by signal {number} ({signal.strsignal(number)}){memory}"
    if process.exitcode == 1:  # what it runs tells its errors to the loader
        return (
            "exit code 1; what it wrote is above. (Unless it is forked, it imports "
            "the script anew: what is to run once belongs below "
            "`if __name__ == '__main__':`)"
        )
    return f"exit code {process.exitcode}"


def _forget_server() -> None:
    """In a fork's child: multiprocessing's server of workers is the parent's."""
    module = sys.modules.get("multiprocessing.forkserver")
    server: Any = vars(module).get("_forkserver") if module else None
    if getattr(server, "_forkserver_pid", None) is not None:
        os.close(server._forkserver_alive_fd)
        server._forkserver_pid = server._forkserver_alive_fd = None
        server._forkserver_address = None


os.register_at_fork(after_in_child=_forget_server)


def _preload(context: Any) -> None:
    """The server imports what is slow to import once, and its forks have it: a
    worker starts in a tenth of the time. Without effect where it runs already; a
    list of the user's stays."""
    from multiprocessing import forkserver

    server: Any = vars(forkserver)["_forkserver"]
    if getattr(server, "_preload_modules", None) == ["__main__"]:
        slow = [name for name in ("numpy.random", "torch") if name in sys.modules]
        context.set_forkserver_preload(["__main__", "ptutils.data", *slow])


def _run(its: socket.socket, parent: int, content: bytes, worker_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the loader's
    descriptor = its.detach()

    def describe(error: BaseException) -> bytes:
        return _described(error, worker_id)

    importlib.import_module("numpy.random")  # else loaded late, and not seeded
    try:
        dataset, size, collate_fn, worker_init_fn, batched = pickle.loads(content)
        if len(dataset) != size:
            raise WrongState(
                f"[DataLoader] the data set has {len(dataset)} samples in a worker "
                f"process, and {size} in the loader: its files have changed since; "
                "make it anew"
            )
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        if worker_init_fn is not None:
            worker_init_fn(worker_id)
    except BaseException as error:
        _core._refuse_batches(descriptor, parent, describe(error))
        return
    _core._serve_batches(
        descriptor, parent, dataset, collate_fn, batched, describe, _seed
    )


def _seed(key: int) -> None:
    """Generators of other libraries: a batch's, whichever worker makes it."""
    random.seed(key)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(key % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:  # torch.manual_seed asks every device that there might be
        torch.default_generator.manual_seed(key % 2**63)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(key % 2**63)


def _described(error: BaseException, worker_id: int) -> bytes:
    """An error for `raise_`."""
    text = "".join(traceback.format_exception(error))
    note = _NOTE.format(id=worker_id, pid=os.getpid(), text=text)
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
    except Exception:  # of a class that does not come back
        content = pickle.dumps(WrongState(f"{type(error).__name__}: {error}"))
    return pickle.dumps((content, note))


def raise_(content: bytes) -> None:
    """Raises a worker's error here, its own traceback as a note."""
    pickled, note = pickle.loads(content)
    error = pickle.loads(pickled)
    error.add_note(note)
    raise error
