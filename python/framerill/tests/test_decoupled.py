"""Decoupled pipelines: in `testing.run`, and in a real worker process, message by message."""

import asyncio
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from decoupled_under_test import Doubled
from parent import Media, Worker

from framerill import VideoFrame, _flow, testing
from framerill import _descriptor as wire
from framerill._engine import Base, Engine
from framerill._flow import linger, pause_after
from framerill._flow_stream import FlowStream
from framerill.decoupled import Decoupled, Output
from framerill.errors import ContractError, ParamsError, TargetError

CLIP = testing.clip(frames=12, size=(32, 16))


def target(name):
    return f"{Path(__file__).with_name('decoupled_under_test.py')}:{name}"


class Queued(Decoupled):
    """Puts frames into a queue; `give` makes outputs of one."""

    async def start(self, params):
        self.frames: asyncio.Queue[VideoFrame] = asyncio.Queue()
        self.ready: list[Output] = []
        self.calls = [("start", params)]

    async def put(self, frame, request_id):
        self.calls.append(("put", frame.id))
        await self.frames.put(frame)

    async def get(self):
        while not self.ready:
            self.ready = self.give(await self.frames.get())
        return self.ready.pop(0)

    def give(self, frame):
        return [Output(255 - frame.pixels, frame.pts, frame.time_base)]

    async def change(self, params):
        self.calls.append(("change", params))

    async def stop(self):
        self.calls.append(("stop",))


def giving(function, **attributes):
    return type("Giving", (Queued,), {"give": lambda self, frame: function(frame), **attributes})


def test_each_output_comes_back_at_its_frame_s_time():
    run = testing.run(Queued, CLIP)
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))
    assert run.seconds == [index / 30 for index in range(12)]
    assert (run.skipped, run.copies) == ([], 0)


def test_several_outputs_share_the_time_up_to_the_next_frame():
    run = testing.run(
        giving(lambda it: [Output(it.pixels, it.pts + at, it.time_base) for at in (0, 1000, 2000)], linger=0.1), CLIP
    )
    assert len(run.frames) == 36
    assert run.seconds[:4] == pytest.approx([0, 1 / 90, 2 / 90, 3 / 90])
    assert run.skipped == []


def test_fewer_outputs_than_frames_skip_the_others():
    run = testing.run(giving(lambda it: [Output(it.pixels, it.pts, it.time_base)] if it.id % 3 == 2 else []), CLIP)
    assert (len(run.frames), run.skipped) == (4, [0, 1, 3, 4, 6, 7, 9, 10])


def test_frames_that_a_pipeline_keeps_at_the_end_are_given_up_after_it_lingered(monkeypatch):
    asked = []

    def at_once(configured, slowest, max_frame_time):
        asked.append((configured, max_frame_time))
        # Waits for what comes, and not at all for what does not.
        return 20 if len(testing_answers) < 9 else 0

    testing_answers = []
    send = FlowStream.answer
    monkeypatch.setattr(FlowStream, "answer", lambda self, *args: testing_answers.append(args) or send(self, *args))
    monkeypatch.setattr(_flow, "linger", at_once)
    held = giving(lambda it: [Output(it.pixels, it.pts, it.time_base)] if it.id < 9 else [], linger=0.3)
    assert testing.run(held, CLIP).skipped == [9, 10, 11]
    assert set(asked) == {(0.3, 10.0)}


@pytest.mark.parametrize(
    ("slowest", "seconds"), [(None, 8.0), (0.0, 2.0), (0.5, 2.0), (1.0, 3.0), (60.0, 8.0)]
)  # fmt: skip
def test_the_last_frames_are_waited_for_as_long_as_outputs_take(slowest, seconds):
    assert linger(2.0, slowest, 10.0) == seconds


