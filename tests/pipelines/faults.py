"""Pipelines that fail in every way that a run has to survive."""

import os
import signal
import sys
import time

import framerill
import numpy as np
from framerill import Pipeline, Skip, VideoFrame
from pydantic import Field


class _At(Pipeline):
    """Fails at some frames."""

    class Params(framerill.Params):
        at: list[int] = Field([40], description="Frames that fail")

    def process(self, frame: VideoFrame) -> VideoFrame:
        if frame.id in self.params.at:
            return self.fail(frame)
        return frame.with_pixels(255 - frame.pixels)

    def fail(self, frame):
        raise NotImplementedError


class Raises(_At):
    """Raises."""

    def fail(self, frame):
        raise ValueError("the frame is wrong in a way that names itself")


class Exits(_At):
    """Leaves the process."""

    def fail(self, frame):
        os._exit(7)


class Killed(_At):
    """Kills its own process."""

    def fail(self, frame):
        os.kill(os.getpid(), signal.SIGKILL)


class Segfaults(_At):
    """Touches memory that is not there."""

    def fail(self, frame):
        import ctypes

        ctypes.string_at(0)


class Hangs(_At):
    """Never comes back."""

    def fail(self, frame):
        print("hangs at", frame.id, flush=True)
        time.sleep(3600)


class WrongSize(_At):
    """Answers with a smaller picture."""

    def fail(self, frame):
        return frame.with_pixels(np.zeros((2, 2, 3), np.uint8))


class WrongType(_At):
    """Answers with something that is no frame."""

    def fail(self, frame):
        return "picture"


class Nothing(_At):
    """Answers with None."""

    def fail(self, frame):
        return None


class Skips(_At):
    """Chooses not to answer."""

    def fail(self, frame):
        return Skip("not this one")


class Slow(Pipeline):
    """Takes its time."""

    class Params(framerill.Params):
        seconds: float = Field(0.01, ge=0, le=10)

    def process(self, frame: VideoFrame) -> VideoFrame:
        time.sleep(self.params.seconds)
        return frame


class Prints(Pipeline):
    """Prints to stdout and stderr."""

    def process(self, frame: VideoFrame) -> VideoFrame:
        print("said on stdout", frame.id)
        print("said on stderr", frame.id, file=sys.stderr)
        return frame


class Holds(Pipeline):
    """Holds far more frames than its history."""

    def load(self) -> None:
        self.held = []

    def process(self, frame: VideoFrame) -> VideoFrame:
        self.held.append(frame.pixels)
        return frame


class Spawns(Pipeline):
    """Leaves a grandchild in a session of its own."""

    def load(self) -> None:
        import subprocess

        subprocess.Popen(["sleep", "987654"], start_new_session=True)

    def process(self, frame: VideoFrame) -> VideoFrame:
        time.sleep(0.01)
        return frame
