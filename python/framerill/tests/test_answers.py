"""What pipelines may answer, and what happens when they answer something else."""

import gc

import numpy as np
import pytest

import framerill
from framerill import Pipeline, Skip, Update, VideoFrame, testing
from framerill.errors import ContractError, ParamsError, TargetError

CLIP = testing.clip(frames=12, size=(32, 16))


def answering(function, **attributes):
    """A pipeline whose `process` is this function of the frame."""
    return type("Answering", (Pipeline,), {"process": lambda self, frame: function(frame), **attributes})


def test_changed_pictures_come_back_in_order():
    run = testing.run(answering(lambda frame: frame.with_pixels(255 - frame.pixels)), CLIP)
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))
    assert (run.passed, run.copies, run.skipped, run.logs) == (0, 0, [], [])
    assert run.seconds == [index / 30 for index in range(12)]


def test_an_untouched_frame_is_passed():
    run = testing.run(answering(lambda frame: frame), CLIP)
    assert run.passed == 12
    assert all((got == sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_the_same_pixels_again_are_the_frame_itself():
    assert testing.run(answering(lambda frame: frame.with_pixels(frame.pixels)), CLIP).passed == 12


def test_an_output_array_goes_out_without_a_copy(monkeypatch):
    from framerill import _stream

    def no_copy(*_, **__):
        raise AssertionError("copied")

    def process(frame):
        out = frame.output()
        np.subtract(255, frame.pixels, out=out)
        return frame.with_pixels(out.reshape(out.shape))

    fake = type("numpy", (), {"copyto": no_copy, "empty": np.empty})
    monkeypatch.setattr(_stream, "np", fake)
    run = testing.run(answering(process), CLIP)
    assert (run.frames[3] == 255 - CLIP[3]).all()


def test_an_output_array_is_read_only_once_answered():
    kept = []

    def process(frame):
        if kept:
            with pytest.raises(ValueError, match="read-only"):
                kept[0][...] = 0
        else:
            kept.append(frame.output())
            kept[0][...] = 9
            return frame.with_pixels(kept[0])
        return frame.with_pixels(kept[0])

    run = testing.run(answering(process), CLIP)
    assert all((it == 9).all() for it in run.frames)


def test_outputs_may_be_kept_for_feedback_without_end():
    kept = []

    def process(frame):
        out = frame.output()
        out[...] = frame.id
        kept.append(out)
        return frame.with_pixels(out)

    run = testing.run(answering(process), testing.clip(40, (32, 16)))
    assert [int(it[0, 0, 0]) for it in run.frames] == list(range(40))
    assert [int(it[0, 0, 0]) for it in kept] == list(range(40))


def test_skipped_frames_are_named_with_their_reasons():
    run = testing.run(answering(lambda frame: Skip("odd") if frame.id % 2 else frame), CLIP)
    assert run.skipped == [1, 3, 5, 7, 9, 11]
    assert run.reasons == ["odd"] * 6
    assert run.logs == ["debug: `answering` skips frame 1: odd"]


@pytest.mark.parametrize("several", [list, tuple, iter])
def test_several_answers_share_the_time_up_to_the_next_frame(several):
    run = testing.run(answering(lambda frame: several([frame.with_pixels(255 - frame.pixels), frame])), CLIP)
    assert run.seconds[:4] == [0, 0.5 / 30, 1 / 30, 1.5 / 30]
    assert (run.frames[2] == 255 - CLIP[1]).all()
    assert (run.frames[3] == CLIP[1]).all()


def test_a_generator_may_write_the_same_array_for_each_answer():
    def process(frame):
        array = np.empty_like(frame.pixels)
        for level in range(10):
            array[...] = level
            yield frame.with_pixels(array)

    run = testing.run(answering(process), 3)
    assert [int(it[0, 0, 0]) for it in run.frames] == list(range(10)) * 3


def test_an_older_frame_may_be_answered_and_is_copied():
    class Delays(Pipeline):
        def load(self):
            self.last = None

        def process(self, frame):
            self.last, last = frame, self.last
            return last or Skip("first")

    run = testing.run(Delays, CLIP)
    assert run.skipped == [0]
    assert run.passed == 0
    assert all((got == sent).all() for got, sent in zip(run.frames, CLIP, strict=False))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, r"not None; return Skip\(reason\)"),
        ("picture", "not `str`"),
        (np.zeros((16, 32), np.uint8), r"\(1, 16, 32, 3\) or \(16, 32, 3\) .* got shape \(16, 32\) of uint8"),
        ([], r"no frame at all; return Skip\(reason\)"),
        ([None], "one of which is None"),
        ([Skip()], "one of which is `Skip`"),
        (
            VideoFrame(np.zeros((8, 32, 3), np.uint8)),
            r"wrong picture: expected .*\(16, 32, 3\).*got shape \(8, 32, 3\)",
        ),
        ((it for it in ()), "no frame at all"),
    ],
    ids=str,
)
def test_anything_else_breaks_the_contract(answer, said):
    with pytest.raises(ContractError, match=said):
        testing.run(answering(lambda _: answer), CLIP[:1])