def test_an_output_may_be_a_tensor_in_the_pipeline_s_range_or_pixels_with_a_batch_of_one():
    def give(frame):
        pixels = frame.pixels[None] if frame.id % 2 else frame.pixels.astype(np.float64) / 255
        return [Output(pixels, frame.pts, frame.time_base)]

    run = testing.run(giving(give, tensor_range=(0.0, 1.0)), CLIP)
    assert all((got == sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_what_lies_outside_the_range_is_clamped_and_what_is_no_number_black():
    values = np.full((16, 32, 3), 9.0, np.float32)
    values[0], values[1] = -9.0, np.nan
    run = testing.run(giving(lambda it: [Output(values, it.pts, it.time_base)]), CLIP[:1])
    assert (run.frames[0][0, 0, 0], run.frames[0][1, 0, 0], run.frames[0][2, 0, 0]) == (0, 0, 255)


def test_another_time_base_is_converted_and_what_was_rounded_finds_its_frame():
    run = testing.run(giving(lambda it: [Output(it.pixels, round(it.seconds * 1000), Fraction(1, 1000))]), CLIP)
    assert run.seconds == [index / 30 for index in range(12)]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda it: None, "returns an Output, not None"),
        (lambda it: it, "returns an Output, not `VideoFrame`"),
        (lambda it: Output(it.pixels[..., :2], it.pts, it.time_base), "shape"),
        (lambda it: Output(it.pixels, it.pts, (0, 1)), "positive fraction"),
    ],
)
def test_in_a_run_what_is_no_output_is_raised_as_the_contract_s_error(output, said):
    with pytest.raises(ContractError, match=said):
        testing.run(giving(lambda it: [output(it)]), CLIP)


def test_in_a_run_what_put_raises_is_raised():
    async def put(self, frame, request_id):
        raise KeyError("no")

    with pytest.raises(KeyError):
        testing.run(type("Fails", (Queued,), {"put": put}), CLIP)


def test_parameters_are_given_as_they_came_and_changed_between_two_puts():
    pipeline = Queued()
    testing.run(pipeline, CLIP, {"prompt": "a"}, updates={4: {"more": 1}})
    calls = pipeline.calls
    assert calls[0] == ("start", {"prompt": "a"})
    assert calls.index(("change", {"prompt": "a", "more": 1})) == calls.index(("put", 3)) + 1
    assert calls[-1] == ("stop",)


def test_what_change_raises_refuses_the_parameters():
    async def change(self, params):
        raise RuntimeError("not these")

    with pytest.raises(ParamsError, match="not these"):
        testing.run(type("Refuses", (Queued,), {"change": change}), CLIP, updates={2: {"a": 1}})


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"shareable": True}, "shareable"), ({"audio": True}, "audio"), ({"batch_size": 2}, "one frame at a time"),
        ({"max_in_flight": 0}, "max_in_flight"),
    ],
)  # fmt: skip
def test_what_a_decoupled_pipeline_cannot_be_is_told_by_its_attribute(attributes, said):
    with pytest.raises(TargetError, match=said):
        testing.run(type("Wrong", (Queued,), attributes), CLIP)


def test_a_stream_s_own_parameters_are_passed_where_they_were_given_or_are_unusual():
    values = {"width": 512, "height": 768, "show_reloading_frame": True}
    from decoupled_under_test import Negative

    class Mine(Negative):
        class Params(Negative.Params):
            height: int = 512

    def given(base, kind=Mine):
        return Engine(kind, {"strength": 2.0}, base=base).merged({}, base=base)

    assert given(Base(values)) == {"strength": 2.0, "height": 768}
    assert given(Base(values, frozenset({"width"}))) == {"strength": 2.0, "height": 768, "width": 512}
    assert Engine(Negative, {}, base=Base({})).merged({"width": 640}, True, Base(values)) == {"width": 640}


# In a worker process


def log_lines(worker, count):
    """What the pipeline says next."""
    return [worker.wait_for("log")["message"].removeprefix("said: ") for _ in range(count)]


