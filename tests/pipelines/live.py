"""Pipelines of the live tests. What they finish is a negative, so that a picture that stands in is known."""

import os
import resource
import time

import framerill
from framerill import Pipeline, Update, VideoFrame
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


class SharedTuned(Tuned):
    """The same for several streams at once."""

    shareable = True


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


class LoadsFile(Negative):
    """Has a model in a file."""

    class Params(Negative.Params):
        model: str = ""

    def load(self) -> None:
        if self.params.model:
            with open(self.params.model) as model:
                model.read()


class _Once(Negative):
    """Fails at one picture of its first life, which a file marks."""

    class Params(Negative.Params):
        marker: str = ""
        at: int = Field(60, ge=0)

    def process(self, frame: VideoFrame) -> VideoFrame:
        if self.params.marker and frame.id >= self.params.at and self._is_first():
            self.fail()
        return super().process(frame)

    def _is_first(self) -> bool:
        try:
            with open(self.params.marker, "x"):
                return True
        except FileExistsError:
            return False

    def fail(self) -> None:
        raise NotImplementedError


class Hangs(_Once):
    """Never comes back."""

    def fail(self) -> None:
        time.sleep(3600)


class WantsTooMuch(_Once):
    """Wants more memory than its process may have."""

    def load(self) -> None:
        with open("/proc/self/statm") as sizes:
            pages = int(sizes.read().split()[0])
        most = pages * resource.getpagesize() + (512 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def fail(self) -> None:
        _hoard(4 << 30)


class Balloons(_Once):
    """Takes memory, far more than before, and goes on holding it."""

    def fail(self) -> None:
        self.hoard = _hoard(768 << 20)
        time.sleep(3600)


def _hoard(size: int) -> list[bytes]:
    part = 16 << 20
    return [b"x" * part for _ in range(size // part)]


class Dies(Negative):
    """Its process ends at the first picture with parameters that it does not survive."""

    class Params(Negative.Params):
        deadly: bool = False

    def process(self, frame: VideoFrame) -> VideoFrame:
        if self.params.deadly:
            os._exit(7)
        return super().process(frame)


class SharedDies(Dies):
    """The same for several streams at once."""

    shareable = True


class Reloads(Negative):
    """Loads anew when it is to use another model, which takes a second, fails or never comes back."""

    class Params(Negative.Params):
        model: str = "first"

    def load(self) -> None:
        if self.params.model == "broken":
            raise ValueError("the model is not there")
        if self.params.model != "first":
            time.sleep(3600 if self.params.model == "endless" else 1)

    def update(self, params: Params) -> Update | None:
        return Update.RELOAD if params.model != self.params.model else None


class Shared(Negative):
    """Streams may share it; one of them has pictures that its process does not survive."""

    shareable = True

    def process(self, frame: VideoFrame) -> VideoFrame:
        if frame.width == 576 and frame.id % 24 == 23:
            os._exit(7)
        return super().process(frame)
