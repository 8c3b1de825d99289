"""Pictures and sound as pipelines see them: one frame in, one output out, each with its own time and notes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from framerill import VideoFrame as Lent

__all__ = [
    "DEFAULT_HEIGHT",
    "DEFAULT_WIDTH",
    "AudioFrame",
    "AudioOutput",
    "InputFrame",
    "OutputFrame",
    "SideData",
    "VideoFrame",
    "VideoOutput",
]

DEFAULT_WIDTH = 512
"""Pixels, where nobody asks for another width."""
DEFAULT_HEIGHT = 512
"""Pixels, where nobody asks for another height."""


class SideData:
    """Notes that a pipeline keeps with a frame; any attribute may be set. Each frame has its own."""

    def __init__(self) -> None:
        self.skipped: bool = True
        self.input: Any = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


class InputFrame:
    """What pictures and sound have in common: a place in time and the author's notes."""

    timestamp: int
    """Presentation time in ticks of `time_base`."""
    time_base: Fraction
    """Length of a tick in seconds."""
    log_timestamps: dict[str, float]
    """When it passed `frame_init`, `pre_process_frame`, `post_process_frame` and `frame_end`; seconds since 1970."""
    side_data: SideData

    def __init__(self, timestamp: int, time_base: Fraction, log_timestamps: dict[str, float] | None = None) -> None:
        self.timestamp = timestamp
        self.time_base = time_base
        self.log_timestamps = {} if log_timestamps is None else log_timestamps
        self.side_data = SideData()

    @classmethod
    def from_av_video(cls, tensor: Any, timestamp: int, time_base: Fraction) -> VideoFrame:
        """A picture that was decoded."""
        return VideoFrame(tensor, timestamp, time_base)

    @classmethod
    def from_av_audio(cls, av_frame: Any) -> AudioFrame:
        """Sound that was decoded, from a frame of PyAV."""
        return AudioFrame(av_frame)


class VideoFrame(InputFrame):
    """One picture: `tensor` is float32 `(1, H, W, 3)`, RGB; in [-1, 1] for `app` pipelines, in [0, 1] for `runner`.

    The tensor of a frame that the runtime gives is made when it is asked for, on the GPU where there is one. A frame
    whose tensor nobody asks for passes on untouched, and needs no torch.
    """

    _lent: Lent | None = None

    def __init__(
        self, tensor: Any, timestamp: int, time_base: Fraction, log_timestamps: dict[str, float] | None = None
    ) -> None:
        super().__init__(timestamp, time_base, log_timestamps)
        self._tensor = tensor

    @classmethod
    def of(cls, lent: Lent, log_timestamps: dict[str, float] | None = None) -> VideoFrame:
        """A frame over one of framerill's: at the same time, and with its tensor when it is asked for."""
        frame = cls(None, lent.pts, lent.time_base, log_timestamps)
        frame._lent = lent
        return frame

    @property
    def tensor(self) -> Any:
        """The picture, writable and the author's own. None where the frame was made without one."""
        if self._lent is not None:
            self._tensor = self._lent.tensor
            self._lent = None
        return self._tensor

    @tensor.setter
    def tensor(self, tensor: Any) -> None:
        self._lent = None
        self._tensor = tensor

    @property
    def untouched(self) -> np.ndarray[Any, Any] | None:
        """The pixels as they came, while nobody has asked for the tensor."""
        return None if self._lent is None else self._lent.pixels

    def replace_tensor(self, tensor: Any) -> VideoFrame:
        """A frame with another picture and this one's time, times of passage and notes, which the two share."""
        frame = VideoFrame(tensor, self.timestamp, self.time_base, self.log_timestamps)
        frame.side_data = self.side_data
        return frame

    def same(self) -> VideoFrame:
        """A frame with the same values of its own: a copy of the tensor, or the untouched picture."""
        if self._lent is None:
            return self.replace_tensor(_copy(self._tensor))
        frame = self.replace_tensor(None)
        frame._lent = self._lent
        return frame


class AudioFrame(InputFrame):
    """A block of sound, from a decoded frame of PyAV. Raises ValueError when it has no time."""

    samples: np.ndarray[Any, Any]
    format: str
    """Such as `fltp`."""
    layout: str
    """Such as `stereo`."""
    rate: int
    """Samples a second."""
    nb_samples: int
    """Samples a channel."""

    def __init__(self, frame: Any) -> None:
        if frame.pts is None:
            raise ValueError("a decoded block of sound without a time (`pts` is None) has no place in the stream")
        super().__init__(frame.pts, frame.time_base)
        self.samples = frame.to_ndarray()
        self.format = frame.format.name
        self.layout = frame.layout.name
        self.rate = frame.sample_rate
        self.nb_samples = frame.samples


class OutputFrame:
    """What a pipeline gives back."""

    is_loading_frame: bool = False


class VideoOutput(OutputFrame):
    """One finished picture, and the request that its input came with."""

    def __init__(self, frame: VideoFrame, request_id: str = "", is_loading_frame: bool = False) -> None:
        self.frame = frame
        self.request_id = request_id
        self.is_loading_frame = is_loading_frame

    def replace_tensor(self, tensor: Any) -> VideoOutput:
        """An output with another picture; all else is as here."""
        return VideoOutput(self.frame.replace_tensor(tensor), self.request_id, self.is_loading_frame)

    @property
    def tensor(self) -> Any:
        """The picture."""
        return self.frame.tensor

    @property
    def timestamp(self) -> int:
        """Presentation time in ticks of `time_base`."""
        return self.frame.timestamp

    @property
    def time_base(self) -> Fraction:
        """Length of a tick in seconds."""
        return self.frame.time_base

    @property
    def log_timestamps(self) -> dict[str, float]:
        """When the frame passed which place."""
        return self.frame.log_timestamps


class AudioOutput(OutputFrame):
    """Sound that goes out."""

    def __init__(self, frames: list[AudioFrame], request_id: str = "") -> None:
        self.frames = frames
        self.request_id = request_id


def _copy(tensor: Any) -> Any:
    if tensor is None:
        return None
    return tensor.clone() if hasattr(tensor, "clone") else tensor.copy()
