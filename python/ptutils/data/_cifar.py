"""CIFAR-10 in its published layouts."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from .. import _core
from ..errors import IOFailed, Malformed

_URL = "https://www.cs.toronto.edu/~kriz/"
_RECORD = 1 + 3 * 32 * 32  # a label, then the three planes
# The binary layout first: nothing in it could run.
_LAYOUTS = {
    "cifar-10-batches-bin": "cifar-10-binary.tar.gz",
    "cifar-10-batches-py": "cifar-10-python.tar.gz",
}
_MD5 = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
}


def _names(folder: str) -> list[str]:
    """Of the training batches, and last the test's."""
    end = ".bin" if folder.endswith("bin") else ""
    return [f"data_batch_{i}{end}" for i in range(1, 6)] + [f"test_batch{end}"]


class CIFAR10Reader(_core.DataReader):
    """One batch of CIFAR-10: records of 3073 bytes (.bin), mapped, or a pickle, read
    by ptutils' list of what a pickle may hold."""

    def read(self, source: str) -> Any:
        """The images, uint8 (n, 3, 32, 32), and labels, int64 (n)."""
        return _core.ArrayDataset(*_arrays(source))


def _arrays(source: str) -> tuple[Any, Any]:
    of = _of_records if source.endswith(".bin") else _of_pickle
    images, labels = of(source)
    if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
        raise Malformed(f"[CIFAR10] {source}: a label is {labels.max()}, not 0 to 9")
    return images, labels


def _of_records(path: str) -> tuple[Any, Any]:
    import numpy as np

    size = os.path.getsize(path)
    if size == 0 or size % _RECORD:
        raise Malformed(
            f"[CIFAR10] {path}: {size} bytes are no records of {_RECORD}; get the "
            "file again"
        )
    records = np.memmap(path, np.uint8, "c").reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def _of_pickle(path: str) -> tuple[Any, Any]:
    import numpy as np

    from .. import _unpickle

    try:
        content = _unpickle.loads(Path(path).read_bytes(), encoding="latin1")
    except Malformed as error:
        raise Malformed(f"[CIFAR10] {path}: {error}") from error
    found = content if isinstance(content, dict) else {}
    # Those that were written again by Python 3 may have the names as bytes.
    images: Any = found.get("data", found.get(b"data"))
    labels: Any = found.get("labels", found.get(b"labels"))
    whole = (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.shape[1:] == (3 * 32 * 32,)
        and isinstance(labels, list)
        and len(labels) == len(images)
        and all(type(label) is int for label in labels)
    )
    if not whole:
        raise Malformed(f"[CIFAR10] {path}: holds no 'data' and 'labels' of CIFAR-10")
    return images.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def _md5(path: Path) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()


def _extract(archive: Path, folder: Path) -> None:
    """The batches, under their own names: no name of the archive is a path here."""
    import tarfile

    if _md5(archive) != _MD5[archive.name]:
        raise Malformed(
            f"[CIFAR10] {archive} is not the published file (MD5 "
            f"{_MD5[archive.name]}); get it again"
        )
    wanted = {f"{folder.name}/{name}": name for name in _names(folder.name)}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = wanted.get(str(PurePosixPath(member.name)))
                content = tar.extractfile(member) if name and member.isreg() else None
                if name and content is not None:
                    _core.write_file(str(folder / name), content.read())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Malformed(f"[CIFAR10] {archive}: {error}") from error


def _download(root: Path, url: str) -> Path:
    import tempfile

    from . import _fetch

    archive = root / _LAYOUTS["cifar-10-batches-bin"]
    root.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{archive.name}.", dir=root)
    os.close(handle)
    try:
        source = (url or _URL).rstrip("/") + "/" + archive.name
        _fetch.fetch(source, part)
        if _md5(Path(part)) != _MD5[archive.name]:
            raise Malformed(
                f"[CIFAR10] what {source} gave is not the published file (MD5 "
                f"{_MD5[archive.name]}); it was removed; try again, or another url"
            )
        os.replace(part, archive)
    finally:
        Path(part).unlink(missing_ok=True)
    return archive


def _batches(root: Path, train: bool, download: bool, url: str) -> list[str]:
    """The files of a split: those that are there, of an archive, or fetched."""
    for layout, packed in _LAYOUTS.items():
        names = _names(layout)[:5] if train else _names(layout)[5:]
        for folder in (root, root / layout):
            if all((folder / name).is_file() for name in names):
                return [str(folder / name) for name in names]
        if (root / packed).is_file():
            _extract(root / packed, root / layout)
            if all((root / layout / name).is_file() for name in names):
                return [str(root / layout / name) for name in names]
            raise Malformed(f"[CIFAR10] {root / packed} lacks some of {names}")
    if not download:
        raise IOFailed(
            f"[CIFAR10] neither {' nor '.join(_LAYOUTS)}, nor their .tar.gz, in "
            f"{root}; give the folder that has one as root, or download=True"
        )
    _download(root, url)
    return _batches(root, train, False, url)


class CIFAR10(_core.Dataset):
    """Krizhevsky 2009: 50 000 training and 10 000 test images in ten classes.

    A sample: (uint8 (3, 32, 32), int64 label). In ``root``: cifar-10-batches-bin,
    whose files are mapped, or cifar-10-batches-py, or one of their published
    .tar.gz; else fetched when ``download=True`` (``url``: another folder of it),
    with its checksum. Pickles are read by ptutils' list of what a pickle may hold:
    nothing in them is run.

    >>> from ptutils.data import CIFAR10
    >>> CIFAR10.classes[3]
    'cat'
    """

    classes: ClassVar[list[str]] = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
        "truck",
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        train: bool = True,
        download: bool = False,
        url: str = "",
        preprocessor: Any = None,
    ) -> None:
        files = _batches(Path(root), train, download, url)
        super().__init__(files, CIFAR10Reader(), preprocessor)
        self._files = files

    @property
    def targets(self) -> Any:
        """All labels, int64 (n), for a sampler; the files are read for it."""
        import numpy as np

        return np.concatenate([_arrays(file)[1] for file in self._files])

    @property
    def data(self) -> Any:
        """All images, uint8 (n, 32, 32, 3), as torchvision has them; the files are
        read for it."""
        import numpy as np

        images = np.concatenate([_arrays(file)[0] for file in self._files])
        return images.transpose(0, 2, 3, 1)


for _public in (CIFAR10, CIFAR10Reader):
    _public.__module__ = "ptutils.data"
