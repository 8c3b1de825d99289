"""A stage of your own in a run of `framerill plates`: one class that does a category of work, and nobody else does it.

::

    from framerill.plates import Stage, Text

    class Mine(Stage):
        def load(self):
            self.model = ...

        def process(self, task, picture):
            return Text("AB123CD", 0.9)

`framerill plates run videos --stage ocr=./mine.py:Mine` runs it in a worker process of its own, which is started anew
when it dies. What `process` raises fails its task alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._caps import Array

__all__ = ["Stage", "Task", "Text", "Plate", "Later", "Box", "Corners"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
Corners = tuple[tuple[float, float], ...]
"""Top left, top right, bottom right, bottom left, in pixels."""


class Later(Exception):  # noqa: N818  what it asks for
    """Raised by `process` for what may do another time: the task is tried twice more. An `OSError` means the same."""


@dataclass(frozen=True)
class Task:
    """What a picture is of. Boxes and corners are in pixels of the frame."""

    id: int
    category: str
    """`ocr` or `plate_yolo`."""
    video_id: str
    frame_idx: int | None
    track_id: int | None
    attempt: int
    """How often the task was begun before."""
    car_box: Box
    """The part of the frame that is a vehicle, or all of it where none was found."""
    plate_box: Box | None = None
    """Of `ocr`: where the plate is."""
    plate_corners: Corners | None = None
    """Of `ocr`: the plate's corners, where the detector tells them."""
    plate_conf: float | None = None
    """Of `ocr`: the detector's confidence, 0 to 1."""
    _frame: Callable[[], Array] | None = field(default=None, repr=False, compare=False)

    @property
    def frame(self) -> Array:
        """The whole frame: (height, width, 3) `uint8`, red, green, blue. A copy of its own, made at each call."""
        if self._frame is None:
            raise AttributeError("this task has no frame")
        return self._frame()


@dataclass(frozen=True)
class Text:
    """What `ocr` answers: what stands on the plate."""

    text: str
    """Anything but letters `A` to `Z` and digits is left out; empty when nothing can be read."""
    conf: float
    """How sure the least sure character is, 0 to 1: the vote over a vehicle's readings goes by it."""
    chars: tuple[float, ...] = ()
    """How sure each character is; `conf` for each when there are none."""
    crop: bytes | None = None
    """A picture of the plate to keep with the record, as JPEG."""


@dataclass(frozen=True)
class Plate:
    """What `plate_yolo` answers, any number of them: a plate in the picture."""

    box: Box
    """In pixels of the picture that `process` was given."""
    conf: float
    """0 to 1; the surest plate of a vehicle is read."""
    corners: Corners | None = None
    """In pixels of the picture, where they are known."""
    lines: int = 1
    """Lines of text: 1 or 2."""


class Stage:
    """A category of work. One object a process; tasks come one after the other, on one thread.

    Keep nothing between tasks that an answer depends on: any worker may get the next one, and this one may be gone.
    """

    category: ClassVar[str] = ""
    """What it is for, `ocr` or `plate_yolo`, to have a mistake in `--stage` told; empty is any."""

    def load(self) -> None:
        """Opens models and files. Called once, in the worker; what it raises is told, and tried again after a pause."""

    def process(self, task: Task, picture: Array) -> Any:
        """The answer to one task: a `Text`, or None when nothing can be read; for `plate_yolo` a list of `Plate`.

        `picture` is (height, width, 3) `uint8`, red, green, blue, and a copy of your own: for `ocr` the plate with a
        margin, for `plate_yolo` the vehicle.
        """
        raise NotImplementedError
