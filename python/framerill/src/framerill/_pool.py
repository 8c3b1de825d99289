"""Pools of fixed slots in shared memory: the one a peer lends to us, and the one we lend.

A slot of the output pool is free, being written by the pipeline (`held`: an array of it is alive), lent to the peer, or
both of the latter: an author may keep looking at a picture that has gone out. It is free again when neither holds.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from ._caps import Array, Caps
from .errors import LinkError

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_FUTURE_WRITE = 0x1, 0x2, 0x4, 0x10
_NEEDED = SEAL_SHRINK | SEAL_GROW | SEAL_FUTURE_WRITE
MAX_SLOTS = 64
MAX_SLOT_BYTES = 512 << 20
_PAGE = 4096
_RESERVED = 2
"""Slots that arrays in the author's hands never take, so that answers always have one to travel in."""


class SlotRef(weakref.ref[Array]):
    """A weak reference that knows its array's slot. Its callback runs in whichever thread collects the last view."""

    __slots__ = ("slot",)
    slot: int


def watch(array: Array, slot: int, gone: Callable[[Any], object]) -> SlotRef:
    """Calls `gone` with the reference once no view of `array`, which looks at `slot`, is alive."""
    ref = SlotRef(array, gone)
    ref.slot = slot
    return ref


class PeerPool:
    """A pool that a peer lends: read-only here, sealed against shrinking and against any new writer."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        if not (1 <= slots <= MAX_SLOTS and _PAGE <= slot_bytes <= MAX_SLOT_BYTES and slot_bytes % _PAGE == 0):
            raise LinkError(f"a pool of {slots} slots of {slot_bytes} bytes is out of range")
        self.slots = slots
        self.slot_bytes = slot_bytes
        total = slots * slot_bytes
        try:
            seals = fcntl.fcntl(fd, F_GET_SEALS)
        except OSError as error:
            raise LinkError(f"the peer's pool cannot be inspected: {error.strerror}") from error
        if seals & _NEEDED != _NEEDED:
            raise LinkError("the peer's pool is not sealed against writing, shrinking and growing")
        actual = os.fstat(fd).st_size
        if actual < total:
            raise LinkError(f"the peer's pool has {actual} bytes instead of {total}")
        self._map = mmap.mmap(fd, total, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)

    def array(self, slot: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A new read-only array over a slot. Views of it keep it alive, so that its collection ends every look."""
        array: Array = np.ndarray(shape, dtype, self._map, slot * self.slot_bytes)
        return array


class OutputPool:
    """A pool that this process lends: only it can write the memory, and nobody can cut it short."""

    def __init__(self, caps: Caps, slots: int = 6) -> None:
        self.caps = caps
        self.slots = slots
        self.slot_bytes = -(-caps.nbytes // _PAGE) * _PAGE
        total = self.slot_bytes * slots
        self.fd = os.memfd_create("framerill-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, total)
            self._map = mmap.mmap(self.fd, total)
            # From here on only the mapping above can write.
            fcntl.fcntl(self.fd, F_ADD_SEALS, _NEEDED | SEAL_SEAL)
        except OSError:
            self.close()
            raise
        whole: Array = np.ndarray((total,), np.uint8, self._map)
        self._address: int = whole.__array_interface__["data"][0]
        self._pictures = [self._array(slot) for slot in range(slots)]
        self._free = list(range(slots - 1, -1, -1))
        self._lent: set[int] = set()
        self._held: dict[int, SlotRef] = {}
        self._collected: deque[int] = deque()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Gives the descriptor up; the memory goes with its last array."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _array(self, slot: int) -> Array:
        array: Array = np.ndarray(self.caps.shape, self.caps.dtype, self._map, slot * self.slot_bytes)
        return array

    def _reclaim(self) -> None:
        # `_collected` is filled by collections in any thread, at any point of any code: it takes no lock.
        while self._collected:
            slot = self._collected.popleft()
            del self._held[slot]
            if slot not in self._lent:
                self._free.append(slot)

    def has_free(self) -> bool:
        """Whether `take` would give a slot."""
        if self._free:
            return True
        with self._lock:
            self._reclaim()
            return bool(self._free)

    def take(self) -> int | None:
        """A free slot, the most recently used one, for the caller to fill and publish; None when there is none."""
        with self._lock:
            self._reclaim()
            return self._free.pop() if self._free else None

    def picture(self, slot: int) -> Array:
        """The writable picture of a slot that the caller took."""
        return self._pictures[slot]

    def block(self, slot: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A writable array of another kind over a slot that the caller took; it has to fit."""
        array: Array = np.ndarray(shape, dtype, self._map, slot * self.slot_bytes)
        return array

    def lend_array(self) -> Array | None:
        """A writable picture for the author, whose collection gives the slot back. None when too many are out."""
        with self._lock:
            self._reclaim()
            if not self._free or len(self._held) >= self.slots - _RESERVED:
                return None
            slot = self._free.pop()
            array = self._array(slot)
            self._held[slot] = watch(array, slot, self._gone)
            return array

    def _gone(self, ref: SlotRef) -> None:
        self._collected.append(ref.slot)

    def slot_of(self, array: Array) -> int | None:
        """The slot whose picture `array` is, if the author holds it and it is not under way already."""
        if not self._held or not array.flags.c_contiguous:
            return None
        offset: int = array.__array_interface__["data"][0] - self._address
        slot, inside = divmod(offset, self.slot_bytes)
        if inside or slot not in self._held or slot in self._lent:
            return None
        return slot

    def publish(self, slot: int) -> None:
        """The slot's picture is complete; it is the peer's to read until `released`."""
        self._lent.add(slot)
        ref = self._held.get(slot)
        array = ref() if ref is not None else None
        if array is not None:
            array.flags.writeable = False

    def released(self, slot: int) -> None:
        """The peer is done with a slot. Raises LinkError when it was not lent."""
        with self._lock:
            if slot not in self._lent:
                raise LinkError("a release of a slot that is not lent")
            self._lent.remove(slot)
            self._reclaim()
            if slot not in self._held and slot not in self._free:
                self._free.append(slot)
