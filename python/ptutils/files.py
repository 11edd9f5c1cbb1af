"""Files: reading and saving values in any known format.

======================  =====================================================
``.json .yaml .yml``    text; arrays inside as text
``.csv``                columns: arrays of int64, float64, bool, lists of text
``.npy .npz``           NumPy's
``.safetensors``        tensors, mapped into memory when read; in several files
                        as ``NAME.safetensors.index.json``
``.lmdb``               a database, an array a key, mapped into memory when read
``.tfrecord(s)``        ``tf.train.Example`` records
``.hdf5 .h5``           groups as dicts, data sets as arrays or text, attributes
``.pkl .pickle``        Python's pickle, read by an allow-list
``.pt .pth``            torch's, readable by ``torch.load(weights_only=True)``
======================  =====================================================

Every format gives back what was saved: types, dtypes, order, bits. Files of
other programs come as dicts of arrays. An HDF5 group's dict has the key
``'__attributes__'`` where there are attributes: the group's own at ``'.'``, those
of its data sets at their names; saved again, they are attributes again. A file is
recognised by its content, its suffix deciding where formats have no signature; it
is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from . import _core, _text
from ._unpickle import allow_class, allowed_classes
from .errors import (
    FileMissing,
    IOFailed,
    UnknownName,
    WrongState,
    WrongType,
    WrongValue,
)

__all__ = [
    "allow_class",
    "allowed_classes",
    "codecs",
    "metadata",
    "read",
    "register_codec",
    "save",
    "sync",
]

_late: dict[str, Any] = {}


def _late_codec(name: str) -> Any:
    """The codecs of this package that the core knows by name alone."""
    if name not in _late:
        if name == "pickle":
            from ._pickle_codec import PickleCodec

            _late[name] = PickleCodec()
        else:
            from ._torch_codec import TorchCodec

            _late[name] = TorchCodec()
    return _late[name]


def read(
    path: str | os.PathLike[str],
    as_: str | None = None,
    *,
    classes: Iterable[type] = (),
    verify: bool = False,
    isolate: bool = False,
    mmap: bool = True,
) -> Any:
    """Reads a file of any known format.

    Parameters
    ----------
    path : str or path
        A file that exists.
    as_ : {'torch', 'native', 'numpy'}, optional
        Of which library arrays are; without it, of the one that they were saved
        from (NumPy for files of other programs; torch for its own).
    classes : iterable of type
        Classes of the user's that a ``.pkl`` or ``.pt`` may hold.
    verify : bool
        Compare the checksums that the file has: the format's own, and those that
        :func:`save` adds (XXH3 of every tensor and of the rest). Files of other
        programs, CSV, and text that is plain JSON or YAML, have none.
    isolate : bool
        Read it in a process of its own, with bounded memory and time: for files
        from strangers whose format's library may crash on a malformed one (HDF5).
    mmap : bool
        Map the file where its format can be (all but text, pickle and .pt): the
        arrays are read when they are used. They stay what they are when the file is
        deleted, or replaced as :func:`save` does. A program that writes into the
        file itself (as ``np.save`` does) changes them, or ends this process:
        ``mmap=False`` makes copies.

    Returns
    -------
    object
        What was saved.

    Raises
    ------
    FileMissing
        There is no such file (a FileNotFoundError).
    IOFailed
        It cannot be read (an OSError).
    Malformed
        Its content is not what its format says (a ValueError).
    Untrusted
        It names a class that the user did not (a PermissionError).

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), 'x.json')
    >>> save(path, {'lr': 1e-3, 'sizes': (3, 4)})
    >>> read(path)
    {'lr': 0.001, 'sizes': (3, 4)}
    """
    if as_ not in (None, "torch", "native", "numpy"):
        raise WrongValue(f"[read] as_ is 'torch', 'native' or 'numpy', not {as_!r}")
    value = _read(path, tuple(classes), verify, isolate=isolate)
    if not mmap:
        value = _core._cloned(value)
    if as_ is None:
        return value
    if as_ == "torch":
        _need_torch()
    return _core._as(value, as_)


def _read(
    path: str | os.PathLike[str],
    classes: tuple[type, ...] = (),
    verify: bool = False,
    lazy: bool = False,
    isolate: bool = False,
) -> Any:
    """`lazy`: what cannot be mapped may come as a placeholder, in dicts that a
    State resolves."""
    path = os.fspath(path)
    try:
        codec = _core._codec_for_reading(path)
    except IOFailed as error:
        leads_nowhere = os.path.islink(path) and not os.path.exists(path)
        if os.path.lexists(path) and not leads_nowhere:
            raise
        raise FileMissing(str(error)) from None
    if codec is None:
        return _core.read(path, verify, lazy, isolate)
    if isolate:
        raise WrongValue(
            f"[read] {path}: isolate=True is for the readers of the core; "
            f"{codec.name} is read by Python code, which does not crash"
        )
    if codec in _late.values():
        return codec.read(path, classes, verify)
    return codec.read(path)


def content_of(given: Any, lazy: bool = False) -> Any:
    """A path's content, a module's state; anything else as it is."""
    if isinstance(given, (str, os.PathLike)):
        given = _read(given, lazy=lazy)
    return given.state_dict() if _core._is_child(given) else given


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise WrongState(
            "[read] as_='torch' needs PyTorch: pip install torch"
        ) from error


def save(
    path: str | os.PathLike[str],
    value: Any,
    durable: bool = True,
    *,
    background: bool = False,
    **options: Any,
) -> None:
    """Writes a value; the suffix says in which format.

    Parameters
    ----------
    path : str or path
        Replaced whole: whoever reads it sees the old content or the new.
    value : object
        Numbers, text, bytes, times, lists, tuples, dicts, arrays and tensors, in
        any nesting. A Module, a torch module or optimizer, in it or by itself,
        is saved as its ``state_dict()``. Of a torch tensor the values are saved,
        as in a ``state_dict()``: a Parameter comes back as a tensor, without
        requires_grad (a pickle keeps both).
    durable : bool
        Wait until it is on the disk.
    background : bool
        Copy the arrays and return; a thread writes them, in the order of the
        saves, at most 1 GB of copies behind (then this call waits). What goes
        wrong is raised by the next such save (which is then not done) or by
        :func:`sync`. A process that ends writes what waits.
    **options
        What the format lets one choose: ``compress=True`` (.npz, .hdf5);
        ``chunks=32``, rows of the first dimension that lie together (.hdf5);
        ``metadata={'format': 'pt'}``, text for :func:`metadata`
        (.safetensors and its index); ``shard_bytes=5_000_000_000``, the most that
        a file of several holds (.safetensors.index.json).

    Raises
    ------
    WrongType
        Something in it cannot be written; named by its path. Nothing is changed.
    IOFailed
        The disk is full, the folder is not there or not writable; what was
        there before is still there.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), 'weights.npz')
    >>> save(path, {'w': np.ones(3, 'float32')})
    >>> read(path)['w'].dtype
    dtype('float32')

    In files of at most 12 bytes of tensors, as Hugging Face has them:

    >>> path = os.path.join(tempfile.mkdtemp(), 'model.safetensors.index.json')
    >>> save(path, {'w': np.ones(3, 'float32'), 'b': np.zeros(2)}, shard_bytes=12)
    >>> sorted(os.listdir(os.path.dirname(path)))
    ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors',
     'model.safetensors.index.json']
    >>> read(path)['b']
    array([0., 0.])
    """
    if not isinstance(path, (str, os.PathLike)):
        swapped = isinstance(value, (str, os.PathLike))
        hint = f": the path comes first, save({str(value)!r}, …)" if swapped else ""
        raise WrongType(f"[save] path is no path, but {_text.with_article(path)}{hint}")
    path = os.fspath(path)
    codec = _core._codec_for_writing(path)
    if codec is None or (background and not options):
        _core.save(path, value, durable, options, background)
    elif options:
        raise UnknownName(
            f"[save] {path}: {codec.name} has no option {next(iter(options))!r}"
        )
    else:
        try:
            plain = _states(value)
        except RecursionError as error:
            raise WrongValue(
                f"[save] {path}: nested too deep: does the value contain itself?"
            ) from error
        _core._wait_for_saves_to(path)
        if getattr(codec, "writes_atomically", False):
            codec.write(path, plain, durable)
            return
        file = _core._AtomicFile(path, durable)
        try:
            codec.write(file.temporary, plain, durable)
            file.commit()
        finally:
            del file  # removes what was not committed


def sync() -> None:
    """Waits until every ``save(…, background=True)`` so far is written.

    Raises
    ------
    Error
        What the first that failed would have raised.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), 'x.json')
    >>> save(path, {'step': 3}, background=True)
    >>> sync()
    >>> read(path)
    {'step': 3}
    """
    _core.sync()


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text that a ``.safetensors`` file, or the index of several, has beside
    its tensors, none of which is read.

    Raises
    ------
    WrongType
        Files of this format have none.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> path = os.path.join(tempfile.mkdtemp(), 'x.safetensors')
    >>> save(path, {'w': np.ones(3)}, metadata={'format': 'pt'})
    >>> metadata(path)
    {'format': 'pt'}
    """
    return _core.metadata(os.fspath(path))


