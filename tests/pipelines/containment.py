"""Pipelines that misbehave in every way that a worker contains: one class a case.

What they answer otherwise is a negative, so that a picture that stands in is known.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import framerill
import numpy as np
from framerill import Pipeline, VideoFrame
from framerill.decoupled import Decoupled, Output
from pydantic import Field

if os.environ.get("FRAMERILL_TEST_IMPORT") == "raises":
    raise ValueError("this module cannot be imported")
if os.environ.get("FRAMERILL_TEST_IMPORT") == "exits":
    os._exit(9)
if os.environ.get("FRAMERILL_TEST_IMPORT") == "segfaults":
    ctypes.string_at(0)


class Once(Pipeline):
    """Misbehaves at one frame, in the first life of its worker if a file marks it."""

    class Params(framerill.Params):
        at: int = Field(20, ge=0, description="The frame")
        marker: str = Field("", description="File that says that it was so already")

    def process(self, frame: VideoFrame):
        if frame.id == self.params.at and self._is_first():
            return self.misbehave(frame)
        return self.negative(frame)

    def negative(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(255 - frame.pixels)

    def _is_first(self) -> bool:
        if not self.params.marker:
            return True
        try:
            with open(self.params.marker, "x"):
                return True
        except FileExistsError:
            return False

    def misbehave(self, frame: VideoFrame):
        raise NotImplementedError


class Asked(Once):
    """Misbehaves as the class does whose name lies in a file, once."""

    def process(self, frame: VideoFrame):
        if not hasattr(self, "first"):
            self.first = frame
        mailbox = os.environ["FRAMERILL_TEST_MAILBOX"]
        try:
            with open(mailbox) as asked:
                case = asked.read()
        except OSError:
            return self.negative(frame)
        os.unlink(mailbox)
        return globals()[case].misbehave(self, frame)


# Crashes


class Raises(Once):
    def misbehave(self, frame):
        raise ValueError("the frame is wrong in a way that names itself")


class Segfaults(Once):
    def misbehave(self, frame):
        ctypes.string_at(0)


class Aborts(Once):
    def misbehave(self, frame):
        os.abort()


class ExitsWith0(Once):
    def misbehave(self, frame):
        os._exit(0)


class ExitsWith7(Once):
    def misbehave(self, frame):
        os._exit(7)


class ExitsWith2(Once):
    def misbehave(self, frame):
        os._exit(2)


class SysExits(Once):
    def misbehave(self, frame):
        sys.exit("enough")


class LoadRaises(Pipeline):
    def load(self):
        raise ValueError("the model is not there")

    def process(self, frame):
        return frame


class LoadSegfaults(LoadRaises):
    def load(self):
        ctypes.string_at(0)


class LoadExits(LoadRaises):
    def load(self):
        os._exit(7)


# Endless


class Sleeps(Once):
    def misbehave(self, frame):
        time.sleep(3600)


class Spins(Once):
    """Python code that never ends, which lets other threads run now and then."""

    def misbehave(self, frame):
        while True:
            pass


class HoldsTheLock(Once):
    """Native code that never ends and never lets other threads run."""

    def misbehave(self, frame):
        ctypes.PyDLL(None).sleep(3600)


class BlocksItsLoop(Decoupled):
    """Async code that blocks its loop for ever."""

    class Params(framerill.Params):
        at: int = 20
        marker: str = ""

    async def start(self, params):
        self.frames = asyncio.Queue()

    async def put(self, frame, request_id):
        if frame.id == self.params.at:
            time.sleep(3600)  # noqa: ASYNC251  this is the case
        await self.frames.put(frame.copy())

    async def get(self):
        frame = await self.frames.get()
        return Output(255 - frame.pixels, frame.pts, frame.time_base)


class EndlessThread(Once):
    """A thread that never ends, while the frames go on."""

    def misbehave(self, frame):
        threading.Thread(target=time.sleep, args=(3600,)).start()
        threading.Thread(target=_spin, daemon=False).start()
        return self.negative(frame)


def _spin():
    while True:
        time.sleep(0.0001)


class ClosesNever(Once):
    """A `close` that never comes back."""

    def misbehave(self, frame):
        return self.negative(frame)

    def close(self):
        time.sleep(3600)


# Memory and processes


class Grows(Once):
    """Takes memory and keeps it, a little with each moment, so that somebody may look."""

    def misbehave(self, frame):
        self.kept = []
        while True:
            self.kept.append(np.ones(8 << 20, np.uint8))
            time.sleep(0.005)


class GrowsInAChild(Once):
    """The same in a process that it started."""

    def misbehave(self, frame):
        code = "import time; kept = b'x' * (600 << 20); time.sleep(3600)"
        subprocess.run([sys.executable, "-c", code], check=False)


class GrowsAtOnce(Once):
    """Asks for far more than there may be, in one go."""

    def misbehave(self, frame):
        np.empty(64 << 30, np.uint8)
        return self.negative(frame)


class LoadsMuch(LoadRaises):
    """A model that is larger than its memory may be."""

    def load(self):
        self.model = np.ones(600 << 20, np.uint8)
        time.sleep(60)


class TellsItsBound(Once):
    """Says how much it may map to write."""

    def misbehave(self, frame):
        bound, _ = resource.getrlimit(resource.RLIMIT_DATA)
        raise ValueError(
            f"{'unlimited' if bound == resource.RLIM_INFINITY else bound} bytes"
        )


class ForksWithoutEnd(Once):
    """One child after another, none of which ends."""

    def misbehave(self, frame):
        while True:
            if not os.fork():
                time.sleep(3600)
            time.sleep(0.001)


class ForkBomb(Once):
    """Twice as many every moment."""

    def misbehave(self, frame):
        while True:
            with contextlib.suppress(OSError):
                os.fork()
            time.sleep(0.03)


class Forks(Once):
    """Forks children that live on, in sessions of their own, and one that goes on with the same code as the worker."""

    def misbehave(self, frame):
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            time.sleep(3600)
        if not os.fork():
            return self.negative(frame)
        subprocess.Popen(["sleep", "987654"], start_new_session=True)
        return self.negative(frame)


# Output


class PrintsMuch(Once):
    """50 MB in one line on each way, and 20 MB in many lines."""

    def misbehave(self, frame):
        print("o" * (50 << 20))
        print("e" * (50 << 20), file=sys.stderr)
        logging.getLogger("much").warning("l" * (50 << 20))
        for n in range(200_000):
            print(n, "x" * 90)
        for n in range(20_000):
            logging.getLogger("much").warning("%d %s", n, "x" * 90)
        return self.negative(frame)


class PrintsAndDies(Once):
    """Megabytes of lines, and then why it dies."""

    def misbehave(self, frame):
        for n in range(200_000):
            print(n, "x" * 90)
        print("the last words")
        os._exit(7)


class WritesToStdout(Once):
    """To descriptor 1, past Python, and from C."""

    def misbehave(self, frame):
        print("printed")
        os.write(1, b"written to 1\n")
        libc = ctypes.CDLL(None)
        libc.puts(b"put by C")
        libc.fflush(None)
        subprocess.run(["echo", "echoed by a child"], check=True)
        sys.__stdout__.buffer.write(b"written raw\n")
        sys.__stdout__.flush()
        return self.negative(frame)


# Descriptors


class ClosesAll(Once):
    def misbehave(self, frame):
        os.closerange(0, 1024)
        return self.negative(frame)


class ClosesStandard(Once):
    def misbehave(self, frame):
        os.closerange(0, 3)
        return self.negative(frame)


class ClosesSockets(Once):
    """Every socket that it has, but not what else is open."""

    def misbehave(self, frame):
        for fd in range(3, 1024):
            try:
                if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                    os.close(fd)
            except OSError:
                pass
        return self.negative(frame)


class TakesOver(Once):
    """Closes everything and opens files in its place."""

    def misbehave(self, frame):
        os.closerange(3, 1024)
        self.files = [os.open(os.devnull, os.O_WRONLY) for _ in range(64)]
        return self.negative(frame)


class ClosesPythons(Once):
    """Python's own streams, which are flushed at the end."""

    def misbehave(self, frame):
        sys.stdout.close()
        sys.stderr = None
        return self.negative(frame)


