"""How data sets and loaders show themselves."""

from __future__ import annotations

from typing import Any

from .. import _core, _text
from ..module import extend


def _images(self: Any) -> str:
    config = self.to_config()
    name, split = type(self).__name__, "train" if config.get("train", True) else "test"
    return (
        f"{name}({_text.grouped(len(self))} {split} samples, root={config['root']!r})"
    )


def _loader(self: Any) -> str:
    """Its parts below what it does with them."""
    first, *parts = _core.Module.__repr__(self).split("\n")
    if self.batch_sampler is None:
        what = "samples"
    else:
        what = f"batches of {self.batch_size}" if self.batch_size else "batches"
    return "\n".join([f"{first} of {what}", *parts])


extend(_core.FashionMNIST, __repr__=_images)
extend(_core.MNIST, __repr__=_images)
extend(_core.DataLoader, __repr__=_loader)
