"""The pipeline that changes nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .frames import VideoFrame, VideoOutput
from .interface import Pipeline

__all__ = ["PassOn"]


MAX_WAITING = 8
"""Pictures that wait to be taken; the next one waits before it is."""


class PassOn(Pipeline):
    """Gives every picture back as it came."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: asyncio.Queue[VideoOutput] = asyncio.Queue(MAX_WAITING)

    async def initialize(self, **params: Any) -> None:
        """Has nothing to load."""
        logging.info(f"Initializing Noop pipeline with params: {params}")

    async def put_video_frame(self, frame: VideoFrame, request_id: str) -> None:
        """Keeps the frame."""
        await self._outputs.put(VideoOutput(frame, request_id))

    async def get_processed_video_frame(self) -> VideoOutput:
        """Gives the oldest frame that is kept, with a picture of its own."""
        output = await self._outputs.get()
        return VideoOutput(output.frame.same(), output.request_id)

    async def update_params(self, **params: Any) -> None:
        """Has nothing to change."""
        logging.info(f"Updating params: {params}")

    async def stop(self) -> None:
        """Forgets what is kept."""
        self._outputs = asyncio.Queue(MAX_WAITING)

    @classmethod
    def prepare_models(cls) -> None:
        """Has no models."""
        logging.info("Noop pipeline has no models to prepare")
