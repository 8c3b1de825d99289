"""A cartoon look with OpenCV: flat areas, dark outlines. Parameters change while it runs."""

import cv2
import framerill
import numpy as np
from framerill import Pipeline, VideoFrame
from pydantic import Field


class Stylise(Pipeline):
    """Draws a cartoon: flat colours and dark outlines."""

    shareable = True

    class Params(framerill.Params):
        """What can be changed while it runs."""

        smoothing: float = Field(40.0, ge=1.0, le=200.0, description="How far colours run together, in pixels")
        flatness: float = Field(0.4, ge=0.0, le=1.0, description="How different colours may be that run together")
        outline: float = Field(0.7, ge=0.0, le=1.0, description="How dark outlines are; 0 for none")
        levels: int = Field(12, ge=2, le=64, description="Steps of brightness")

    params: Params

    def process(self, frame: VideoFrame) -> VideoFrame:
        params = self.params
        flat = cv2.edgePreservingFilter(
            frame.pixels, flags=cv2.RECURS_FILTER, sigma_s=params.smoothing, sigma_r=params.flatness
        )
        flat = cv2.LUT(flat, self.steps())
        out = frame.output()
        np.multiply(flat, self.ink(frame.pixels)[..., None], out=out, casting="unsafe")
        return frame.with_pixels(out)

    def steps(self) -> np.ndarray:
        """For each of the 256 levels the one of `levels` that it becomes."""
        levels = self.params.levels
        return (np.arange(256) * levels // 256 * 255 // (levels - 1)).astype(np.uint8)

    def ink(self, pixels: np.ndarray) -> np.ndarray:
        """What is left of the light at each pixel, 0..1: less along edges."""
        gray = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (5, 5), 0)
        across = cv2.Sobel(gray, cv2.CV_32F, 1, 0)
        down = cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        edges: np.ndarray = np.clip(cv2.magnitude(across, down) / 160.0, 0.0, 1.0)
        return 1.0 - self.params.outline * edges
