"""Pictures that the core does not decode (CMYK, GIF, BMP, TIFF, WebP): Pillow."""

from __future__ import annotations

import io
from typing import Any

from ..errors import Malformed, WrongState


def decode(content: bytes, name: str) -> Any:
    """uint8 (height, width, 3)."""
    try:
        import PIL.Image as images
        from PIL import UnidentifiedImageError
    except ImportError as error:
        raise WrongState(
            f"[image] {name}: neither JPEG (grey, RGB) nor PNG; others are decoded "
            "by Pillow: pip install pillow"
        ) from error
    import numpy as np

    try:
        with images.open(io.BytesIO(content)) as picture:
            return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError:
        raise Malformed(
            f"[image] {name}: neither JPEG, PNG nor any other picture that Pillow reads"
            f" ({len(content)} bytes that begin with {content[:8]!r})"
        ) from None
    except (OSError, ValueError, SyntaxError, images.DecompressionBombError) as error:
        raise Malformed(f"[image] {name}: {error}") from error