# Answers


class Late(Once):
    def misbehave(self, frame):
        time.sleep(1)
        return self.negative(frame)


class Twice(Once):
    """The frame that came, twice."""

    def misbehave(self, frame):
        return [frame, frame]


class TwiceTheSame(Once):
    """One output, twice."""

    def misbehave(self, frame):
        out = frame.output()
        np.subtract(255, frame.pixels, out=out)
        answer = frame.with_pixels(out)
        return [answer, answer]


class Stale(Once):
    """A frame that was answered long ago."""

    def process(self, frame):
        if not hasattr(self, "first"):
            self.first = frame
        return super().process(frame)

    def misbehave(self, frame):
        return self.first


class Nothing(Once):
    def misbehave(self, frame):
        return None


class Empty(Once):
    def misbehave(self, frame):
        return []


class Skips(Once):
    def misbehave(self, frame):
        return framerill.Skip("not this one")


class WrongSize(Once):
    def misbehave(self, frame):
        return frame.with_pixels(np.zeros((2, 2, 3), np.uint8))


class WrongDtype(Once):
    def misbehave(self, frame):
        return frame.with_pixels(frame.pixels.astype(np.int64))


class WrongType(Once):
    def misbehave(self, frame):
        return "picture"


class NotANumber(Once):
    """A float picture of nothing but NaN and infinities."""

    pixel_format = "rgbf32"

    def negative(self, frame):
        return frame.with_pixels(1 - frame.pixels)

    def misbehave(self, frame):
        pixels = np.full(frame.pixels.shape, np.nan, np.float32)
        pixels[::2] = np.inf
        pixels[1::4] = -np.inf
        return frame.with_pixels(pixels)


class NotANumberArray(Once):
    """An array of them as the answer."""

    def misbehave(self, frame):
        pixels = np.full(frame.pixels.shape, np.nan, np.float32)
        pixels[::2] = np.inf
        pixels[1::4] = -np.inf
        return pixels


class NotANumberTensor(Once):
    """A tensor of nothing but NaN."""

    def load(self):
        import torch  # noqa: F401  which takes seconds that a frame may not have

    def misbehave(self, frame):
        return frame.with_tensor(frame.tensor * float("nan"))


class Killed(Once):
    def misbehave(self, frame):
        os.kill(os.getpid(), signal.SIGKILL)
