"""Inverts every picture, in the memory that the answer travels in."""

import numpy as np
from framerill import Pipeline, VideoFrame


class Invert(Pipeline):
    """Inverts every picture."""

    shareable = True

    def process(self, frame: VideoFrame) -> VideoFrame:
        out = frame.output()
        np.subtract(255, frame.pixels, out=out)
        return frame.with_pixels(out)