def start(worker, name="Negative", **fields):
    worker.ask("load", pipeline=target(name), **fields)
    assert worker.wait_for("log", "ready")["type"] in ("log", "ready")


def test_a_frame_is_taken_answered_with_its_own_time_and_closed_by_the_next():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker)
        for frame in range(3):
            media.frame(frame, frame, 10 * frame)
            said = media.until(wire.FRAME)
            answer = said[-1]
            assert (answer.parents, answer.nth, answer.of, answer.pts) == ([frame], 0, 0, frame * 3000)
            assert media.sample(answer) == 255 - 10 * frame
            others = {it.type: it.frame for it in said[:-1]}
            while not {wire.TAKEN, wire.RELEASE} <= others.keys():
                late = media.read()
                others[late.type] = late.frame
            assert others[wire.TAKEN] == frame
            assert others.get(wire.SKIP) == (frame - 1 if frame else None), "the one before is closed"
            media.send(wire.release(answer.slot))
        media.send(wire.eos())
        assert [(it.type, it.frame) for it in media.until(wire.EOS)] == [(wire.SKIP, 2), (wire.EOS, 0)]


def test_describe_says_that_it_is_decoupled():
    with Worker() as worker:
        description = worker.load(target("Negative"))["description"]
    assert (description["decoupled"], description["reapplies_initial"]) == (True, True)
    assert "width" in description["params_schema"]["properties"]


def test_start_gets_the_raw_parameters_and_put_the_request_s_id():
    with Worker() as worker:
        base = {"values": {"width": 640, "show_reloading_frame": True}, "given": []}
        worker.ask("load", pipeline=target("Negative"), params={"strength": "2", "other": [1]}, base=base)
        said = log_lines(worker, 1)
        assert said == ["start {'strength': '2', 'other': [1], 'width': 640} as None with 2.0"]
        worker.wait_for("ready")
        media = Media(worker, request_id="the request")
        media.frame(0, 0, 1)
        assert log_lines(worker, 1) == ["put 0 of 'the request'"]


def test_a_replaced_set_is_whole_and_a_changed_one_is_merged():
    with Worker() as worker:
        worker.load(target("Negative"), strength=2.0)
        worker.ask("update", params={"a": 1})
        assert log_lines(worker, 1) == ["change {'strength': 2.0, 'a': 1}"]
        worker.wait_for("applied")
        worker.ask("update", params={"b": 2}, replace=True)
        assert log_lines(worker, 1) == ["change {'b': 2}"]
        worker.wait_for("applied")
        assert worker.call("update", "rejected", params={"strength": "much"})["problems"][0]["field"] == "strength"
        worker.call("update", "applied", params={"strength": 3}, check=True)
        worker.ask("update", params={"c": 3})
        assert log_lines(worker, 1) == ["change {'b': 2, 'c': 3}"]


def test_of_several_sets_that_wait_the_newest_counts_and_the_others_are_refused():
    with Worker() as worker:
        worker.load(target("Negative"))
        held = worker.ask("update", params={"strength": 11}, replace=True)
        assert log_lines(worker, 1) == ["change {'strength': 11}"]
        passed = [worker.ask("update", params={"a": it}, replace=True) for it in range(3)]
        for number in passed[:2]:
            refused = worker.wait_for("rejected")
            assert (refused["id"], refused["problems"][0]["rule"]) == (number, "superseded")
        worker.ask("flush", stream="s")
        assert worker.wait_for("applied")["id"] == held
        assert log_lines(worker, 1) == ["change {'a': 2}"]
        assert worker.wait_for("applied")["id"] == passed[2]


def test_changes_that_wait_become_one_change():
    with Worker() as worker:
        worker.load(target("Negative"))
        worker.ask("update", params={"strength": 11}, replace=True)
        log_lines(worker, 1)
        for params in ({"a": 1, "b": 1}, {"b": 2}):
            last = worker.ask("update", params=params)
        worker.wait_for("rejected")
        worker.ask("flush", stream="s")
        worker.wait_for("applied")
        assert log_lines(worker, 1) == ["change {'strength': 11, 'a': 1, 'b': 2}"]
        assert worker.wait_for("applied")["id"] == last


