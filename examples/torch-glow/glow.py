"""A glow with torch: bright areas shine on their surroundings. On a GPU where there is one."""

from typing import Any

import framerill
from framerill import Pipeline, VideoFrame
from pydantic import Field


class Glow(Pipeline):
    """Lets bright areas shine on their surroundings."""

    tensor_range = (0.0, 1.0)
    shareable = True

    class Params(framerill.Params):
        """What can be changed while it runs."""

        strength: float = Field(0.8, ge=0.0, le=2.0, description="How much light is added")
        threshold: float = Field(0.6, ge=0.0, le=1.0, description="From which brightness on areas shine")
        radius: int = Field(8, ge=1, le=64, description="How far they shine, in pixels")

    params: Params

    def load(self) -> None:
        # Imported where it is used: listing and describing this pipeline needs no torch.
        import torch

        self.torch = torch

    def process(self, frame: VideoFrame) -> VideoFrame:
        with self.torch.inference_mode():
            picture = frame.tensor
            bright = (picture - self.params.threshold).clamp_min(0.0)
            light = self.blurred(bright.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            return frame.with_tensor(picture + self.params.strength * light)

    def blurred(self, picture: Any) -> Any:
        """Three box blurs, which come close to a Gaussian one."""
        radius = min(self.params.radius, *(side - 1 for side in picture.shape[-2:]))
        functional = self.torch.nn.functional
        for _ in range(3):
            padded = functional.pad(picture, (radius,) * 4, mode="reflect")
            picture = functional.avg_pool2d(padded, 2 * radius + 1, stride=1)
        return picture
