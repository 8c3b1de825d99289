"""When an input slot is lent and when it goes back."""

import gc
import threading
import weakref

import numpy as np
import pytest
from parent import sealed

from framerill._lease import Leases
from framerill._pool import PeerPool

SHAPE = (16, 32, 3)


class Lender:
    """A peer's pool, and the slots that came back."""

    def __init__(self, history=4):
        fd, self.memory = sealed(8 * 4096)
        self.pool = PeerPool(fd, 8, 4096)
        self.back = []
        self.leases = Leases(history, self.back.append)

    def lend(self, slot=0):
        array = self.pool.array(slot, SHAPE, np.dtype(np.uint8))
        self.leases.lend(slot, array)
        return array


def test_a_slot_goes_back_the_moment_its_array_is_collected():
    lender = Lender()
    array = lender.lend(3)
    assert lender.back == []
    del array
    assert lender.back == [3]
    assert 3 not in lender.leases


@pytest.mark.parametrize(
    "view",
    [
        lambda it: it[::2, ::2],
        lambda it: it[::2][1:3][0],
        lambda it: it.reshape(-1),
        lambda it: it.transpose(2, 0, 1),
        lambda it: it.view(np.int8),
        lambda it: it.ravel(),
        lambda it: np.asarray(it),
        lambda it: np.flip(it, 0),
        lambda it: np.lib.stride_tricks.as_strided(it, (1,), (1,)),
        lambda it: it.view(type("Sub", (np.ndarray,), {})),
        memoryview,
        lambda it: np.frombuffer(it, np.uint8),
        lambda it: memoryview(it)[2:4],
        lambda it: iter(it),
        lambda it: it.flat,
    ],
)
def test_every_kind_of_view_keeps_the_lease(view):
    lender = Lender()
    array = lender.lend()
    kept = view(array)
    del array
    gc.collect()
    assert lender.back == []
    del kept
    gc.collect()
    assert lender.back == [0]


@pytest.mark.parametrize("copy", [np.copy, lambda it: it + 1, lambda it: it[it >= 0], lambda it: it.astype(np.float32)])
def test_a_copy_does_not(copy):
    lender = Lender()
    kept = copy(lender.lend())
    assert lender.back == [0]
    assert kept.size


def test_torch_from_numpy_keeps_the_lease():
    torch = pytest.importorskip("torch", reason="torch is not installed: NOT TESTED")
    lender = Lender()
    tensor = torch.from_numpy(lender.lend())
    gc.collect()
    assert lender.back == []
    del tensor
    assert lender.back == [0]


def test_opencv_does_not_keep_what_it_was_given():
    cv2 = pytest.importorskip("cv2", reason="opencv is not installed: NOT TESTED")
    lender = Lender()
    kept = cv2.cvtColor(lender.lend(), cv2.COLOR_RGB2BGR)
    assert lender.back == [0]
    assert kept.shape == SHAPE


def test_a_view_in_a_reference_cycle_goes_back_with_the_next_collection():
    lender = Lender()
    cycle = [lender.lend()]
    cycle.append(cycle)
    del cycle
    assert lender.back == []
    gc.collect()
    assert lender.back == [0]


def test_the_last_view_may_be_collected_in_another_thread():
    lender = Lender()
    box = [lender.lend()]
    seen = []
    lender.leases._release = lambda slot: seen.append((slot, threading.current_thread().name))
    thread = threading.Thread(target=box.clear, name="other")
    thread.start()
    thread.join()
    assert seen == [(0, "other")]


def test_many_threads_give_every_slot_back_exactly_once():
    lender = Lender()
    for _ in range(50):
        arrays = [[lender.lend(slot)] for slot in range(8)]
        views = [[array[0][::2]] for array in arrays]
        threads = [threading.Thread(target=box.clear) for box in (*arrays, *views)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(lender.back) == sorted(list(range(8)) * 50)


def test_the_picture_cannot_be_written():
    array = Lender().lend()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    with pytest.raises(ValueError, match="read-only"):
        np.subtract(255, array, out=array)


def test_it_shows_what_the_peer_wrote_and_outlives_the_pool():
    lender = Lender()
    lender.memory[4096:4106] = bytes(range(10))
    array = lender.lend(1)
    assert array.reshape(-1)[:10].tolist() == list(range(10))
    pool = weakref.ref(lender.pool)
    del lender.pool
    assert pool() is None
    assert array.reshape(-1)[9] == 9


def test_history_is_exhausted_only_beyond_the_frames_that_may_be_kept():
    lender = Lender(history=2)
    kept = [lender.lend(0), lender.lend(1)]
    assert not lender.leases.exhausted
    kept.append(lender.lend(2))
    assert lender.leases.exhausted
    kept.clear()
    assert not lender.leases.exhausted
