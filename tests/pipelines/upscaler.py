"""Upscalers: what they give is larger than what they get. `Larger` is written for ai-runner, `Doubles` for framerill."""

import asyncio
import os
from pathlib import Path
from typing import Any

import framerill
import numpy as np
from app.live.pipelines.interface import BaseParams
from app.live.pipelines.interface import Pipeline as Theirs
from app.live.pipelines.trickle import VideoFrame, VideoOutput

if "IMPORT_GATE" in os.environ:
    # Until somebody opens the pipe.
    Path(os.environ["IMPORT_GATE"]).read_bytes()


class LargerParams(BaseParams):
    factor: int = 2
    level: int = 0
    says: Any = None

    def get_output_resolution(self) -> tuple[int, int]:
        if self.says == "raise":
            raise RuntimeError("no such model")
        if self.says is not None:
            said: tuple[int, int] = self.says
            return said
        return self.width * self.factor, self.height * self.factor


class Larger(Theirs):
    """Repeats pixels. With the variable GATE it loads until a file of that name is there."""

    Params = LargerParams

    async def initialize(self, **params: Any) -> None:
        self.outputs: asyncio.Queue[VideoOutput] = asyncio.Queue()
        await self.update_params(**params)
        gate = os.environ.get("GATE")
        if gate is not None:
            Path(gate + ".reached").touch()
            while not Path(gate).exists():
                await asyncio.sleep(0.01)

    async def put_video_frame(self, frame: VideoFrame, request_id: str) -> None:
        pixels = np.array(frame.untouched)
        larger = pixels.repeat(self.factor, 0).repeat(self.factor, 1)
        await self.outputs.put(VideoOutput(frame.replace_tensor(larger), request_id))

    async def get_processed_video_frame(self) -> VideoOutput:
        return await self.outputs.get()

    async def update_params(self, **params: Any) -> None:
        self.factor = LargerParams(**params).factor

    @classmethod
    def prepare_models(cls) -> None:
        pass


class Doubles(framerill.Pipeline):
    """Doubles both sides; every third frame passes as it is."""

    class Params(framerill.Params):
        factor: int = 2

    @classmethod
    def output_size(cls, params: Any, width: int, height: int) -> tuple[int, int]:
        return width * params.factor, height * params.factor

    def process(self, frame: framerill.VideoFrame) -> framerill.VideoFrame:
        if frame.id % 3 == 2:
            return frame
        out = frame.output()
        factor = self.params.factor
        out[:] = frame.pixels.repeat(factor, 0).repeat(factor, 1)
        return frame.with_pixels(out)
