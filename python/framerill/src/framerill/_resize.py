"""Pictures of another size than their stream's: scaled, bilinear, where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._caps import Array, Caps

_MOST_SIDE = 16_384


def fitted(picture: Any, caps: Caps) -> Any:
    """`picture` at the size of `caps`: itself where it has it, or where it is no RGB picture of a sane size.

    For arrays and torch tensors `(H, W, 3)` and `(1, H, W, 3)`, of bytes or floats.
    """
    shape = tuple(getattr(picture, "shape", ()))
    if shape[:1] == (1,):
        shape = shape[1:]
    if caps.shape[2:] != (3,) or len(shape) != 3 or shape[2] != 3 or shape == caps.shape:
        return picture
    if not all(0 < side <= _MOST_SIDE for side in shape[:2]):
        return picture
    if isinstance(picture, np.ndarray):
        return _array(picture.reshape(shape), caps)
    if hasattr(picture, "permute"):
        from ._tensor import scaled

        return scaled(picture.reshape((1, *shape)), caps)
    return picture


def _array(picture: Array, caps: Caps) -> Array:
    rows = _blended(picture.astype(np.float32), caps.height)
    scaled = _blended(rows.swapaxes(0, 1), caps.width).swapaxes(0, 1)
    if np.issubdtype(picture.dtype, np.integer):
        np.rint(scaled, out=scaled)
    sized: Array = scaled.astype(picture.dtype)
    return sized


def _blended(picture: Array, count: int) -> Array:
    """`count` rows, each between the two of `picture` whose centres are nearest."""
    have = len(picture)
    at = np.clip((np.arange(count) + 0.5) * (have / count) - 0.5, 0, have - 1)
    first = np.floor(at).astype(np.intp)
    second = np.minimum(first + 1, have - 1)
    share = (at - first).astype(np.float32)[:, None, None]
    blended: Array = picture[first] * (1 - share) + picture[second] * share
    return blended
