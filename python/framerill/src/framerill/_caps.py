"""Caps: what the pictures or the sound on a link look like, and whether an array fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import LinkError

Array = npt.NDArray[Any]

PIXEL_FORMATS = {"rgb24": 1, "gray8": 2, "rgbf32": 3, "nv12": 4}
SAMPLE_FORMATS: dict[int, np.dtype[Any]] = {16: np.dtype(np.int16), 17: np.dtype(np.float32)}
_NAMES = {code: name for name, code in PIXEL_FORMATS.items()}
_U8 = np.dtype(np.uint8)
_F32 = np.dtype(np.float32)
MAX_SIDE = 16384
MAX_PIXELS = 1 << 27


@dataclass(frozen=True)
class Caps:
    """Pixel format and size of every picture on a link, and the array that holds one."""

    format: str
    width: int
    height: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nbytes: int

    @classmethod
    def of(cls, pixel_format: str, width: int, height: int) -> Caps:
        """Caps for `width` × `height` pixels. Raises ValueError for what cannot be."""
        if pixel_format not in PIXEL_FORMATS:
            raise ValueError(f"no pixel format is called `{pixel_format}`; there are: {', '.join(PIXEL_FORMATS)}")
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
            most = f"each side is 1 to {MAX_SIDE} pixels, and {MAX_PIXELS} pixels are the most in all"
            raise ValueError(f"a picture of {width}x{height} is out of range: {most}")
        if pixel_format == "nv12" and (width % 2 or height % 2):
            raise ValueError(f"nv12 needs even sides, not {width}x{height}")
        dtype = _F32 if pixel_format == "rgbf32" else _U8
        shape: tuple[int, ...]
        if pixel_format in ("rgb24", "rgbf32"):
            shape = (height, width, 3)
        else:
            shape = (height * 3 // 2 if pixel_format == "nv12" else height, width)
        nbytes = dtype.itemsize
        for side in shape:
            nbytes *= side
        return cls(pixel_format, width, height, shape, dtype, nbytes)

    @classmethod
    def of_code(cls, code: int, width: int, height: int) -> Caps:
        """Caps from a descriptor. Raises LinkError for what cannot be."""
        try:
            return cls.of(_NAMES[code], width, height)
        except (KeyError, ValueError) as error:
            raise LinkError(f"impossible caps: format {code}, {width}x{height}") from error

    @classmethod
    def of_array(cls, pixel_format: str, array: Array) -> Caps:
        """Caps of a picture that lies in `array`. Raises ValueError when none has that shape and dtype."""
        if array.ndim < 2:
            raise ValueError(f"a picture has two or three dimensions, not the shape {array.shape}")
        height, width = array.shape[:2]
        caps = cls.of(pixel_format, width, height * 2 // 3 if pixel_format == "nv12" else height)
        problem = caps.problem(array)
        if problem:
            raise ValueError(problem)
        return caps

    @property
    def code(self) -> int:
        """The format's number in a descriptor."""
        return PIXEL_FORMATS[self.format]

    def problem(self, pixels: object) -> str | None:
        """Why `pixels` is no picture of these caps, in one sentence; None when it is one."""
        if isinstance(pixels, np.ndarray):
            if pixels.dtype == self.dtype and pixels.shape == self.shape:
                return None
            came = f"shape {pixels.shape} of {pixels.dtype}"
        else:
            came = type(pixels).__name__
        return (
            f"expected an array of shape {self.shape} of {self.dtype} ({self.format}), got {came}{self._advice(pixels)}"
        )

    def pixels_of(self, value: object) -> Array | None:
        """The array `value` as pixels of these caps, where it has their type and, but for a leading 1, their shape."""
        if not isinstance(value, np.ndarray) or value.dtype != self.dtype:
            return None
        if value.shape == self.shape:
            return value
        return value[0] if value.shape == (1, *self.shape) else None

    def _advice(self, pixels: object) -> str:
        if not isinstance(pixels, np.ndarray):
            return "; a tensor goes into `with_tensor`" if hasattr(pixels, "detach") else ""
        if pixels.shape == self.shape and self.dtype == _U8:
            return "; convert it with `np.clip(array, 0, 255).astype(np.uint8)`"
        if pixels.shape == self.shape:
            return f"; convert it with `array.astype(np.{self.dtype})`"
        if pixels.ndim >= 2 and pixels.shape[:2] != self.shape[:2]:
            return "; an answer has the size of its frame, or of the pipeline's `output_size`"
        return ""