def test_an_update_comes_while_a_put_is_suspended():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker)
        media.frame(0, 0, 201)
        assert log_lines(worker, 1) == ["put 0 of ''"]
        worker.call("update", "applied", params={})
        assert media.sample(media.until(wire.FRAME)[-1]) == 255 - 201


def test_what_put_raises_is_told_in_its_own_words_and_the_next_frame_follows():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker, live=True)
        media.frame(0, 0, 200)
        error = worker.wait_for_error()
        assert (error["code"], error["message"], error["fatal"]) == ("process_failed", "two hundred is too much", False)
        assert "in put" in error["traceback"]
        (skip,) = [it for it in (media.read(), media.read()) if it.type == wire.SKIP]
        assert (skip.frame, skip.reason) == (0, wire.FAILED)
        media.frame(1, 1, 100)
        assert media.sample(media.until(wire.FRAME)[-1]) == 155


def test_a_get_that_fails_again_is_called_less_and_less_often():
    assert [pause_after(it) for it in (0, 1, 2, 4, 5, 1000)] == [0.01, 0.02, 0.04, 0.16, 0.25, 0.25]


def test_what_get_raises_is_told_each_time():
    with Worker() as worker:
        worker.load(target("Raises"))
        errors = [worker.wait_for_error() for _ in range(3)]
        assert {it["code"] for it in errors} == {"output_failed"}
        assert errors[0]["message"].endswith("returns an Output, not None")
        assert errors[1]["message"] == "call 2"
        assert "in get" in errors[1]["traceback"]


def test_a_picture_that_is_none_is_told_and_the_loop_goes_on():
    with Worker() as worker:
        worker.load(target("WrongPicture"))
        media = Media(worker, live=True)
        for frame in range(2):
            media.frame(frame, frame, 1)
            error = worker.wait_for_error()
            assert (error["code"], error["fatal"]) == ("output_failed", False)
            assert ", 2)" in error["message"]


def test_pictures_of_another_size_are_scaled_to_the_streams():
    flat = np.full((4, 16, 32, 3), 77, np.uint8)
    assert (np.array(testing.run(Doubled, flat).frames) == flat).all()
    ramp = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8)[None, None, :, None], (4, 16, 32, 3))
    scaled = np.array(testing.run(Doubled, ramp).frames).astype(int)
    assert np.abs(scaled - ramp).max() <= 2


def test_what_change_raises_is_the_rejection_and_the_former_parameters_hold():
    with Worker() as worker:
        worker.load(target("Negative"), strength=2.0)
        (problem,) = worker.call("update", "rejected", params={"strength": 7})["problems"]
        assert (problem["field"], problem["message"]) == ("strength", "seven is refused")
        worker.ask("update", params={"a": 1})
        while (said := worker.wait_for("log")["message"]) != "said: change {'strength': 2.0, 'a': 1}":
            assert "seven" in said or "change" in said


def test_a_task_is_a_reload_frames_are_passed_over_meanwhile_and_outputs_dropped():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker, live=True)
        media.frame(0, 0, 201)
        log_lines(worker, 1)
        number = worker.ask("update", params={"strength": 8})
        assert worker.wait_for("reloading")["id"] == number
        media.frame(1, 1, 10)
        worker.call("flush", "flushed", stream="s")
        assert worker.wait_for("ready")["id"] == number
        media.frame(2, 2, 20)
        said = media.until(wire.FRAME)
        while said[-1].parents != [2]:
            media.send(wire.release(said[-1].slot))
            said += media.until(wire.FRAME)
        assert media.sample(said[-1]) == 235
        assert 1 not in [it.parents[0] for it in said if it.type == wire.FRAME], "it was put to nobody"


