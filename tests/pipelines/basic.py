"""Pipelines of the conformance suite."""

import framerill
import numpy as np
from framerill import Pipeline, VideoFrame
from pydantic import Field


class Invert(Pipeline):
    """Inverts every picture."""

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(255 - frame.pixels)


class Tunable(Pipeline):
    """Adds an amount to every sample."""

    class Params(framerill.Params):
        amount: int = Field(0, ge=0, le=10, description="What is added")

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(frame.pixels + np.uint8(self.params.amount))


class Batched(Pipeline):
    """Inverts four pictures at a time."""

    batch_size = 4

    def process(self, frames: list[VideoFrame]) -> list[VideoFrame]:
        return [frame.with_pixels(255 - frame.pixels) for frame in frames]