def test_answers_without_end_break_the_contract():
    def process(frame):
        while True:
            yield frame

    with pytest.raises(ContractError, match="more than 256"):
        testing.run(answering(process), 1)


def test_what_a_pipeline_raises_reaches_the_test():
    def process(frame):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        testing.run(answering(process), CLIP)


# Kept frames


def keeping(count, what):
    class Keeps(Pipeline):
        history = 3

        def load(self):
            self.kept = []

        def process(self, frame):
            self.kept.append(what(frame))
            del self.kept[:-count]
            return frame

    return Keeps()


@pytest.mark.parametrize("what", [lambda it: it, lambda it: it.pixels, lambda it: it.pixels[:1, ::2]])
def test_up_to_its_history_a_pipeline_keeps_frames_without_copies(what):
    pipeline = keeping(3, what)
    run = testing.run(pipeline, testing.clip(50, (32, 16)))
    assert (run.passed, run.copies, run.logs) == (50, 0, [])
    assert len(pipeline.kept) == 3


def test_past_it_frames_come_as_copies_and_it_is_said_once():
    clip = testing.clip(50, (32, 16))
    pipeline = keeping(50, lambda it: it.pixels)
    run = testing.run(pipeline, clip)
    assert len(run.frames) == 50
    assert run.copies == 46
    assert len(run.logs) == 1
    assert "keeps more than 3 frames (`history = 3`)" in run.logs[0]
    assert all((kept == sent).all() for kept, sent in zip(pipeline.kept, clip, strict=True))
    assert not any(kept.flags.writeable for kept in pipeline.kept)


def test_frames_in_reference_cycles_do_not_stop_the_stream():
    def process(frame):
        cycle = [frame]
        cycle.append(cycle)
        return frame

    gc.disable()
    try:
        assert len(testing.run(answering(process), testing.clip(60, (32, 16))).frames) == 60
    finally:
        gc.enable()
        gc.collect()


# Asynchronous pipelines


def test_async_methods_share_one_loop():
    import asyncio

    class Async(Pipeline):
        async def load(self):
            self.loop = asyncio.get_running_loop()

        async def process(self, frame):
            assert asyncio.get_running_loop() is self.loop
            await asyncio.sleep(0)
            return frame.with_pixels(255 - frame.pixels)

        async def close(self):
            self.closed = True

    pipeline = Async()
    run = testing.run(pipeline, CLIP)
    assert (run.frames[5] == 255 - CLIP[5]).all()
    assert pipeline.closed


def test_an_async_generator_answers_several_times():
    class Async(Pipeline):
        async def process(self, frame):
            yield frame.with_pixels(255 - frame.pixels)
            yield frame

    assert len(testing.run(Async, CLIP).frames) == 24


# Formats


def test_each_format_comes_as_it_was_asked_for():
    for pixel_format, dtype in (("gray8", np.uint8), ("rgbf32", np.float32), ("nv12", np.uint8)):
        run = testing.run(answering(lambda frame: frame, pixel_format=pixel_format), CLIP)
        assert {it.dtype for it in run.frames} == {np.dtype(dtype)}
    white = np.full((1, 4, 4, 3), 255, np.uint8)
    seen = testing.run(answering(lambda frame: frame, pixel_format="nv12"), white).frames[0]
    assert (seen[:4] == 235).all()
    assert (seen[4:] == 128).all()


