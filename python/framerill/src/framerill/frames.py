"""What a pipeline sees and answers: `VideoFrame`, `AudioFrame`, `Skip`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ._caps import Array, Caps
from .errors import ContractError

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["VideoFrame", "AudioFrame", "Skip"]


class _Host(Protocol):
    """What a frame needs of whoever runs the pipeline."""

    tensor_range: tuple[float, float]

    def output(self, caps: Caps) -> Array: ...
    def device(self) -> Any: ...


class _NoHost:
    """The host of a frame that was made by hand: plain memory, the default range, the best device."""

    tensor_range = (-1.0, 1.0)

    def output(self, caps: Caps) -> Array:
        return np.empty(caps.shape, caps.dtype)

    def device(self) -> Any:
        from ._tensor import default_device

        return default_device()


_NO_HOST = _NoHost()


@dataclass(frozen=True)
class Skip:
    """The answer "no picture for this frame": chosen, counted and visible, not a failure.

    `reason` is a short text for the log, such as `"warming up"`.
    """

    reason: str = ""


def _ticks(time_base: Fraction | tuple[int, int]) -> tuple[int, int]:
    if isinstance(time_base, tuple):
        num, den = time_base
    else:
        num, den = time_base.numerator, time_base.denominator
    if num <= 0 or den <= 0:
        raise ValueError(f"a time base is a positive fraction of a second, not {num}/{den}")
    return num, den


class _Timed:
    """What pictures and sound have in common: an id and a place in media time."""

    __slots__ = ("id", "pts", "discontinuity", "_time_base", "_slot", "__weakref__")

    id: int
    """Counts the source's frames from 0."""
    pts: int
    """Presentation time in ticks of `time_base`."""
    discontinuity: bool
    """The source jumped before this frame: what was remembered of earlier ones may not fit."""
    _time_base: tuple[int, int]
    _slot: int

    @property
    def time_base(self) -> Fraction:
        """Length of a tick in seconds."""
        from fractions import Fraction

        return Fraction(*self._time_base)

    @property
    def seconds(self) -> float:
        """Presentation time in seconds."""
        num, den = self._time_base
        return self.pts * num / den


class VideoFrame(_Timed):
    """One picture and its place in time.

    Pipelines are given frames and make new ones of them with `with_pixels` or `with_tensor`. A frame may be kept; see
    `Pipeline.history`. Making one by hand (`VideoFrame(array)`) is for tests: `pixels` is a picture in `pixel_format`,
    `pts` is in ticks of `time_base` (a Fraction of a second). Raises ContractError when the array is no such picture.
    """

    __slots__ = ("_pixels", "_caps", "_host")

    _pixels: Array
    _caps: Caps
    _host: _Host

    def __init__(
        self,
        pixels: Array,
        *,
        pixel_format: str = "rgb24",
        id: int = 0,
        pts: int = 0,
        time_base: Fraction | tuple[int, int] = (1, 90_000),
        discontinuity: bool = False,
    ) -> None:
        try:
            self._caps = Caps.of_array(pixel_format, pixels)
        except ValueError as error:
            raise ContractError(str(error)) from None
        self._pixels = pixels
        self._host = _NO_HOST
        self._time_base = _ticks(time_base)
        self._slot = -1
        self.id = id
        self.pts = pts
        self.discontinuity = discontinuity

    @property
    def pixels(self) -> Array:
        """The picture, read-only: a view of shared memory that is lent until its last view is collected.

        `(H, W, 3)` uint8 for `rgb24`, `(H, W)` uint8 for `gray8`, `(H, W, 3)` float32 in 0..1 for `rgbf32`,
        `(H * 3 / 2, W)` uint8 for `nv12` (luma rows, then rows of interleaved chroma). `copy()` gives pixels to change.
        """
        return self._pixels

    @property
    def width(self) -> int:
        """Pixels."""
        return self._caps.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self._caps.height

    @property
    def pixel_format(self) -> str:
        """`rgb24`, `gray8`, `rgbf32` or `nv12`."""
        return self._caps.format

    def with_pixels(self, pixels: Array) -> VideoFrame:
        """A frame with this one's time and another picture.

        The array has this frame's shape and dtype, else ContractError says what was expected and what came. An array
        from `output()` goes out as it is; any other is copied once, when the frame is answered: change it no more.
        """
        if pixels is self._pixels:
            return self
        problem = self._caps.problem(pixels)
        if problem is not None:
            raise ContractError(problem)
        return self._like(pixels)

    def output(self) -> Array:
        """An array to write the answer into, of this frame's shape and dtype, content undefined.

        It lies in the memory that the answer travels in, so that `return frame.with_pixels(out)` copies nothing:
        `out = frame.output(); np.subtract(255, frame.pixels, out=out)`. Once answered it is read-only.
        """
        return self._host.output(self._caps)

    def copy(self) -> VideoFrame:
        """A frame with a copy of the pixels in ordinary memory, writable and free to keep."""
        return self._like(self._pixels.copy())

    @property
    def tensor(self) -> Any:
        """A new float32 torch tensor `(1, H, W, 3)` on the pipeline's device, in the pipeline's `tensor_range`.

        Uploaded as uint8 and converted there; it never aliases the frame's memory. For `rgb24` and `rgbf32` frames.
        Raises MissingPackageError when torch is not installed.
        """
        from ._tensor import upload

        return upload(self._pixels, self._caps, self._host.device(), self._host.tensor_range)

    def with_tensor(self, tensor: Any) -> VideoFrame:
        """A frame with this one's time and the picture in a torch tensor `(1, H, W, 3)` or `(H, W, 3)`.

        Values are in the pipeline's `tensor_range`; what lies outside is clamped, never wrapped; NaN becomes black.
        Raises ContractError for another shape.
        """
        from ._tensor import download

        out = self.output()
        download(tensor, out, self._caps, self._host.tensor_range)
        return self._like(out)

    def _like(self, pixels: Array) -> VideoFrame:
        return _video(pixels, self._caps, self._host, self.id, self.pts, self._time_base, self.discontinuity, -1)

    def __repr__(self) -> str:
        return f"<VideoFrame {self.id} {self.width}x{self.height} {self.pixel_format} at {self.seconds:.3f} s>"


