"""The pipeline of `framerill demo`: edit it and run it again.

    framerill run clip.mp4 --pipeline out/demo_pipeline.py --params '{"levels": 3}'
"""

import numpy as np
from pydantic import Field

from framerill import Params, Pipeline, VideoFrame


class Neon(Pipeline):
    """Few colours, bright outlines on a dark picture."""

    class Params(Params):
        levels: int = Field(4, ge=2, le=16, description="Shades of each colour")
        glow: float = Field(1.6, ge=0.0, le=4.0, description="Strength of the outlines")

    def process(self, frame: VideoFrame) -> VideoFrame:
        picture = frame.pixels
        luma = picture.astype(np.int16).sum(axis=2) // 3
        edge = np.zeros_like(luma)
        edge[:, 1:] += np.abs(np.diff(luma, axis=1))
        edge[1:, :] += np.abs(np.diff(luma, axis=0))
        step = 256 // self.params.levels
        flat = (picture // step) * (step // 2)
        glow = (edge[..., None] * self.params.glow * np.array([0.6, 1.0, 1.4])).astype(np.int16)
        return frame.with_pixels(np.clip(flat + glow, 0, 255).astype(np.uint8))
