"""The pipeline that an author writes. The roots `app` and `runner` each have a `Pipeline` of their own range."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from .frames import VideoFrame, VideoOutput
from .params import BaseParams

if TYPE_CHECKING:
    from framerill import Pipeline as Runnable

__all__ = ["BaseParams", "Pipeline"]


class Pipeline(ABC):
    """A live pipeline: pictures are put in by one loop and taken out by another, in one asyncio loop and one thread.

    `initialize` is awaited first. Then three loops take turns at each `await`: `put_video_frame`, one frame at a time;
    `get_processed_video_frame`, again as soon as it has returned; `update_params`, also while a put is suspended.
    An exception is told as an event, and its loop goes on. Nothing may block: work that takes long goes to a thread.
    """

    Params: ClassVar[type[BaseParams]] = BaseParams
    """What parameters are checked with."""
    tensor_range: ClassVar[tuple[float, float]]
    """Black and white in `VideoFrame.tensor`, given and taken."""
    pipeline_name: str | None = None
    """The name that the pipeline was asked for by; set before `__init__`."""

    def __init__(self) -> None:  # noqa: B027  authors call it, or not
        """Needs no arguments and need not be called."""

    @abstractmethod
    async def initialize(self, **params: Any) -> None:
        """Loads the model and warms it up. Gets the initial parameters as they came, maybe none."""

    @abstractmethod
    async def put_video_frame(self, frame: VideoFrame, request_id: str) -> None:
        """Takes one frame: works on it, or keeps it for `get_processed_video_frame`."""

    @abstractmethod
    async def get_processed_video_frame(self) -> VideoOutput:
        """Waits for the next output. Its time is its input's, or between it and the next one's."""

    @abstractmethod
    async def update_params(self, **params: Any) -> asyncio.Task[None] | None:
        """Takes a whole new set of parameters: what is not in it has its default again.

        Returns None once they hold, or a running task when a reload is in progress; an overlay is shown until it is
        done. Raise to refuse them, and keep the former ones.
        """

    async def stop(self) -> None:
        """Gives resources back; awaited once, at the end of the process."""
        return

    @classmethod
    @abstractmethod
    def prepare_models(cls) -> None:
        """Downloads or compiles what `initialize` needs. Runs apart from any stream; may be async."""

    @classmethod
    def __framerill_pipeline__(cls, name: str | None = None) -> type[Runnable]:
        from .adapter import adapted

        return adapted(cls, name)


def made(kind: type[Pipeline], name: str | None) -> Pipeline:
    """A new instance, not initialized, that knows by which name it was asked for."""
    pipeline = kind.__new__(kind)
    if name:
        with suppress(AttributeError):  # a class may have a property of that name
            pipeline.pipeline_name = name
    pipeline.__init__()  # type: ignore[misc]
    return pipeline