def _video(
    pixels: Array,
    caps: Caps,
    host: _Host,
    id: int,
    pts: int,
    time_base: tuple[int, int],
    discontinuity: bool,
    slot: int,
) -> VideoFrame:
    """A frame whose parts are known to fit."""
    frame: VideoFrame = _new(VideoFrame)
    frame._pixels = pixels
    frame._caps = caps
    frame._host = host
    frame.id = id
    frame.pts = pts
    frame._time_base = time_base
    frame.discontinuity = discontinuity
    frame._slot = slot
    return frame


_new = object.__new__


class AudioFrame(_Timed):
    """One block of sound and its place in time. Only pipelines with `audio = True` see any.

    Making one by hand is for tests: `samples` is `(N, channels)` of int16 or float32.
    """

    __slots__ = ("_samples", "_rate")

    _samples: Array
    _rate: int

    def __init__(
        self,
        samples: Array,
        *,
        rate: int = 48_000,
        id: int = 0,
        pts: int = 0,
        time_base: Fraction | tuple[int, int] = (1, 90_000),
        discontinuity: bool = False,
    ) -> None:
        if samples.ndim != 2 or samples.dtype not in (np.int16, np.float32):
            raise ContractError(
                "expected an array of shape (N, channels) of int16 or float32, "
                f"got shape {samples.shape} of {samples.dtype}"
            )
        self._samples = samples
        self._rate = rate
        self._time_base = _ticks(time_base)
        self._slot = -1
        self.id = id
        self.pts = pts
        self.discontinuity = discontinuity

    @property
    def samples(self) -> Array:
        """`(N, channels)`, int16, or float32 in -1..1; read-only, lent like `VideoFrame.pixels`."""
        return self._samples

    @property
    def rate(self) -> int:
        """Samples a second."""
        return self._rate

    @property
    def channels(self) -> int:
        """How many channels."""
        channels: int = self._samples.shape[1]
        return channels

    def with_samples(self, samples: Array) -> AudioFrame:
        """A block with this one's time and other samples of the same dtype and channels.

        Raises ContractError when they differ.
        """
        if samples is self._samples:
            return self
        mine = self._samples
        if not isinstance(samples, np.ndarray) or samples.ndim != 2:
            raise ContractError(f"expected samples of shape (N, {mine.shape[1]}) of {mine.dtype}, got {_kind(samples)}")
        if samples.dtype != mine.dtype or samples.shape[1] != mine.shape[1]:
            raise ContractError(
                f"expected samples of shape (N, {mine.shape[1]}) of {mine.dtype}, "
                f"got shape {samples.shape} of {samples.dtype}"
            )
        return AudioFrame(
            samples,
            rate=self._rate,
            id=self.id,
            pts=self.pts,
            time_base=self._time_base,
            discontinuity=self.discontinuity,
        )

    def __repr__(self) -> str:
        return f"<AudioFrame {self.id} {len(self._samples)}x{self.channels} at {self.rate} Hz, {self.seconds:.3f} s>"


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} of {value.dtype}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__
