"""Pipelines that the tests run in worker processes."""

import asyncio
import math
import os
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from pydantic import Field, field_validator

import framerill
from framerill import AudioFrame, Pipeline, Skip, Update, VideoFrame


class Noop(Pipeline):
    """Passes every picture on."""

    shareable = True

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame


class Invert(Pipeline):
    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(255 - frame.pixels)


class OwnError(BaseException):
    """Nothing that `except Exception` catches."""


FAILURES = {2: SystemExit("leaving"), 4: KeyError("four"), 5: OwnError("own words"), 6: asyncio.CancelledError()}
WRONG = {8: True, 9: np.zeros((2, 2))}


class Tunable(Pipeline):
    """Adds an amount; a new `model` needs a reload."""

    class Params(framerill.Params):
        amount: int = Field(0, ge=0, le=10, description="What is added")
        model: str = "small"
        ratio: float = Field(0.5, le=1.0)

    def load(self) -> None:
        if self.params.model == "broken":
            raise RuntimeError("the model is broken")
        self.loaded = self.params.model

    def update(self, params) -> Update | None:
        if params.amount == 7:
            raise ValueError("seven is refused")
        if params.amount in FAILURES:
            raise FAILURES[params.amount]
        if params.amount in WRONG:
            return WRONG[params.amount]
        # An enumeration's member and its text are the same answer.
        reload = Update.RELOAD if params.amount else "reload"
        return reload if params.model != self.params.model else None

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame.with_pixels(frame.pixels + np.uint8(self.params.amount + len(self.loaded)))


class Unspeakable(Pipeline):
    """Fails with texts that are none."""

    class Params(framerill.Params):
        text: str = ""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def update(self, params) -> None:
        raise ValueError("half a pair: \ud83d")

    def process(self, frame: VideoFrame) -> VideoFrame:
        raise self.MuteError


class Raises(Pipeline):
    def process(self, frame: VideoFrame) -> VideoFrame:
        return self.deeper()

    def deeper(self):
        raise ValueError("a frame that names itself")


class Nothing(Pipeline):
    def process(self, frame):
        return None


class WrongSize(Pipeline):
    def process(self, frame):
        return frame.with_pixels(np.zeros((2, 2, 3), np.uint8))


class Hangs(Pipeline):
    max_frame_time = 0.2

    def process(self, frame):
        print("hanging", flush=True)
        time.sleep(3600)


class LoadsForEver(Pipeline):
    def load(self) -> None:
        time.sleep(3600)

    def process(self, frame):
        return frame


class Prints(Pipeline):
    def process(self, frame):
        print("said on stdout", sys.stdin.read(1) == "", os.path.realpath("/proc/self/fd/0"))
        return frame


class Doubles(Pipeline):
    """Two answers to each frame, the second one the frame itself."""

    def process(self, frame):
        yield frame.with_pixels(255 - frame.pixels)
        yield frame


class Many(Pipeline):
    """More answers than there are slots."""

    def process(self, frame):
        return [frame.with_pixels(np.full_like(frame.pixels, level)) for level in range(20)]


class Remembers(Pipeline):
    """Says whether it was flushed."""

    def load(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1

    def process(self, frame):
        return frame.with_pixels(np.full_like(frame.pixels, self.flushed))


class Quieter(Pipeline):
    audio = True

    def process(self, frame):
        return Skip("no pictures")

    def process_audio(self, frame: AudioFrame) -> AudioFrame:
        return frame.with_samples(frame.samples // 2)


class Collects(Pipeline):
    """Keeps frames, and lets them go when told so."""

    class Params(framerill.Params):
        keep: bool = True

    def load(self) -> None:
        self.kept = []

    def update(self, params) -> None:
        if not params.keep:
            self.kept.clear()

    def process(self, frame):
        self.kept.append(frame.pixels[::2, ::2])
        return frame


class Talkative(Pipeline):
    """Says things through `logging`."""

    def load(self) -> None:
        import logging

        log = logging.getLogger("talkative")
        log.debug("not said")
        log.info("two\nlines")
        logging.warning("of %s", "the root")
        log.error("%d is told", 7, extra={"report_error": True})
        log.error("never %s %s", "formatted")  # noqa: PLE1206

    def process(self, frame):
        return frame


class Async(Pipeline):
    """Runs a task of its own between frames."""

    async def load(self) -> None:
        import asyncio

        self.ticks = 0
        self.ticking = asyncio.get_running_loop().create_task(self.tick())
        self.ticked = asyncio.Event()

    async def tick(self) -> None:
        import asyncio

        while True:
            await asyncio.sleep(0)
            self.ticks += 1
            self.ticked.set()

    async def process(self, frame):
        await self.ticked.wait()
        return frame.with_pixels(255 - frame.pixels)


if os.environ.get("FRAMERILL_TEST_IMPORT"):
    import no_such_module_anywhere  # noqa: F401


class Batches(Pipeline):
    """Adds to each picture how many came at once; 200 is too much, and 201 answered wrongly."""

    batch_size = 3
    max_wait_ms = 200

    def process(self, frames):
        if any(it.pixels[0, 0, 0] == 200 for it in frames):
            raise ValueError("too much")
        return [
            None if it.pixels[0, 0, 0] == 201 else it.with_pixels(it.pixels + np.uint8(len(frames))) for it in frames
        ]


class Leaves(Pipeline):
    """Fails in ways that `except Exception` does not catch, while a thread of its own goes on."""

    class Params(framerill.Params):
        where: str = "process"

    def load(self) -> None:
        threading.Thread(target=threading.Event().wait, daemon=False).start()
        if self.params.where == "load":
            raise OwnError("own words")

    def process(self, frame: VideoFrame) -> VideoFrame:
        raise OwnError("own words")


class Unlikely(Pipeline):
    """Parameters that JSON does not know."""

    class Params(framerill.Params):
        far: float = math.inf
        raw: bytes = b"\xff"
        call: Callable[[], int] = len
        after: int = Field(default_factory=lambda known: len(known["raw"]))

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame


class FailingRules(Pipeline):
    """Parameters whose own rule fails."""

    class Params(framerill.Params):
        amount: int = 0

        @field_validator("amount")
        @classmethod
        def known(cls, value: int) -> int:
            if value == 4:
                raise SystemExit(value)
            return {0: 0}[value]

    def process(self, frame: VideoFrame) -> VideoFrame:
        return frame