def _states(value: Any) -> Any:
    """The value with modules as their states; itself where there is none."""
    if _core._is_child(value):
        return _states(value.state_dict())
    if isinstance(value, dict):
        changed = {
            key: new
            for key, item in dict.items(value)
            if (new := _states(item)) is not item
        }
        if not changed:
            return value
        return type(value)({**value, **changed})
    if type(value) in (list, tuple):
        items = [_states(item) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    return value


def register_codec(codec: Any) -> Any:
    """Adds a file format that is written in Python; also a class decorator.

    Parameters
    ----------
    codec : class or object
        With ``name``, ``suffixes``, ``read(path)``, ``write(path, value,
        durable)`` and, for formats with a signature, ``recognises(head, size)``
        of the first bytes. ``write`` gets the path of a temporary file, which
        replaces the old content once it returns.

    Examples
    --------
    >>> import tempfile
    >>> @register_codec
    ... class Lines:
    ...     name = 'lines'
    ...     suffixes = ('.lines',)
    ...     def read(self, path):
    ...         return open(path).read().splitlines()
    ...     def write(self, path, value, durable):
    ...         with open(path, 'w') as file:
    ...             file.write('\\n'.join(value))
    >>> path = os.path.join(tempfile.mkdtemp(), 'x.lines')
    >>> save(path, ['a', 'b'])
    >>> read(path)
    ['a', 'b']
    """
    _core._add_codec(codec() if isinstance(codec, type) else codec)
    return codec


def codecs() -> dict[str, list[str]]:
    """The known formats: ``{name: [suffixes]}``.

    >>> codecs()['safetensors']
    ['.safetensors']
    """
    return _core.codecs()