def test_without_an_overlay_frames_are_put_while_it_reloads():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker, live=True)
        base = {"values": {"show_reloading_frame": False}, "given": ["show_reloading_frame"]}
        worker.ask("update", params={"strength": 8}, base=base)
        worker.wait_for("reloading")
        media.frame(0, 0, 10)
        assert log_lines(worker, 1) == ["put 0 of ''"]


def test_a_reload_that_fails_is_told_and_ends_the_process():
    with Worker() as worker:
        worker.load(target("Negative"))
        worker.ask("update", params={"strength": 9})
        worker.wait_for("reloading")
        error = worker.wait_for_error()
        assert (error["code"], error["message"], error["fatal"]) == ("load_failed", "the new model is broken", True)
        assert "in _break" in error["traceback"]
        assert worker.exit_code() == 1


def test_past_what_may_be_inside_the_oldest_is_given_up_and_that_is_told_once():
    with Worker() as worker:
        worker.load(target("Keeps"))
        media = Media(worker)
        for frame in range(6):
            media.frame(frame, frame, 1)
            taken = media.until(wire.TAKEN)
            given_up = [(it.frame, it.reason) for it in taken if it.type == wire.SKIP]
            assert given_up == ([(frame - 3, wire.LATE)] if frame >= 3 else [])
        error = worker.wait_for_error()
        assert (error["code"], error["fatal"]) == ("reported", False)
        assert "max_in_flight" in error["message"]
        while worker.wait_for("stats")["stats"]["dropped"] < 3:
            pass


def test_outputs_that_answer_no_frame_are_dropped_counted_and_told_once_each():
    with Worker() as worker:
        worker.load(target("Wanders"))
        media = Media(worker)
        for frame in range(3):
            media.frame(frame, frame, 1)
        answers = [media.until(wire.FRAME)[-1] for _ in range(2)]
        assert [it.parents for it in answers] == [[1], [2]]
        told = sorted(worker.wait_for_error()["message"] for _ in range(3))
        assert any("second output" in it for it in told)
        assert any("passed by" in it for it in told)
        assert any("another" in it for it in told)
        while (stats := worker.wait_for("stats")["stats"])["duplicate"] < 2:
            pass
        assert (stats["late"], stats["duplicate"], stats["unmatched"]) == (2, 2, 4)


def test_flush_gives_up_what_is_inside():
    with Worker() as worker:
        worker.load(target("Keeps"))
        media = Media(worker)
        for frame in range(2):
            media.frame(frame, frame, 1)
            media.until(wire.TAKEN)
        media.send(wire.flush(5))
        said = [it for it in media.until(wire.FLUSH) if it.type != wire.RELEASE]
        assert [(it.type, it.frame, it.reason) for it in said] == [
            (wire.SKIP, 0, wire.FLUSHED), (wire.SKIP, 1, wire.FLUSHED), (wire.FLUSH, 5, 0),
        ]  # fmt: skip


def test_drain_answers_what_is_inside_stops_once_and_exits():
    with Worker() as worker:
        worker.load(target("Negative"))
        media = Media(worker)
        media.frame(0, 0, 1)
        media.until(wire.FRAME)
        number = worker.ask("drain")
        assert media.until(wire.EOS)[-2].type in (wire.SKIP, wire.RELEASE, wire.TAKEN)
        lines = []
        while (message := worker.wait_for("log", "drained"))["type"] == "log":
            lines.append(message["message"])
        assert message["id"] == number
        assert lines.count("said: stop") == 1
        assert worker.exit_code() == 0


def test_a_second_stream_follows_the_first_on_the_same_instance():
    with Worker() as worker:
        worker.load(target("Negative"))
        for incarnation in (1, 2):
            media = Media(worker, incarnation=incarnation)
            media.frame(0, 0, 1)
            assert media.sample(media.until(wire.FRAME)[-1]) == 254
            worker.call("detach", "detached", stream="s")
