"""Leases of input slots: which are out, and when a new frame has to come as a copy."""

from __future__ import annotations

from collections.abc import Callable

from ._caps import Array
from ._pool import SlotRef, watch


class Leases:
    """Input slots that live arrays look at. A slot goes back the moment the last view of its array is collected.

    `release` is called once for each, in whichever thread collects the array and at any point of its code: it must
    neither wait nor take a lock.
    """

    def __init__(self, history: int, release: Callable[[int], None]) -> None:
        self._history = history
        self._release = release
        self._refs: dict[int, SlotRef] = {}

    def lend(self, slot: int, array: Array) -> None:
        """The array looks at the slot until it is collected."""
        self._refs[slot] = watch(array, slot, self._collected)

    def __contains__(self, slot: int) -> bool:
        return slot in self._refs

    def __len__(self) -> int:
        return len(self._refs)

    @property
    def exhausted(self) -> bool:
        """Whether the pipeline keeps more than its history, so that the next frame has to come as a copy."""
        return len(self._refs) > self._history

    def _collected(self, ref: SlotRef) -> None:
        if self._refs.pop(ref.slot, None) is not None:
            self._release(ref.slot)