def test_floats_that_are_no_numbers_become_black():
    def process(frame):
        pixels = frame.pixels.copy()
        pixels[0, 0] = np.nan, np.inf, -np.inf
        return frame.with_pixels(pixels)

    run = testing.run(answering(process, pixel_format="rgbf32"), CLIP)
    assert run.frames[0][0, 0].tolist() == [0.0, 1.0, 0.0]


NAN = np.full((*CLIP[0].shape[:2], 3), np.nan, np.float32)


@pytest.mark.parametrize(
    ("answer", "pixel_format"),
    [
        (lambda frame: frame.with_pixels(NAN), "rgbf32"),
        (lambda frame: NAN, "rgb24"),
        (lambda frame: frame.with_tensor(NAN), "rgb24"),
    ],
)
def test_pictures_of_nan_are_told_once(answer, pixel_format):
    run = testing.run(answering(answer, pixel_format=pixel_format), CLIP)
    assert not any(np.any(frame) for frame in run.frames)
    told = [line for line in run.logs if "has NaN in it" in line]
    assert len(told) == 1
    assert told[0].startswith("error: `answering` answers with a picture")


def test_infinities_alone_are_no_fault():
    run = testing.run(answering(lambda frame: np.full_like(NAN, np.inf)), CLIP)
    assert not [line for line in run.logs if "NaN" in line]


# Parameters and the class


class Amount(Pipeline):
    class Params(framerill.Params):
        amount: int = 1
        model: str = "a"

    def __init__(self):
        self.from_init = self.params.amount
        self.loads = 0

    def load(self):
        self.loads += 1

    def update(self, params):
        return Update.RELOAD if params.model != self.params.model else None

    def process(self, frame):
        level = self.params.amount * 10 + self.loads
        return frame.with_pixels(np.full_like(frame.pixels, level))


def test_parameters_are_there_from_the_first_line_on_and_change_between_frames():
    run = testing.run(Amount, 4, {"amount": 2}, updates={1: {"amount": 3}, 2: {"model": "b"}})
    assert [int(it[0, 0, 0]) for it in run.frames] == [21, 31, 32, 32]
    assert testing.run(Amount, 1, Amount.Params(amount=5)).frames[0][0, 0, 0] == 51


def test_wrong_parameters_are_refused():
    with pytest.raises(ParamsError, match="no parameter is called `amuont`; did you mean `amount`"):
        testing.run(Amount, 1, {"amuont": 2})
    with pytest.raises(ParamsError, match="this pipeline takes none"):
        testing.run(answering(lambda frame: frame), 1, {"x": 2})


def test_a_pipeline_without_parameters_has_empty_ones():
    assert answering(lambda frame: frame)().params == framerill.Params()


def test_an_update_that_returns_something_else_breaks_the_contract():
    with pytest.raises(ParamsError, match=r"returns None or Update\.RELOAD, not `int`"):
        testing.run(answering(lambda frame: frame, update=lambda self, params: 5), 2, updates={1: {}})


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"pixel_format": "rgb48"}, "no pixel format is called 'rgb48'"),
        ({"history": -1}, "`history = -1` is out of range"),
        ({"history": 2.5}, "`history` is a number of frames"),
        ({"max_frame_time": 0}, "`max_frame_time = 0` is out of range"),
        ({"audio": "yes"}, "`audio` is True or False"),
        ({"tensor_range": (1, 0)}, "is no range"),
        ({"Params": dict}, "`Params` is a pydantic model"),
    ],
    ids=str,
)
def test_a_class_that_promises_what_cannot_be_is_refused(attributes, said):
    with pytest.raises(TargetError, match=said):
        testing.run(answering(lambda frame: frame, **attributes), 1)


def test_a_class_without_process_is_refused():
    with pytest.raises(TargetError, match="has no `process` method"):
        testing.run(Pipeline, 1)
