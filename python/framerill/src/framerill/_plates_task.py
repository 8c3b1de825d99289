"""Between the messages of the work link and an author's stage: tasks, pictures, answers. No socket here."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ._caps import Array
from ._pool import PeerPool
from .errors import ContractError, LinkError
from .plates import Box, Later, Plate, Task, Text

CATEGORIES = ("plate_yolo", "ocr")
"""What a stage of one's own can do."""
_MARGIN = (0.08, 0.12)
"""Around a plate, of its width and of its height: what the built-in reader looks at first."""
_LONGEST_TEXT = 32
_MOST_PLATES = 64
_MOST_CROP = 500_000


def outcome(task: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What `done` says of one task."""
    return {"task": task["id"], "result": {"Ok": result}}


def failure(task: dict[str, Any], error: BaseException, text: str) -> dict[str, Any]:
    """The same for one that failed."""
    is_transient = isinstance(error, (Later, OSError, MemoryError))
    return {"task": task["id"], "result": {"Err": {"reason": text, "is_transient": is_transient}}}


class Pictures:
    """The readers' memory, and the frames of tasks in it."""

    def __init__(self) -> None:
        self._pools: dict[int, PeerPool] = {}

    def lend(self, number: int, pool: PeerPool) -> None:
        """A reader's memory."""
        self._pools[number] = pool

    def gone(self, number: int) -> None:
        """No task names this pool any more."""
        self._pools.pop(number, None)

    def look(self, message: dict[str, Any]) -> Array:
        """A read-only look at a task's whole frame. Its slot is lent as long as the task is this worker's."""
        slot = message.get("frame")
        if not isinstance(slot, dict):
            raise LinkError("the task names no frame")
        pool = self._pools.get(slot["pool"])
        height, width = int(slot["height"]), int(slot["width"])
        if pool is None or not (0 <= slot["slot"] < pool.slots and 0 < height * width * 3 <= pool.slot_bytes):
            raise LinkError(f"slot {slot['slot']} of pool {slot['pool']} cannot be read")
        return pool.array(slot["slot"], (height, width, 3), np.dtype(np.uint8))

    def of(self, message: dict[str, Any]) -> tuple[Task, Array]:
        """A task as an author sees it, and its picture. Raises LinkError."""
        frame = self.look(message)
        payload = message["payload"]
        car = _box(payload["car_bbox"])
        cut, plate = _cut(frame, car), payload.get("plate")
        more: dict[str, Any] = {}
        if plate is not None:
            box = _moved(_box(plate["bbox"]), car)
            corners = plate.get("corners")
            more["plate_box"] = box
            more["plate_conf"] = float(plate["conf"])
            if corners is not None:
                more["plate_corners"] = tuple((float(x) + car[0], float(y) + car[1]) for x, y in corners)
            cut = _cut(_cleaned(frame, payload.get("cleaned")), _grown(box))
        task = Task(
            id=message["id"],
            category=message["category"],
            video_id=message["video_id"],
            frame_idx=message.get("frame_idx"),
            track_id=message.get("track_id"),
            attempt=message.get("attempt", 0),
            car_box=car,
            _frame=frame.copy,
            **more,
        )
        return task, cut


def answer(category: str, said: Any) -> dict[str, Any]:
    """What `process` returned as an output of the work link. Raises ContractError."""
    if category == "ocr":
        return {"stage": "ocr", **_reading(said)}
    if said is None:
        said = ()
    if isinstance(said, (str, bytes)) or not isinstance(said, Iterable):
        raise ContractError(f"`process` has to return a list of framerill.plates.Plate, not {type(said).__name__}")
    plates = [_plate(it) for it in said]
    if len(plates) > _MOST_PLATES:
        raise ContractError(f"`process` returned {len(plates)} plates; {_MOST_PLATES} at most")
    plates.sort(key=lambda it: -float(it["conf"]))
    return {"stage": "plate_detect", "plates": plates}


def _reading(said: Any) -> dict[str, Any]:
    if said is None:
        said = Text("", 0.0)
    if not isinstance(said, Text) or not isinstance(said.text, str):
        raise ContractError(f"`process` has to return a framerill.plates.Text or None, not {type(said).__name__}")
    text = "".join(it for it in said.text.upper() if it.isascii() and it.isalnum())
    if len(text) > _LONGEST_TEXT:
        raise ContractError(f"`process` returned a text of {len(text)} characters; {_LONGEST_TEXT} at most")
    conf = _share(said.conf, "conf") if text else 0.0
    chars = [_share(it, "chars") for it in said.chars] or [conf] * len(text)
    if len(chars) != len(text):
        raise ContractError(f"`process` returned {len(chars)} values of `chars` for {len(text)} characters")
    reading: dict[str, Any] = {"text": text, "conf": conf, "chars": chars}
    if said.crop is not None and text:
        if len(said.crop) > _MOST_CROP:
            raise ContractError(f"`process` returned a crop of {len(said.crop)} bytes; {_MOST_CROP} at most")
        reading["crop"] = base64.b64encode(said.crop).decode()
    return reading


def _plate(said: Any) -> dict[str, Any]:
    if not isinstance(said, Plate):
        raise ContractError(
            f"`process` has to return a list of framerill.plates.Plate, with {type(said).__name__} in it"
        )
    plate: dict[str, Any] = {"bbox": _numbers(said.box, 4, "box"), "conf": _share(said.conf, "conf")}
    plate["lines"] = 2 if said.lines == 2 else 1
    if said.corners is not None:
        if len(said.corners) != 4:
            raise ContractError("`corners` are four points")
        plate["corners"] = [_numbers(it, 2, "corners") for it in said.corners]
    return plate


def _share(value: Any, name: str) -> float:
    number = _numbers((value,), 1, name)[0]
    return min(1.0, max(0.0, number))


def _numbers(values: Any, count: int, name: str) -> list[float]:
    try:
        numbers = [float(it) for it in values]
    except (TypeError, ValueError) as error:
        raise ContractError(f"`{name}` has something in it that is no number") from error
    if len(numbers) != count or not all(math.isfinite(it) for it in numbers):
        raise ContractError(f"`{name}` has to be {count} finite numbers")
    return numbers


def _box(values: Any) -> Box:
    left, top, right, bottom = (float(it) for it in values)
    return left, top, right, bottom


def _moved(box: Box, by: Box) -> Box:
    return box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]


