"""The 128-byte notice of the frame link. `schema/frame-link.md` is its reference page."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .errors import LinkError

BYTES = 128
MAGIC = 0x314C5246
POOL, FRAME, RELEASE, SKIP, FLUSH, EOS, TAKEN = 1, 2, 3, 4, 5, 6, 7
VIDEO, AUDIO = 0, 1
PASSTHROUGH, DISCONTINUITY = 1, 2
CHOSEN, LATE, FLUSHED, FAILED = 1, 2, 3, 4

LAYOUT = struct.Struct("<IBBHIIQq10I4Q3Q")


class Descriptor(NamedTuple):
    """One message, field by field in the order of the wire; `nbytes` is its `bytes`, `nth` its `index`."""

    magic: int = MAGIC
    type: int = FRAME
    kind: int = VIDEO
    flags: int = 0
    slot: int = 0
    nbytes: int = 0
    frame: int = 0
    pts: int = 0
    tb_num: int = 0
    tb_den: int = 0
    format: int = 0
    width: int = 0
    height: int = 0
    reason: int = 0
    nth: int = 0
    of: int = 0
    parents_len: int = 0
    zero: int = 0
    parent_0: int = 0
    parent_1: int = 0
    parent_2: int = 0
    parent_3: int = 0
    sent_ns: int = 0
    process_ns: int = 0
    end: int = 0

    @property
    def parents(self) -> list[int]:
        """Ids of the frames that this output answers, oldest first."""
        return [self.parent_0, self.parent_1, self.parent_2, self.parent_3][: self.parents_len]

    def encode(self) -> bytes:
        """The message as 128 bytes."""
        return LAYOUT.pack(*self)


def decode(buffer: bytearray | bytes, length: int) -> Descriptor:
    """The message in the first `length` bytes of `buffer`, which may come from anyone. Raises LinkError."""
    if length != BYTES:
        raise LinkError(f"a message of {length} bytes instead of {BYTES}")
    fields = LAYOUT.unpack_from(buffer)
    magic, type, kind, flags = fields[:4]
    if magic != MAGIC:
        raise LinkError("a message without the link's magic number")
    if not POOL <= type <= TAKEN:
        raise LinkError(f"unknown type {type}")
    if kind > AUDIO or flags > _ALL_FLAGS or fields[16] > 4:
        raise LinkError(f"unknown kind {kind}, flags {flags} or {fields[16]} parents")
    if type == SKIP and not CHOSEN <= fields[13] <= FAILED:
        raise LinkError(f"unknown reason {fields[13]}")
    return _new(Descriptor, fields)


_new = tuple.__new__
_ALL_FLAGS = PASSTHROUGH | DISCONTINUITY


def pool(slots: int, slot_bytes: int, code: int, width: int, height: int) -> bytes:
    """The sender's pool: so many slots of so many bytes for pictures of these caps."""
    message = Descriptor(type=POOL, slot=slots, nbytes=slot_bytes, format=code, width=width, height=height)
    return message.encode()


def release(slot: int) -> bytes:
    """The reader is done with a slot."""
    return Descriptor(type=RELEASE, slot=slot).encode()


def skip(frame: int, reason: int, process_ns: int = 0) -> bytes:
    """A frame has no answer."""
    return Descriptor(type=SKIP, frame=frame, reason=reason, process_ns=process_ns).encode()


def taken(frame: int, process_ns: int) -> bytes:
    """The pipeline has taken a frame in, for which it needed so long; its answer comes on its own time."""
    return Descriptor(type=TAKEN, frame=frame, process_ns=process_ns).encode()


def flush(serial: int) -> bytes:
    """Forget what is held."""
    return Descriptor(type=FLUSH, frame=serial).encode()


def eos() -> bytes:
    """No more frames."""
    return Descriptor(type=EOS).encode()
