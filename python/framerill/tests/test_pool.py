"""The pool that a worker lends: who may write which slot when."""

import gc

import numpy as np
import pytest

from framerill._caps import Caps
from framerill._pool import OutputPool, PeerPool
from framerill.errors import LinkError

CAPS = Caps.of("rgb24", 32, 16)


def test_a_slot_in_the_authors_hands_is_recognised_through_views():
    pool = OutputPool(CAPS)
    array = pool.lend_array()
    assert pool.slot_of(array) == pool.slot_of(array[:]) == pool.slot_of(array.reshape(CAPS.shape)) == 0
    assert pool.slot_of(array[::-1]) is None
    assert pool.slot_of(array[1:]) is None
    assert pool.slot_of(np.zeros(CAPS.shape, np.uint8)) is None


def test_a_slot_is_free_again_when_neither_peer_nor_author_has_it():
    pool = OutputPool(CAPS, slots=3)
    array = pool.lend_array()
    slot = pool.slot_of(array)
    pool.publish(slot)
    pool.released(slot)
    others = [pool.take(), pool.take()]
    assert slot not in others
    assert pool.take() is None
    del array
    assert pool.take() == slot


def test_the_author_may_let_go_first():
    pool = OutputPool(CAPS, slots=3)
    array = pool.lend_array()
    slot = pool.slot_of(array)
    pool.publish(slot)
    del array
    others = [pool.take(), pool.take()]
    assert slot not in others
    assert pool.take() is None
    pool.released(slot)
    assert pool.take() == slot


def test_an_unused_array_gives_its_slot_back():
    pool = OutputPool(CAPS, slots=3)
    for _ in range(10):
        assert pool.slot_of(pool.lend_array()) is not None


def test_two_slots_stay_for_answers_whatever_the_author_keeps():
    pool = OutputPool(CAPS, slots=6)
    kept = [pool.lend_array() for _ in range(6)]
    assert sum(it is not None for it in kept) == 4
    assert pool.has_free()


def test_a_published_picture_cannot_be_written_or_published_again():
    pool = OutputPool(CAPS)
    array = pool.lend_array()
    slot = pool.slot_of(array)
    pool.publish(slot)
    assert pool.slot_of(array) is None
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 1


def test_a_release_of_a_slot_that_is_not_lent_breaks_the_rule():
    pool = OutputPool(CAPS)
    slot = pool.take()
    with pytest.raises(LinkError, match="not lent"):
        pool.released(slot)
    pool.publish(slot)
    pool.released(slot)
    with pytest.raises(LinkError, match="not lent"):
        pool.released(slot)


def test_a_peer_can_read_it_and_not_write_it():
    pool = OutputPool(CAPS)
    slot = pool.take()
    pool.picture(slot)[...] = 7
    peer = PeerPool(pool.fd, pool.slots, pool.slot_bytes)
    seen = peer.array(slot, CAPS.shape, CAPS.dtype)
    assert (seen == 7).all()
    assert not seen.flags.writeable


@pytest.mark.parametrize(("slots", "size"), [(0, 4096), (65, 4096), (1, 0), (1, 4097), (1, 1 << 30)])
def test_geometry_out_of_range_is_refused_before_anything_is_mapped(slots, size):
    with pytest.raises(LinkError, match="out of range"):
        PeerPool(OutputPool(CAPS).fd, slots, size)


def test_no_descriptor_is_left_open():
    import os

    def used():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = used()
    for _ in range(5):
        pool = OutputPool(CAPS)
        pool.close()
        del pool
    assert used() == before
