"""Pipelines whose pictures come out on their own time: `Decoupled`, and the `Output` that its `get` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ._pipeline import Pipeline
from .frames import VideoFrame

if TYPE_CHECKING:
    import asyncio
    from fractions import Fraction

__all__ = ["Decoupled", "Output"]


@dataclass(frozen=True)
class Output:
    """One finished picture and the media time that it belongs to."""

    picture: Any
    """Pixels: an array of the frame's shape and dtype. Or a tensor `(1, H, W, 3)` or `(H, W, 3)` of floating point on
    any device, in the pipeline's `tensor_range`; what lies outside is clamped, never wrapped, and NaN becomes black.
    Its size is the frame's, or the one that `output_size` says; any other is scaled to that."""
    pts: int
    """Media time in ticks of `time_base`: the input's own, or between it and the next one's for a further picture."""
    time_base: Fraction | tuple[int, int]
    """Length of a tick in seconds, such as `frame.time_base`."""
    request_id: str = ""
    """The request that the input came with. A picture of another request than the present one is dropped and counted;
    without one, only the time decides."""


class Decoupled(Pipeline):
    """Takes frames in one loop and gives pictures in another; the two are matched by media time, not by call.

    ::

        class Delay(Decoupled):
            async def start(self, params: dict[str, Any]) -> None:
                self.frames: asyncio.Queue[VideoFrame] = asyncio.Queue(maxsize=8)

            async def put(self, frame: VideoFrame, request_id: str) -> None:
                await self.frames.put(frame)

            async def get(self) -> Output:
                frame = await self.frames.get()
                return Output(frame.pixels, frame.pts, frame.time_base)

    It is the base of adapters for pipelines that have such loops already; a new pipeline is simpler with `process`.

    **Who calls what.** Everything runs in one asyncio loop in one thread. First the parameters are checked, then the
    instance is made, then `start` is awaited. From then on three loops run at the same time and take turns at each
    `await`:

    * `put`, one frame at a time, with the request id of the stream that it belongs to;
    * `get`, one call at a time, at once again after it has returned;
    * `change`, one at a time, also while a `put` is suspended. One set waits at most: the newest takes its place, and
      the one that it passes over is refused.

    `stop` is awaited once, before an orderly end of the process.

    **Which output answers which input.** The newest frame that was put and is not later than the output. An output at
    exactly the frame's time is its answer; outputs between two frames are further pictures of the earlier one, and
    keep their time. Frames that were put before and have no output by then are skipped. What comes too late for that,
    comes twice for one time, or belongs to no frame is dropped, counted and told. At most `max_in_flight` frames are
    inside at a time; when another one is put, the oldest of them counts as skipped.

    **Reloads.** When `change` returns a task, the parameters are held back until the task is done: frames are not put
    meanwhile and outputs are dropped, unless the parameter `show_reloading_frame` is False. A task that fails ends
    the process, and a new one loads.

    **Errors.** What `put`, `get` and `change` raise is told in an event that begins with `Error processing input
    frame: `, `Error processing output frame: ` or `Error updating params: `, and the loop goes on. A `get` that raises
    again and again is called less and less often, at least four times a second. In a run of a file, what `put` and
    `get` raise ends the process, as with `process`.
    """

    max_in_flight: ClassVar[int] = 64
    """How many frames may be inside, put and without an output. Past that the oldest is given up and counted."""
    linger: ClassVar[float] = 2.0
    """Seconds without an output after which, at the end of a recording, the frames still inside are given up."""
    reapplies_initial: ClassVar[bool] = True
    """Whether `change` gets the initial parameters once more when the pipeline is idle: after the load, and after each
    stream."""

    async def start(self, params: dict[str, Any]) -> None:
        """Loads the model. `params` are the initial parameters as they came, valid and unparsed, and maybe none."""
        raise NotImplementedError(f"{type(self).__name__} has no `start` method")

    async def put(self, frame: VideoFrame, request_id: str) -> None:
        """Takes one frame: works on it, or only keeps it for `get`. Its time comes back in the output."""
        raise NotImplementedError(f"{type(self).__name__} has no `put` method")

    async def get(self) -> Output:
        """Waits for the next picture. Never returns None."""
        raise NotImplementedError(f"{type(self).__name__} has no `get` method")

    async def change(self, params: dict[str, Any]) -> asyncio.Task[Any] | None:
        """Takes the whole new set of parameters: what is missing in it has its default again.

        Returns None once they hold, or a running task when the model has to load anew. Raise to refuse them; the
        former ones hold then.
        """
        return None

    async def stop(self) -> None:
        """Gives resources back."""

    def process(self, frame: VideoFrame) -> Any:
        """Never called: `put` and `get` stand in for it."""
        raise NotImplementedError("a Decoupled pipeline is driven by `put` and `get`")