def _grown(box: Box) -> Box:
    across, down = _MARGIN[0] * (box[2] - box[0]), _MARGIN[1] * (box[3] - box[1])
    return box[0] - across, box[1] - down, box[2] + across, box[3] + down


def _cleaned(frame: Array, made: Any) -> Array:
    """The frame with the plate that was made clean in it; the frame itself where none was. Raises LinkError."""
    if made is None:
        return frame
    left, top, width, height = (int(made["region"][it]) for it in ("x", "y", "width", "height"))
    pixels = np.frombuffer(base64.b64decode(made["rgb"], validate=True), np.uint8)
    is_inside = left >= 0 and top >= 0 and top + height <= frame.shape[0] and left + width <= frame.shape[1]
    if not is_inside or width <= 0 or height <= 0 or pixels.size != width * height * 3:
        raise LinkError("what was made clean does not fit its frame")
    frame = frame.copy()
    frame[top : top + height, left : left + width] = pixels.reshape(height, width, 3)
    return frame


def _cut(frame: Array, box: Box) -> Array:
    """A copy of the part of a frame that is inside; at least a pixel."""
    height, width = frame.shape[:2]
    left, right = _span(box[0], box[2], width)
    top, bottom = _span(box[1], box[3], height)
    cut: Array = frame[top:bottom, left:right].copy()
    return cut


def _span(start: float, end: float, size: int) -> tuple[int, int]:
    first = min(max(round(start), 0), size - 1)
    return first, min(max(round(end), first + 1), size)
