"""When a worker tells where its pipeline is: the machine, and the interpreter's own words."""

import contextlib
import faulthandler
import os
import threading
import time

import pytest

from framerill._watchdog import Watch, Watchdog, Work


def test_a_step_is_told_once_late_in_its_time():
    watch = Watch()
    work = Work("process", 7, 10.0)
    assert not watch.is_due(work, 100.0)
    assert not watch.is_due(work, 107.9)
    assert watch.is_due(work, 108.0)
    assert not watch.is_due(work, 109.0)


def test_of_a_short_time_enough_is_left_for_two_looks():
    watch = Watch()
    work = Work("process", 7, 3.0)
    assert not watch.is_due(work, 0.0)
    assert watch.is_due(work, 1.0)


def test_headway_and_another_step_begin_anew():
    watch = Watch()
    assert not watch.is_due(Work("process", 7, 10.0), 0.0)
    assert not watch.is_due(Work("process", 8, 10.0), 9.0)
    assert not watch.is_due(Work("update", 8, 10.0), 18.0)
    assert watch.is_due(Work("update", 8, 10.0), 26.0)
    assert not watch.is_due(Work(None, 8, 10.0), 27.0)
    assert not watch.is_due(Work("update", 8, 10.0), 28.0)


@pytest.fixture(autouse=True)
def disarmed():
    """Nothing is written later into a descriptor that another test has by then."""
    yield
    faulthandler.cancel_dump_traceback_later()
    faulthandler.disable()


@contextlib.contextmanager
def stderr_as(path):
    """A file in place of stderr."""
    kept = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def held_up(until):
    until.wait(20)


def test_what_is_told_names_the_step_and_the_line(tmp_path):
    said = tmp_path / "stderr"
    until = threading.Event()
    thread = threading.Thread(target=held_up, args=(until,))
    thread.start()
    with stderr_as(said):
        dog = Watchdog(lambda: Work("process", 7, 10.0))
        dog.look(0.0)
        dog.look(8.0)
    until.set()
    thread.join()
    text = said.read_text()
    assert "`process` has not come back for 8 s" in text
    assert "in held_up" in text
    assert "test_watchdog.py" in text


def test_a_lock_that_is_held_is_told_without_it(tmp_path):
    said = tmp_path / "stderr"
    with stderr_as(said):
        dog = Watchdog(lambda: Work("process", 7, 10.0, may_lock=0.01))
        dog.look(0.0)
        deadline = time.monotonic() + 20
        # Nobody looks any more.
        while "test_a_lock_that_is_held" not in said.read_text() and time.monotonic() < deadline:
            pass
    assert "Timeout" in said.read_text()
    assert "in test_a_lock_that_is_held" in said.read_text()


def test_a_descriptor_that_is_gone_changes_nothing():
    dog = Watchdog(lambda: Work("process", 7, 10.0))
    os.close(dog._fd)
    dog.look(0.0)
    dog.look(9.0)
