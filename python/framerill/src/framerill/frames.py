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

__all__ = ["VideoFrame", "AudioFrame", "Skip", "SupportsDLPack"]


class SupportsDLPack(Protocol):
    """An array or tensor of any library, on any device: torch's, JAX's, CuPy's."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


class _Host(Protocol):
    """What a frame needs of whoever runs the pipeline."""

    tensor_range: tuple[float, float]
    answer_caps: Caps | None
    """What answers are to be, where that is not what the frame is."""

    def output(self, caps: Caps) -> Array: ...
    def device(self) -> Any: ...
    def has_nan(self) -> None:
        """Told of an answer with a NaN in it."""


class _NoHost:
    """The host of a frame that was made by hand: plain memory, the default range, the best device."""

    tensor_range = (-1.0, 1.0)
    answer_caps: Caps | None = None

    def output(self, caps: Caps) -> Array:
        return np.empty(caps.shape, caps.dtype)

    def has_nan(self) -> None:
        pass

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

    def _place(self, id: int, pts: int, time_base: Fraction | tuple[int, int], discontinuity: bool) -> None:
        self._time_base = _ticks(time_base)
        self._slot = -1
        self.id = id
        self.pts = pts
        self.discontinuity = discontinuity

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
        self._place(id, pts, time_base, discontinuity)

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

        The array has this frame's shape and dtype, or the pipeline's `output_size`; else ContractError says what was
        expected and what came. An array
        from `output()` goes out as it is; any other is copied once, when the frame is answered: change it no more.
        """
        if pixels is self._pixels:
            return self
        caps = self._host.answer_caps or self._caps
        problem = caps.problem(pixels)
        if problem is None:
            return self._like(pixels, caps)
        if caps is self._caps or self._caps.problem(pixels) is not None:
            raise ContractError(problem)
        return self._like(pixels)

    def output(self) -> Array:
        """An array to write the answer into, of the answer's shape and this frame's dtype, content undefined.

        The shape is this frame's, unless the pipeline has an `output_size` of its own.

        It lies in the memory that the answer travels in, so that `return frame.with_pixels(out)` copies nothing:
        `out = frame.output(); np.subtract(255, frame.pixels, out=out)`. Once answered it is read-only.
        """
        return self._host.output(self._host.answer_caps or self._caps)

    def copy(self) -> VideoFrame:
        """A frame with a copy of the pixels in ordinary memory, writable and free to keep."""
        return self._like(self._pixels.copy())

    @property
    def tensor(self) -> Any:
        """A new float32 torch tensor `(1, H, W, 3)` on the pipeline's device, in the pipeline's `tensor_range`.

        Uploaded as uint8 and converted there; it never aliases the frame's memory. For `rgb24` and `rgbf32` frames.
        Raises MissingPackageError when torch is not installed.
        """
        from ._tensor import converted, moved

        return converted(moved(self._pixels, self._host.device()), self._caps, self._host.tensor_range)

    def with_tensor(self, tensor: Any) -> VideoFrame:
        """A frame with this one's time and the picture in a tensor or array `(1, H, W, 3)` or `(H, W, 3)`.

        torch's, numpy's, or anything with DLPack, on any device. Float values are in the pipeline's `tensor_range`;
        what lies outside is clamped, never wrapped; NaN becomes black. uint8 is taken as pixels. Raises ContractError
        for another shape or type.
        """
        from ._tensor import write

        caps = self._host.answer_caps or self._caps
        if caps is not self._caps and tuple(getattr(tensor, "shape", ()))[-3:] == self._caps.shape:
            caps = self._caps
        out = self._host.output(caps)
        if write(tensor, out, caps, self._host.tensor_range):
            self._host.has_nan()
        return self._like(out, caps)

    def to(self, device: Any) -> VideoFrame:
        """The same frame with a copy of its picture on a torch device (`"cuda:1"`, or a `torch.device`).

        Its `tensor` is made there, and DLPack gives the pixels there, as uint8; `pixels` stays where it is. The upload
        happens now, of uint8. Raises MissingPackageError when torch is not installed.
        """
        from ._tensor import moved

        return _MovedFrame(self, moved(self._pixels, device))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        # `np.asarray(frame)` is `pixels`, without a copy.
        pixels = self._pixels
        if dtype is not None and np.dtype(dtype) != pixels.dtype:
            if copy is False:
                raise ValueError(f"a picture of {pixels.dtype} becomes one of {np.dtype(dtype)} only in a copy")
            cast: Array = pixels.astype(dtype)
            return cast
        return pixels.copy() if copy else pixels

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The pixels for `from_dlpack` of another library.

        The memory itself, marked read-only, for who takes the mark (DLPack 1.0 and later); a copy for anyone else.
        torch takes the mark and forgets it: a write into `torch.from_dlpack(frame)` ends the process. `tensor`, and
        `to(device)`, are yours to write.
        """
        from ._tensor import exported

        options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return exported(self._pixels, options)

    def __dlpack_device__(self) -> tuple[int, int]:
        from ._tensor import HERE

        return HERE

    def _answer_problem(self, pixels: Array) -> str | None:
        """Why `pixels` cannot answer this frame."""
        caps = self._host.answer_caps or self._caps
        problem = caps.problem(pixels)
        return None if problem is None or self._caps.problem(pixels) is None else problem

    def _like(self, pixels: Array, caps: Caps | None = None) -> VideoFrame:
        return _video(
            pixels, caps or self._caps, self._host, self.id, self.pts, self._time_base, self.discontinuity, -1
        )

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


class _MovedFrame(VideoFrame):
    """A frame whose picture lies on a device, too."""

    __slots__ = ("_data",)

    _data: Any

    def __init__(self, frame: VideoFrame, data: Any) -> None:
        self._pixels = frame._pixels
        self._caps = frame._caps
        self._host = frame._host
        self._time_base = frame._time_base
        self._slot = -1
        self.id = frame.id
        self.pts = frame.pts
        self.discontinuity = frame.discontinuity
        self._data = data

    @property
    def tensor(self) -> Any:
        from ._tensor import converted

        return converted(self._data, self._caps, self._host.tensor_range)

    def __dlpack__(self, **options: Any) -> Any:
        return self._data.__dlpack__(**{key: value for key, value in options.items() if value is not None})

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._data.__dlpack_device__()
        return device


def pictured(value: Any, frame: VideoFrame) -> VideoFrame | None:
    """The frame that an array or tensor means as an answer; None for what is neither. Raises ContractError."""
    for caps in (frame._host.answer_caps, frame._caps):
        pixels = None if caps is None else caps.pixels_of(value)
        if pixels is not None:
            return frame.with_pixels(pixels)
    if not (isinstance(value, np.ndarray) or hasattr(value, "__dlpack__") or hasattr(value, "__array_interface__")):
        return None
    return frame.with_tensor(value)


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
        self._place(id, pts, time_base, discontinuity)

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
