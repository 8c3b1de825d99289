"""What an author writes: one class, one required method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from ._caps import Array
from .frames import AudioFrame, Skip, SupportsDLPack, VideoFrame

if TYPE_CHECKING:
    from ._params import Params

__all__ = ["Pipeline", "Update"]


class Update(str, Enum):
    """What `Pipeline.update` may return."""

    APPLIED = "applied"
    """The parameters hold from the next frame on; the same as returning None."""
    RELOAD = "reload"
    """They need `load` to run again; frames wait meanwhile."""


Picture = VideoFrame | Array | SupportsDLPack
Answer = Picture | Skip | Sequence[Picture]


class _NoParams:
    """`self.params` of a pipeline without `Params`: an empty model, made when asked for."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        from ._params import Params

        return Params()


class Pipeline:
    """Answers frames, one at a time and in order.

    ::

        class Invert(Pipeline):
            def process(self, frame: VideoFrame) -> VideoFrame:
                return frame.with_pixels(255 - frame.pixels)

    Any method may be `async`; all of them run in one thread, one after the other. Raise to fail. In a run the process
    ends, the whole traceback is shown, and a new process goes on; in a live stream that frame is skipped, told and
    counted, and the same instance goes on, with the state that the exception left. Parameters are a nested
    `class Params(framerill.Params)`, or `Params = SomeModel`; `self.params` is an instance of it, also in `__init__`.
    """

    name: ClassVar[str] = ""
    """Short name; by default the class's name in lower case with hyphens."""
    summary: ClassVar[str] = ""
    """One line; by default the first line of the class's docstring."""
    pixel_format: ClassVar[str] = "rgb24"
    """What `frame.pixels` holds: `rgb24`, `gray8`, `rgbf32` or `nv12`."""
    history: ClassVar[int] = 4
    """How many frames beyond the one at work may be kept without a copy. Past that, new frames come as copies."""
    audio: ClassVar[bool] = False
    """Whether sound comes to `process_audio`."""
    shareable: ClassVar[bool] = False
    """Whether one instance may serve several streams at once: it remembers nothing of earlier frames."""
    batch_size: ClassVar[int] = 1
    """How many frames come at once, at most: above 1, `process` is given a list of frames and answers with a list of
    as many answers, in their order."""
    max_wait_ms: ClassVar[float] = 50.0
    """How long the first frame of a batch waits for the others, in milliseconds; then fewer have to do."""
    max_frame_time: ClassVar[float] = 10.0
    """Seconds without an answer after which the process counts as hung and is restarted."""
    tensor_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """Black and white in `frame.tensor` and `with_tensor`."""
    device: ClassVar[str | None] = None
    """torch device of `frame.tensor`; by default the first CUDA device, else the CPU."""

    _size_method: ClassVar[str] = "output_size"
    """What whoever wrote the pipeline calls it."""

    params: Any = _NoParams()
    """The parameters: an instance of the class's `Params`. Never changes while a method runs."""
    pipeline_name: str | None = None
    """The name that was asked for: the entry point's, so that one class can be several pipelines. Set before `load`."""

    if TYPE_CHECKING:
        Params: type[Params]

    @classmethod
    def prepare_models(cls) -> Any:
        """Downloads and compiles what `load` needs, ahead of time: `framerill pipelines prepare NAME` runs it.

        By default nothing. Raise to fail.
        """

    @classmethod
    def output_size(cls, params: Any, width: int, height: int) -> tuple[int, int] | None:
        """Width and height of the answers to frames of `width` by `height`; None, the default, for those of the frames.

        Override it in a pipeline that changes the size, such as an upscaler. What goes out has this size from the first
        picture to the last: in a live stream, parameters that would change it are refused. Answers of the frame's own
        size are scaled by the encoder. It is called for parameters that do not hold yet, also while `load` runs: it
        computes and nothing else. `params` is None where the pipeline has no `Params`.
        """
        return None

    def load(self) -> Awaitable[None] | None:
        """Loads the model. Runs before the first frame and after an update that returns `Update.RELOAD`."""

    def process(self, frame: VideoFrame) -> Answer | Awaitable[Any] | Iterator[Any] | AsyncIterator[Any]:
        """Answers one frame: a picture, several (a list, or `yield` them), or `Skip(reason)`.

        A picture is a frame, or an array or tensor on any device: uint8 is pixels; float is in `tensor_range`, clamped,
        NaN black. Answers have the size of the frame, or that of `output_size`. Several share the time up to the next
        frame evenly. Returning the frame itself passes the picture on; nothing is copied. Never return None.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `process` method")

    def process_audio(self, frame: AudioFrame) -> AudioFrame | Skip | Awaitable[Any]:
        """Answers one block of sound; by default with itself. Only called when `audio` is True."""
        return frame

    def update(self, params: Any) -> Update | str | Awaitable[Any] | None:
        """Takes new parameters, valid as a whole; `self.params` still holds the old ones and changes afterwards.

        Return `Update.RELOAD` (or `"reload"`) when `load` has to run again. Raise ValueError to refuse them.
        """
        return None

    def flush(self) -> Awaitable[None] | None:
        """Forgets what is remembered of earlier frames: the stream begins anew or jumps."""

    def close(self) -> Awaitable[None] | None:
        """Gives resources back. Runs once, before an orderly end; not when the process is killed."""
