"""The splits of a folder of data, and its vocabulary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import _core
from ..errors import IOFailed, WrongType, WrongValue
from ._imagenet import same_classes
from .transforms import Vocabulary

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test",),
}
_VOCABULARIES = ("vocabulary.txt", "vocab.txt", "vocabulary.json", "vocab.json")


class SplitProvider(_core.DataProvider):
    """A DataProvider of the splits in a folder.

    root : a folder, or one source of samples (a file, a data set)
    splits : None: train, val (valid, validation, dev) and test, as found in root: a
        file (train.h5), shards (train-*.tfrecord), or a folder each. A dict of paths
        and patterns, relative to root; or, of one source, of shares:
        {'train': .8, 'val': .2}, drawn by split_seed
    vocabulary : a file of words, relative to root; None: vocabulary.txt or
        vocab.txt (or .json), where there is one. It is `self.vocabulary`; a
        transform 'vocabulary' in the preprocessor stands for it
    text_length : ids of a text, cut or padded; 0: as many as words

    The other arguments are those of Dataset and DataLoader.

    >>> import json, pathlib, tempfile
    >>> from ptutils.data import SplitProvider
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for split, text in {"train": "the cat", "val": "a cat"}.items():
    ...     line = json.dumps({"text": text, "label": 1})
    ...     _ = (root / f"{split}.jsonl").write_text(line)
    >>> _ = (root / "vocab.txt").write_text("<unk>\\nthe\\ncat\\n")
    >>> data = SplitProvider(root, preprocessor={"text": ["vocabulary"]})
    >>> data.phases, [batch["text"].tolist() for batch in data.provide("val")]
    (['train', 'val'], [[[0, 2]]])
    """

    def __init__(
        self,
        root: Any,
        splits: Mapping[str, Any] | None = None,
        data_reader: Any = None,
        preprocessor: Any = None,
        vocabulary: str | os.PathLike[str] | None = None,
        text_length: int = 0,
        split_seed: int = 0,
        **options: Any,
    ) -> None:
        folder = Path(root) if isinstance(root, str | os.PathLike) else None
        if folder is not None and not folder.exists():
            raise IOFailed(f"[SplitProvider] no file or folder {folder}")
        words = _vocabulary_path(folder, vocabulary)
        self.vocabulary = Vocabulary(words, text_length) if words else None
        preprocessor = self._with_vocabulary(preprocessor)
        shared: dict[str, Any] = {
            "data_reader": data_reader,
            "preprocessor": preprocessor,
        }
        if splits and all(isinstance(share, int | float) for share in splits.values()):
            whole = _core.Dataset(root, **shared)
            parts = _core.random_split(whole, list(splits.values()), split_seed)
            datasets = dict(zip(splits, parts, strict=True))
        else:
            if folder is None:
                raise WrongType(
                    "[SplitProvider] root is no folder: splits are shares, "
                    "{'train': .8, 'val': .2}"
                )
            sources = _sources(folder, splits)
            if data_reader is None or isinstance(data_reader, _core.ImageFolderReader):
                folders = {split: "".join(paths) for split, paths in sources.items()}
                same_classes("SplitProvider", folders)
            datasets = {
                split: _core.Dataset(source, **shared)
                for split, source in sources.items()
            }
        super().__init__(datasets=datasets, **options)

    def _with_vocabulary(self, given: Any) -> Any:
        if isinstance(given, Mapping):
            return {key: self._with_vocabulary(chain) for key, chain in given.items()}
        if isinstance(given, list | tuple):
            return [self._with_vocabulary(transform) for transform in given]
        if given != "vocabulary":
            return given
        if self.vocabulary is None:
            raise IOFailed(
                "[SplitProvider] the preprocessor wants a vocabulary, and there is "
                f"none: give vocabulary=, or put {_VOCABULARIES[0]} into root"
            )
        return self.vocabulary


def _vocabulary_path(folder: Path | None, given: Any) -> Path | None:
    within = folder if folder is not None and folder.is_dir() else Path()
    if given is not None:
        path = within / given
        if not path.is_file():
            raise IOFailed(f"[SplitProvider] no vocabulary {path}")
        return path
    if folder is None or not folder.is_dir():
        return None
    return next((p for n in _VOCABULARIES if (p := folder / n).is_file()), None)


def _sources(folder: Path, splits: Mapping[str, Any] | None) -> dict[str, Any]:
    """The paths of each split."""
    if splits is not None:
        return {split: str(folder / source) for split, source in splits.items()}
    if not folder.is_dir():
        raise WrongValue(
            f"[SplitProvider] {folder} is one file: give splits as shares, "
            "{'train': .8, 'val': .2}"
        )
    found = {split: _found(folder, names) for split, names in _NAMES.items()}
    found = {split: paths for split, paths in found.items() if paths}
    if "train" not in found:
        raise IOFailed(
            f"[SplitProvider] {folder} has no train.*, train-*.* or train/; give "
            "splits={'train': 'file or pattern', …}"
        )
    return found


def _found(folder: Path, names: tuple[str, ...]) -> list[str]:
    for name in names:
        if (folder / name).is_dir():
            return [str(folder / name)]
        paths = [*folder.glob(f"{name}.*"), *folder.glob(f"{name}-*.*")]
        found = sorted(str(p) for p in paths if not p.name.endswith(".index"))
        if found:
            return found
    return []


SplitProvider.__module__ = "ptutils.data"
