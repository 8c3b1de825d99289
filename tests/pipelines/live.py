"""Pipelines of the live tests. What they finish is a negative, so that a picture that stands in is known."""

import time

import framerill
from framerill import Pipeline, VideoFrame
from pydantic import Field


class Negative(Pipeline):
    """Inverts every picture, after a while."""

    class Params(framerill.Params):
        seconds: float = Field(
            0.0, ge=0, le=10, description="How long each picture takes"
        )

    def process(self, frame: VideoFrame) -> VideoFrame:
        if self.params.seconds:
            time.sleep(self.params.seconds)
        return frame.with_pixels(255 - frame.pixels)


class Tuned(Pipeline):
    """Inverts pictures when told to."""

    class Params(framerill.Params):
        negative: bool = False
        level: int = Field(0, ge=0, le=10)
        width: int = Field(512, ge=64, le=2048)
        height: int = Field(512, ge=64, le=2048)
        note: str = ""

    def process(self, frame: VideoFrame) -> VideoFrame:
        if self.params.negative:
            return frame.with_pixels(255 - frame.pixels)
        return frame


class Raises(Pipeline):
    """Raises at every picture from the one on that is named."""

    class Params(framerill.Params):
        first: int = Field(0, ge=0)

    def process(self, frame: VideoFrame) -> VideoFrame:
        if frame.id >= self.params.first:
            raise ValueError("this picture is wrong")
        return frame.with_pixels(255 - frame.pixels)


class NeverLoads(Pipeline):
    """Raises while it loads."""

    def load(self) -> None:
        raise ValueError("the model is not there")

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame


class LoadsSlowly(Negative):
    """Takes two seconds to load."""

    def load(self) -> None:
        time.sleep(2)


class Hangs(Negative):
    """Never comes back from one picture of its first life."""

    class Params(Negative.Params):
        marker: str = ""
        at: int = Field(60, ge=0)

    def process(self, frame: VideoFrame) -> VideoFrame:
        if self.params.marker and frame.id >= self.params.at:
            try:
                with open(self.params.marker, "x"):
                    pass
                time.sleep(3600)
            except FileExistsError:
                pass
        return super().process(frame)
