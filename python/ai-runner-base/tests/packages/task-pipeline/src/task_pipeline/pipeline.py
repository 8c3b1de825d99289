"""Written for `runner.*`: several outputs for an input, and reloads by a task."""

import asyncio
import logging

import numpy as np

from runner.live.pipelines import Pipeline
from runner.live.trickle import VideoFrame, VideoOutput

from .params import TaskParams


class TaskPipeline(Pipeline):
    """Level pictures of the brightness that is asked for."""

    def __init__(self):
        super().__init__()
        self.outputs: asyncio.Queue[VideoOutput] = asyncio.Queue()
        self.params = TaskParams()

    async def initialize(self, **params):
        """Loads the model."""
        self.params = TaskParams(**params)

    async def put_video_frame(self, frame: VideoFrame, request_id: str):
        """Makes all outputs of a frame at once."""
        # Its shape without its tensor, which would need torch.
        picture = np.full((1, *frame.untouched.shape), self.params.brightness, np.float32)
        for nth in range(self.params.copies):
            time = frame.timestamp + nth * 3000 // self.params.copies
            await self.outputs.put(VideoOutput(VideoFrame(picture, time, frame.time_base), request_id))

    async def get_processed_video_frame(self) -> VideoOutput:
        """The oldest one."""
        return await self.outputs.get()

    async def update_params(self, **params):
        """Another model needs a reload, all else holds at once."""
        new = TaskParams(**params)
        if new.model == self.params.model:
            self.params = new
            return None
        return asyncio.create_task(self._reload(new))

    async def _reload(self, params):
        logging.info(f"reloading {params.model}")
        await asyncio.sleep(0)
        self.params = params

    @classmethod
    def prepare_models(cls):
        """Nothing to fetch."""
        print("prepared")
