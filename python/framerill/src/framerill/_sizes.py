"""What size a pipeline's pictures have, as its class says, and whether such pictures can be."""

from __future__ import annotations

import operator
from typing import Any

from ._caps import Caps
from ._pipeline import Pipeline
from ._pool import MAX_SLOT_BYTES
from ._said import text_of
from .errors import ParamsError, Problem

Size = tuple[int, int]

RULE = "output_size"
"""The rule that a change of parameters breaks which would give a stream's pictures another size."""


def output_size(kind: type[Pipeline], name: str, params: Any, frame: Size) -> Size:
    """Width and height of the answers to frames of that size. Raises ParamsError, naming the author's method."""
    method = f"`{name}.{kind._size_method}`"
    try:
        said: Any = kind.output_size(params, *frame)
    except BaseException as error:  # the border to the author's method
        raise _wrong(f"{method} raised {type(error).__name__}: {text_of(error)}", None) from error
    if said is None:
        return frame
    try:
        if not isinstance(said, (tuple, list)) and not hasattr(said, "shape"):
            raise TypeError
        sides = tuple(said)
        width, height = (operator.index(side) for side in sides)
        if any(isinstance(side, bool) for side in sides):
            raise TypeError
    except BaseException:  # noqa: BLE001  the border to the author's object
        shown = _shown(said)
        raise _wrong(f"{method} returns (width, height), two whole numbers, not {shown}", shown) from None
    try:
        caps = Caps.of(kind.pixel_format, width, height)
    except ValueError as error:
        raise _wrong(f"{method} returns a size that no picture has: {error}", [width, height]) from None
    if caps.nbytes > MAX_SLOT_BYTES:
        most = f"{MAX_SLOT_BYTES >> 20} MiB are the most"
        raise _wrong(f"{method} returns {width}x{height}, {caps.nbytes} bytes a picture; {most}", [width, height])
    return width, height


def kept(asked: Size, size: Size) -> None:
    """Raises ParamsError unless pictures that have the size `size` keep it."""
    if asked != size:
        message = (
            f"pictures have {size[0]}x{size[1]} pixels from a stream's first to its last, not {asked[0]}x{asked[1]}"
        )
        raise _wrong(message, list(asked))


def size_of(value: object) -> Size | None:
    """A size in a message, `[width, height]`."""
    if isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value):
        return value[0], value[1]
    return None


def _wrong(message: str, value: Any) -> ParamsError:
    return ParamsError([Problem(field="", rule=RULE, value=value, message=message)])


def _shown(value: object) -> str:
    try:
        return repr(value)[:80]
    except BaseException:  # noqa: BLE001  the border to the author's object
        return f"a `{type(value).__name__}`"
