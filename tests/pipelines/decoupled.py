"""Pipelines that take frames in one loop and give pictures in another. What they finish is a negative."""

import asyncio
import sys
from typing import Any

from framerill import VideoFrame
from framerill.decoupled import Decoupled, Output
from pydantic import BaseModel


class Queued(Decoupled):
    """Keeps a few frames inside, and says what it is told."""

    keeps = 3

    class Params(BaseModel):
        model: str = "first"
        fails: str = ""
        width: int = 512
        height: int = 512
        show_reloading_frame: bool = True

    async def start(self, params: dict[str, Any]) -> None:
        self.say("start", params)
        self.model = params.get("model", "first")
        self.frames: asyncio.Queue[VideoFrame] = asyncio.Queue()
        self.outputs: list[Output] = []

    async def put(self, frame: VideoFrame, request_id: str) -> None:
        if self.params.fails == "put":
            raise ValueError("it is not taken")
        await self.frames.put(frame.copy())

    async def get(self) -> Output:
        if self.params.fails == "get":
            raise ValueError("it is not given")
        while not self.outputs:
            while self.frames.qsize() <= self.keeps:
                await asyncio.sleep(0.005)
            self.outputs = self.made_of(await self.frames.get())
        return self.outputs.pop(0)

    def made_of(self, frame: VideoFrame) -> list[Output]:
        return [Output(255 - frame.pixels, frame.pts, frame.time_base)]

    async def change(self, params: dict[str, Any]) -> asyncio.Task[None] | None:
        self.say("change", params)
        if params.get("fails") == "change":
            raise ValueError("it is not changed")
        model = params.get("model", "first")
        if model == self.model:
            return None
        return asyncio.create_task(self.reload(model))

    async def reload(self, model: str) -> None:
        await asyncio.sleep(2)
        if model == "broken":
            raise ValueError("the model is not there")
        self.model = model

    def say(self, what: str, params: dict[str, Any]) -> None:
        print(f"{what} with {params}", file=sys.stderr, flush=True)


class Twice(Queued):
    """Gives two pictures for each frame."""

    def made_of(self, frame: VideoFrame) -> list[Output]:
        picture = 255 - frame.pixels
        later = round((frame.seconds + 1 / 60) * 90_000)
        return [
            Output(picture, frame.pts, frame.time_base),
            Output(picture, later, (1, 90_000)),
        ]


class Stops(Queued):
    """Gives nothing any more after a second."""

    keeps = 0
    given = 0

    def made_of(self, frame: VideoFrame) -> list[Output]:
        self.given += 1
        return super().made_of(frame) if self.given < 24 else []


class Echo(Queued):
    """Keeps nothing."""

    keeps = 0
