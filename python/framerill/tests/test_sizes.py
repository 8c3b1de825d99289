"""Pictures of another size than their frames: who says it, what answers may be, what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from parent import Worker

from framerill import Pipeline, testing
from framerill._sizes import RULE, output_size
from framerill.errors import ContractError, ParamsError

CLIP = testing.clip(frames=6, size=(32, 16))
BASE = {"values": {"width": 384, "height": 512}, "given": ["width"]}


def target(name):
    return f"{Path(__file__).with_name('sizes_under_test.py')}:{name}"


def saying(said, process=None, **attributes):
    """A pipeline whose `output_size` says that, or calls it."""

    def size(cls, params, width, height):
        return said(width, height) if callable(said) else said

    members = {"output_size": classmethod(size), "process": process or (lambda self, frame: frame), **attributes}
    return type("Saying", (Pipeline,), members)


def doubled(width, height):
    return 2 * width, 2 * height


@pytest.mark.parametrize(
    "answer",
    [
        lambda frame: frame.pixels.repeat(2, 0).repeat(2, 1),
        lambda frame: frame.with_pixels(frame.pixels.repeat(2, 0).repeat(2, 1)),
        lambda frame: [frame.pixels.repeat(2, 0).repeat(2, 1)],
        lambda frame: frame.pixels.repeat(2, 0).repeat(2, 1)[None] / np.float32(127.5) - np.float32(1),
    ],
)
def test_answers_have_the_size_that_the_pipeline_says(answer):
    run = testing.run(saying(doubled, lambda self, frame: answer(frame)), CLIP)
    assert all((got[::2, ::2] == sent).all() for got, sent in zip(run.frames, CLIP, strict=True))
    assert {it.shape for it in run.frames} == {(32, 64, 3)}


def test_an_output_to_write_into_has_that_size_and_lies_in_the_answer_s_memory():
    def process(self, frame):
        out = frame.output()
        assert frame._host.is_output(out)
        out[:] = 7
        return frame.with_pixels(out)

    assert (np.array(testing.run(saying((48, 20), process), CLIP).frames) == np.full((6, 20, 48, 3), 7)).all()


@pytest.mark.parametrize(("size", "answered"), [((128, 96), (48, 64)), ((16, 8), (8, 16))])
def test_answers_of_the_frames_own_size_are_taken_too_and_scaled_where_no_slot_holds_them(size, answered):
    def process(self, frame):
        return frame if frame.id % 2 else frame.with_pixels(255 - frame.pixels)

    run = testing.run(saying(size, process), testing.clip(frames=6, size=(64, 48)))
    assert run.passed == 3
    assert [it.shape[:2] for it in run.frames] == [(48, 64) if it % 2 else answered for it in range(6)]


def test_answers_of_any_other_size_are_refused():
    with pytest.raises(ContractError, match=r"expected .*\(32, 64, 3\)"):
        testing.run(saying(doubled, lambda self, frame: frame.pixels[:8]), CLIP)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (lambda width, height: 1 // 0, "raised ZeroDivisionError"),
        ("12", "two whole numbers"),
        (5, "two whole numbers"),
        ((5,), "two whole numbers"),
        ((5, 5, 5), "two whole numbers"),
        ((5.0, 5), "two whole numbers"),
        ((True, 5), "two whole numbers"),
        ((0, 5), "out of range"),
        ((5, -5), "out of range"),
        ((16_385, 1), "out of range"),
        ((16_384, 8_193), "out of range"),
        ((10**30, 10**30), "out of range"),
    ],
)
def test_what_is_no_size_names_the_method(said, why):
    with pytest.raises(ParamsError) as refused:
        output_size(saying(said), "mine", None, (4, 4))
    (problem,) = refused.value.problems
    assert problem["rule"] == RULE
    assert "`mine.output_size`" in problem["message"]
    assert why in problem["message"]
    with pytest.raises(ContractError, match="output_size"):
        testing.run(saying(said), CLIP)


def test_the_largest_size_and_numbers_of_other_libraries_are_taken():
    assert output_size(saying((np.int64(16_384), 8_192)), "mine", None, (4, 4)) == (16_384, 8_192)
    assert output_size(saying(None), "mine", None, (4, 6)) == (4, 6)
    with pytest.raises(ParamsError, match="even sides"):
        output_size(saying((5, 4), pixel_format="nv12"), "mine", None, (4, 4))
    with pytest.raises(ParamsError, match="512 MiB are the most"):
        output_size(saying((16_384, 8_192), pixel_format="rgbf32"), "mine", None, (4, 4))


def test_a_worker_says_the_size_with_each_set_and_keeps_the_one_that_it_is_told():
    with Worker() as worker:
        worker.call("load", "ready", pipeline=target("Grows"), params={}, base=BASE)
        asked = {"base": BASE, "replace": True}
        assert worker.call("update", "applied", params={"factor": 3}, check=True, **asked)["output_size"] == [
            1152,
            1536,
        ]
        assert worker.call("update", "applied", params={}, **asked)["output_size"] == [768, 1024]
        kept = {**asked, "output_size": [768, 1024]}
        (problem,) = worker.call("update", "rejected", params={"factor": 3}, **kept)["problems"]
        assert (problem["rule"], problem["value"]) == (RULE, [1152, 1536])
        assert worker.call("update", "applied", params={"factor": 2}, **kept)["output_size"] == [768, 1024]
        assert "output_size" not in worker.call("update", "applied", params={"factor": 3})


def test_parameters_are_judged_while_the_model_loads(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Worker(env={"GATE": str(gate)}) as worker:
        # Asked before it is known what the parameters are worth, and after that.
        load = worker.ask("load", pipeline=target("Waits"), params={}, base=BASE)
        answer = worker.call("update", "applied", params={"factor": 3}, base=BASE, check=True)
        assert answer["output_size"] == [1152, 1536]
        (problem,) = worker.call("update", "rejected", params={"factor": 0}, base=BASE, check=True)["problems"]
        assert "`waits.output_size`" in problem["message"]
        gate.write_text("")
        assert worker.wait_for("ready")["id"] == load
