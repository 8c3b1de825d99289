"""Which output answers which input: rules, and a model over many random orders of events."""

import random

import pytest

from framerill import _descriptor as wire
from framerill._matching import MAX_PICTURES, Closed, Matching, Picture, Skipped, Stray

AHEAD = 1000


def matching(*times, most=64):
    """Frames 0, 1, … put at these times."""
    machine = Matching(most, AHEAD)
    for frame, pts in enumerate(times):
        assert machine.put(frame, pts) == []
    return machine


def test_an_output_answers_the_frame_of_its_time():
    machine = matching(0, 10)
    assert machine.output(0) == [Picture(0, 0, 0)]
    assert machine.output(10) == [Closed(0), Picture(1, 10, 0)]
    assert machine.end() == [Closed(1)]


def test_frames_without_an_output_are_skipped_once_a_later_one_is_out():
    machine = matching(0, 10, 20, 30)
    assert machine.output(0) == [Picture(0, 0, 0)]
    assert machine.output(30) == [
        Closed(0), Skipped(1, wire.CHOSEN), Skipped(2, wire.CHOSEN), Picture(3, 30, 0),
    ]  # fmt: skip


def test_outputs_between_two_frames_are_further_pictures_of_the_earlier_one():
    machine = matching(0, 30)
    assert [machine.output(pts) for pts in (0, 10, 20)] == [
        [Picture(0, 0, 0)], [Picture(0, 10, 1)], [Picture(0, 20, 2)],
    ]  # fmt: skip
    assert machine.has_several
    assert machine.output(30) == [Closed(0), Picture(1, 30, 0)]


def test_a_frame_may_have_256_pictures():
    machine = matching(0)
    outputs = [machine.output(pts) for pts in range(MAX_PICTURES + 1)]
    assert outputs[-2:] == [[Picture(0, MAX_PICTURES - 1, MAX_PICTURES - 1)], Stray.DUPLICATE]


def test_a_frame_whose_only_output_lies_after_it_is_answered_by_that():
    assert matching(0, 30).output(7) == [Picture(0, 7, 0)]


@pytest.mark.parametrize(
    ("pts", "why"),
    [
        (20, Stray.DUPLICATE),
        (0, Stray.DUPLICATE),
        (10, Stray.LATE),
        (15, Stray.LATE),
        (-5, Stray.UNMATCHED),
        (25, None),
    ],
)
def test_what_answers_no_frame_is_late_twice_or_unknown(pts, why):
    machine = matching(0, 10, 20)
    machine.output(0)
    machine.output(20)
    got = machine.output(pts)
    assert (got == why) if why else got == [Picture(2, pts, 1)]


def test_an_output_far_after_the_newest_frame_is_of_no_frame():
    machine = matching(0, 10)
    assert machine.output(10 + AHEAD + 1) is Stray.UNMATCHED
    assert machine.output(10 + AHEAD) == [Skipped(0, wire.CHOSEN), Picture(1, 10 + AHEAD, 0)]


def test_without_any_frame_an_output_is_of_no_frame():
    assert Matching(4, AHEAD).output(0) is Stray.UNMATCHED


def test_past_the_bound_the_oldest_is_given_up_and_its_output_late():
    machine = matching(0, 10, 20, most=3)
    assert machine.put(3, 30) == [Skipped(0, wire.LATE)]
    assert machine.output(0) is Stray.LATE
    assert machine.output(10) == [Picture(1, 10, 0)]
    assert [machine.put(4, 40), machine.put(5, 50)] == [[], [Closed(1), Skipped(2, wire.LATE)]]


def test_a_refused_frame_leaves_in_its_turn():
    machine = matching(0, 10, 20)
    assert machine.refuse(1, wire.FAILED) == []
    assert len(machine) == 2
    assert machine.output(0) == [Picture(0, 0, 0), Closed(0), Skipped(1, wire.FAILED)]
    assert machine.refuse(2, wire.FAILED) == [Skipped(2, wire.FAILED)]


def test_a_time_that_was_rounded_is_that_of_the_nearest_frame():
    machine = matching(0, 3003, 6006)
    assert machine.output(2970, slack=90) == [Skipped(0, wire.CHOSEN), Picture(1, 3003, 0)]
    assert machine.output(6030, slack=90) == [Closed(1), Picture(2, 6006, 0)]
    assert matching(0, 3003).output(2970) == [Picture(0, 2970, 0)]


def test_the_end_gives_up_what_is_inside():
    machine = matching(0, 10, 20)
    machine.output(10)
    assert machine.end(wire.FLUSHED) == [Closed(1), Skipped(2, wire.FLUSHED)]
    assert machine.end() == []
    assert machine.output(20) is Stray.LATE


@pytest.mark.parametrize("seed", range(200))
def test_every_frame_leaves_once_in_order_and_pictures_get_later(seed):
    chance = random.Random(seed)
    most = chance.choice([1, 2, 5, 64])
    machine = Matching(most, AHEAD)
    steps, inside, put, pts = [], [], 0, 0
    for _ in range(300):
        event = chance.random()
        if event < 0.45:
            pts += chance.choice([0, 1, 10, 33]) if chance.random() < 0.2 else 30
            steps += machine.put(put, pts)
            inside.append((put, pts))
            put += 1
        elif event < 0.9 and inside:
            at = chance.choice(inside[-8:])[1] + chance.choice([0, 0, 0, 1, 7, -3, 2000])
            got = machine.output(at, chance.choice([0, 0, 5]))
            steps += [] if isinstance(got, Stray) else got
        elif inside:
            steps += machine.refuse(chance.choice(inside)[0], wire.FAILED)
        assert len(machine) <= most
    steps += machine.end()
    left = [it.frame for it in steps if not isinstance(it, Picture)]
    assert left == list(range(put)), "each frame leaves once, in order"
    pictures = [it for it in steps if isinstance(it, Picture)]
    assert [it.pts for it in pictures] == sorted({it.pts for it in pictures}), "times strictly increase"
    closed = {it.frame for it in steps if isinstance(it, Closed)}
    assert closed == {it.frame for it in pictures}, "what has a picture is closed, the rest skipped"
    for frame in closed:
        assert [it.nth for it in pictures if it.frame == frame] == list(
            range(sum(it.frame == frame for it in pictures))
        )
        begins, ends = steps.index(Picture(frame, next(it.pts for it in pictures if it.frame == frame), 0)), None
        ends = steps.index(Closed(frame))
        assert all(it.frame == frame for it in steps[begins : ends + 1]), "no other frame's step comes in between"
