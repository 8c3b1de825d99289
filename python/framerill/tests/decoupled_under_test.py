"""Decoupled pipelines that the tests run in worker processes."""

import asyncio
import logging

import numpy as np
from pydantic import BaseModel

from framerill import VideoFrame
from framerill.decoupled import Decoupled, Output

log = logging.getLogger("said")


class Negative(Decoupled):
    """Answers each frame with its negative, and tells what is called."""

    class Params(BaseModel):
        strength: float = 1.0
        width: int = 512
        show_reloading_frame: bool = True

    async def start(self, params):
        self.frames: asyncio.Queue[VideoFrame] = asyncio.Queue()
        self.loaded = asyncio.Event()
        log.warning("start %s as %s with %s", params, self.pipeline_name, self.params.strength)

    async def put(self, frame, request_id):
        level = int(frame.pixels[0, 0, 0])
        log.warning("put %d of %r", frame.id, request_id)
        if level == 200:
            raise ValueError("two hundred is too much")
        if level == 201:
            await self.loaded.wait()
        await self.frames.put(frame.copy())

    async def get(self):
        frame = await self.frames.get()
        return Output(255 - frame.pixels, frame.pts, frame.time_base)

    async def change(self, params):
        log.warning("change %s", params)
        if params.get("strength") == 7:
            raise ValueError("seven is refused")
        if params.get("strength") == 8:
            return asyncio.create_task(self._reload())
        if params.get("strength") == 11:
            await self.loaded.wait()
        if params.get("strength") == 9:
            return asyncio.create_task(self._break())
        self.loaded.set()
        return None

    async def _reload(self):
        await self.loaded.wait()

    async def _break(self):
        raise RuntimeError("the new model is broken")

    def flush(self):
        self.loaded.set()

    async def stop(self):
        log.warning("stop")


class Raises(Decoupled):
    """Never gives a picture."""

    async def start(self, params):
        self.calls = 0

    async def put(self, frame, request_id):
        pass

    async def get(self):
        self.calls += 1
        if self.calls == 1:
            return
        raise RuntimeError(f"call {self.calls}")


class Keeps(Negative):
    """Keeps all that it is given."""

    max_in_flight = 3

    async def get(self):
        await asyncio.Event().wait()


class Wanders(Negative):
    """Gives pictures twice, late, of unknown times, and of another request."""

    async def start(self, params):
        await super().start(params)
        self.outputs = []

    async def get(self):
        if not self.outputs:
            frame = await self.frames.get()
            if frame.id == 0:
                frame = await self.frames.get()  # nothing for the first
            now = Output(frame.pixels, frame.pts, frame.time_base)
            other = Output(frame.pixels, frame.pts + 1, frame.time_base, "another")
            ticks = (frame.pts, 0, -77)
            self.outputs = [now, other, *(Output(frame.pixels, it, frame.time_base) for it in ticks)]
        return self.outputs.pop(0)


class WrongPicture(Negative):
    """Gives a picture with a channel too few."""

    async def get(self):
        frame = await self.frames.get()
        return Output(frame.pixels[..., :2], frame.pts, frame.time_base)


class Doubled(Negative):
    """Gives pictures of twice the size, as bytes and as floats by turns."""

    async def get(self):
        frame = await self.frames.get()
        large = frame.pixels.repeat(2, axis=0).repeat(2, axis=1)
        if frame.id % 2:
            large = large[None] / np.float32(127.5) - np.float32(1)
        return Output(large, frame.pts, frame.time_base)
