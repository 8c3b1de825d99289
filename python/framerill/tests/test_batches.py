"""Several frames at once: `batch_size`, `max_wait_ms`, and what becomes of each frame."""

import numpy as np
import pytest
from parent import Media, Worker

from framerill import Pipeline, Skip, _stream, testing
from framerill import _descriptor as wire
from framerill.errors import ContractError, TargetError

CLIP = testing.clip(frames=11, size=(32, 16))


def batching(function, **attributes):
    """A pipeline of batches of four whose `process` is this function of the frames."""
    return type("Batching", (Pipeline,), {"batch_size": 4, "process": lambda self, it: function(it), **attributes})


def negatives(frames):
    return [frame.with_pixels(255 - frame.pixels) for frame in frames]


def test_frames_come_in_full_batches_and_the_rest_at_the_end_at_once(monkeypatch):
    sizes = []

    def process(frames):
        sizes.append([frame.id for frame in frames])
        return negatives(frames)

    # No time passes: nothing but a full batch, or the end of the source, has one answered.
    monkeypatch.setattr(_stream.time, "monotonic", lambda: 0.0)
    run = testing.run(batching(process), CLIP)
    assert sizes == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))
    assert (run.skipped, run.copies, run.seconds[:2]) == ([], 0, [0, 1 / 30])


def test_each_frame_has_an_answer_of_its_own():
    def process(frames):
        return [Skip("odd") if it.id % 2 else [it.with_pixels(255 - it.pixels), it] for it in frames]

    run = testing.run(batching(process), CLIP)
    assert (len(run.frames), run.skipped, run.passed) == (12, [1, 3, 5, 7, 9], 6)


def test_a_coroutine_may_answer_a_batch():
    async def process(self, frames):
        return negatives(frames)

    assert len(testing.run(type("Later", (Pipeline,), {"batch_size": 3, "process": process}), CLIP).frames) == 11


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda frames: negatives(frames)[1:], "a list of 4 answers, not with 3"),
        (lambda frames: frames[0], "not with `VideoFrame`"),
        (lambda frames: None, "not with None"),
        (lambda frames: [*frames[:3], None], "not None"),
    ],
)
def test_anything_but_an_answer_for_each_frame_is_an_error(answer, said):
    with pytest.raises(ContractError, match=said):
        testing.run(batching(answer), CLIP)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [({"batch_size": 0}, "batch_size"), ({"batch_size": 17}, "batch_size = 17"), ({"max_wait_ms": -1}, "max_wait_ms")],
)
def test_a_batch_that_cannot_be_is_told_by_its_attribute(attributes, said):
    with pytest.raises(TargetError, match=said):
        testing.run(batching(negatives, **attributes), CLIP)


def test_a_batch_that_does_not_fill_up_goes_on_after_its_wait(target):
    with Worker() as worker:
        description = worker.load(target("Batches"))["description"]
        assert description["batch_size"] == 3
        media = Media(worker)
        media.frame(0, 0, 10)
        media.frame(1, 1, 20)
        said = media.until(wire.FRAME) + media.until(wire.FRAME)
        answers = [it for it in said if it.type == wire.FRAME]
        assert [media.sample(it) for it in answers] == [12, 22], "two at once"


def test_what_a_live_batch_raises_costs_its_frames_and_is_told_once(target):
    with Worker() as worker:
        worker.load(target("Batches"))
        media = Media(worker, live=True)
        for frame in range(3):
            media.frame(frame, frame, 200)
        error = worker.wait_for_error()
        assert (error["code"], error["fatal"]) == ("process_failed", False)
        skips = []
        while len(skips) < 3:
            skips += [it for it in [media.read()] if it.type == wire.SKIP]
        assert [(it.frame, it.reason) for it in skips] == [(frame, wire.FAILED) for frame in range(3)]
        for frame in range(3, 6):
            media.frame(frame, frame, 10)
        assert media.sample(media.until(wire.FRAME)[-1]) == 13
        while (stats := worker.wait_for("stats")["stats"])["frames"] < 3:
            pass
        assert (stats["frames"], stats["failed"]) == (3, 3)


def test_a_wrong_answer_in_a_live_batch_costs_its_own_frame(target):
    with Worker() as worker:
        worker.load(target("Batches"))
        media = Media(worker, live=True)
        for frame, level in enumerate([10, 201, 30]):
            media.frame(frame, frame, level)
        said = []
        while sum(it.type in (wire.FRAME, wire.SKIP) for it in said) < 3:
            said.append(media.read())
        assert [it.type for it in said if it.type != wire.RELEASE] == [wire.FRAME, wire.SKIP, wire.FRAME]
        assert worker.wait_for_error()["code"] == "bad_output"


def test_a_batch_may_be_kept_beside_the_history():
    kept = []

    def process(frames):
        kept.append(frames)
        return negatives(frames)

    run = testing.run(batching(process, history=8), testing.clip(frames=8, size=(32, 16)))
    assert run.copies == 0
    assert np.stack([it.pixels for batch in kept for it in batch]).shape == (8, 16, 32, 3)
