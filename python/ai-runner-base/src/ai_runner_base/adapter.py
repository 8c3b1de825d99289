"""From an ai-runner pipeline to one that framerill's worker runs."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, cast

from framerill.decoupled import Decoupled, Output

from .frames import VideoFrame, VideoOutput
from .interface import Pipeline, made
from .log import log_passage
from .params import BaseParams

if TYPE_CHECKING:
    from framerill import VideoFrame as Lent

__all__ = ["adapted"]

_log = logging.getLogger("ai_runner")
_SAID: dict[str, Any] = {"summary": str, "history": int, "max_frame_time": (int, float), "device": str}
"""What a class may say to framerill about itself. An attribute of another type is its author's own affair."""


class _Adapter(Decoupled):
    """Runs the pipeline `_kind`. Its methods are the calls of the contract and nothing more."""

    # Such pipelines have queues, and whoever writes one knows of no `history`. A slot costs memory once it is used,
    # as the copy in its place would.
    history: ClassVar[int] = 16
    _kind: ClassVar[type[Pipeline]]
    _size_method: ClassVar[str] = "get_output_resolution"

    @classmethod
    def output_size(cls, params: Any, width: int, height: int) -> tuple[int, int] | None:
        """What `get_output_resolution` says, where the parameters have one of their own."""
        own = getattr(type(params), "get_output_resolution", BaseParams.get_output_resolution)
        if own is BaseParams.get_output_resolution:
            return None
        size: tuple[int, int] = params.get_output_resolution()
        if size is None:
            raise TypeError("it returns None")
        return size

    async def start(self, params: dict[str, Any]) -> None:
        """Makes the pipeline and awaits its `initialize`."""
        self._pipeline = made(self._kind, self.pipeline_name)
        await self._pipeline.initialize(**params)

    async def put(self, frame: Lent, request_id: str) -> None:
        """One call of `put_video_frame`."""
        now = time.time()
        mine = VideoFrame.of(frame, {"frame_init": now, "pre_process_frame": now})
        await self._pipeline.put_video_frame(mine, request_id)

    async def get(self) -> Output:
        """One call of `get_processed_video_frame`."""
        output = await self._pipeline.get_processed_video_frame()
        if not isinstance(output, VideoOutput):
            raise TypeError(f"get_processed_video_frame returns a VideoOutput, not {_kind_of(output)}")
        output.log_timestamps["post_process_frame"] = time.time()
        if _log.isEnabledFor(logging.DEBUG):
            log_passage(_log, "video", output.log_timestamps)
        return Output(_picture(output.frame), output.timestamp, output.time_base, output.request_id)

    async def change(self, params: dict[str, Any]) -> asyncio.Task[Any] | None:
        """One call of `update_params`."""
        task: Any = await self._pipeline.update_params(**params)
        if not (task is None or isinstance(task, asyncio.Future)):
            raise TypeError(f"update_params returns None or a running task, not {_kind_of(task)}")
        return cast("asyncio.Task[Any] | None", task)

    async def stop(self) -> None:
        """One call of `stop`, of a pipeline that was made. What it raises is logged alone: it ends all the same."""
        pipeline = getattr(self, "_pipeline", None)
        if pipeline is None:
            return
        try:
            await pipeline.stop()
        except Exception:  # noqa: BLE001  the border to the author's `stop`
            _log.exception("the pipeline's `stop` failed")

    @classmethod
    def prepare_models(cls) -> Any:
        """The pipeline's own `prepare_models`, which may be async."""
        return cls._kind.prepare_models()


@cache
def adapted(kind: type[Pipeline], name: str | None = None) -> type[Decoupled]:
    """A class for framerill's worker that runs `kind`; `name` is what it was asked for by."""
    from .loader import params_of

    members = {
        "__doc__": kind.__dict__.get("__doc__"),
        "__module__": kind.__module__,
        "_kind": kind,
        "Params": params_of(kind, name),
        "tensor_range": kind.tensor_range,
    }
    for attribute, types in _SAID.items():
        value = getattr(kind, attribute, None)
        if isinstance(value, types) and not isinstance(value, bool):
            members[attribute] = value
    return type(kind.__name__, (_Adapter,), members)


def _picture(frame: VideoFrame) -> Any:
    pixels = frame.untouched
    picture = frame.tensor if pixels is None else pixels
    if picture is None:
        raise TypeError("the output's frame has no tensor")
    return picture


def _kind_of(value: object) -> str:
    return "None" if value is None else f"`{type(value).__name__}`"
