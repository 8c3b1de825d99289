"""Who calls what, when, and what becomes of errors: against worker processes, for each of the two roots."""

import importlib.util
import json
from pathlib import Path

import parent
import pytest
from both_roots import ROOTS
from framerill import _descriptor as wire

PIPELINES = Path(__file__).with_name("pipelines_of_both_roots.py")
HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed: tensors are not tried")


class Worker(parent.Worker):
    """A worker of a live stream, whose calls are read from its log."""

    def __init__(self, **options):
        super().__init__(**options)
        self.said = []

    def ask(self, kind, fds=(), **fields):
        if kind == "attach":
            fields = {"live": True, "request_id": "request-1", **fields}
        return super().ask(kind, fds, **fields)

    def read(self):
        message = super().read()
        if message["type"] == "log" and message["message"].startswith("call: "):
            self.said.append(message["message"].removeprefix("call: "))
        return message

    def calls(self, until):
        """What the pipeline said since the last time, up to a call that begins like `until`, that one included."""
        nth = 0
        while True:
            while nth < len(self.said):
                nth += 1
                if self.said[nth - 1].startswith(until):
                    taken, self.said = self.said[:nth], self.said[nth:]
                    return taken
            self.read()

    def puts(self, until):
        """The same, without the calls of the output loop, which come in between."""
        return [it for it in self.calls(until) if it != "get"]

    def error(self):
        """The next error."""
        while True:
            message = self.read()
            if message["type"] == "error":
                return message


class Media(parent.Media):
    """A live stream's media."""

    def __init__(self, worker):
        super().__init__(worker)
        self.pictured = set()

    def answer(self):
        """The next picture, or the next frame that has none."""
        while True:
            message = self.read()
            if message.type == wire.FRAME:
                self.pictured.add(message.frame)
                return message
            # A skip after pictures says that the frame has no more of them.
            if message.type == wire.SKIP and message.frame not in self.pictured:
                return message


@pytest.fixture
def worker(root, tmp_path):
    env = {"ROOT": root, "RELOADED": str(tmp_path / "reloaded")}
    with Worker(env=env) as it:
        it.root = root
        it.reloaded = tmp_path / "reloaded"
        yield it


def target(name):
    return f"{PIPELINES}:{name}"


def test_calls_come_in_the_contracts_order_and_with_its_arguments(worker):
    spec = json.dumps({"pipeline_cls": target("Plain"), "name": "plain"})
    worker.load(spec, level="3", width=512.0)
    # The initial parameters come as they were given, whatever the class makes of them.
    assert worker.calls("get") == ["__init__ plain", "initialize {'level': '3', 'width': 512.0}", "get"]
    media = Media(worker)
    media.frame(5, level=40)
    assert worker.calls("get") == ["put 15000 1/90000 request-1", "get"]
    answer = media.answer()
    assert (answer.frame, answer.pts, media.sample(answer)) == (5, 15000, 40)
    worker.call("update", "applied", params={"level": 4}, replace=True)
    assert worker.calls("update") == ["update {'level': 4}"]
    worker.ask("drain")
    assert worker.calls("stop") == ["stop"]
    worker.wait_for("drained")
    assert worker.exit_code() == 0


def test_without_initial_parameters_none_are_given(worker):
    worker.load(target("Plain"))
    assert worker.calls("initialize") == ["__init__ None", "initialize {}"]


def test_a_constructor_that_calls_no_base_and_base_parameters_are_fine(worker):
    description = worker.load(target("Bare"))["description"]
    assert description["defaults"] == {"width": 512, "height": 512, "show_reloading_frame": True}
    media = Media(worker)
    media.frame(0, level=9)
    assert media.sample(media.answer()) == 9


@pytest.mark.parametrize(
    ("name", "said"), [("Lacking", "prepare_models"), ("BrokenLoad", "no model with {'level': 2}")]
)
def test_a_load_that_fails_is_told_with_the_authors_traceback(worker, name, said):
    worker.ask("load", pipeline=target(name), params={"level": 2})
    error = worker.error()
    assert (error["code"], error["fatal"]) == ("load_failed", False)
    assert said in error["message"]
    assert "Traceback" in error["traceback"]


def test_one_frame_is_put_at_a_time_and_parameters_come_while_it_is_suspended(worker):
    worker.load(target("Suspended"))
    media = Media(worker)
    media.frame(0, 0)
    media.frame(1, 1)
    assert worker.puts("put")[-1] == "put begins 0"
    worker.ask("update", params={"level": 1}, replace=True)
    assert worker.puts("put begins") == ["update 1", "put ends 0", "put begins 3000"]
    worker.ask("update", params={"level": 2}, replace=True)
    assert worker.puts("put ends") == ["update 2", "put ends 3000"]
    assert [media.answer().frame, media.answer().frame] == [0, 1]


def test_a_put_that_raises_is_told_and_the_next_frame_comes(worker):
    worker.load(target("BadPut"))
    media = Media(worker)
    media.frame(0, 0)
    media.frame(1, 1, level=7)
    error = worker.error()
    assert (error["code"], error["message"], error["fatal"]) == ("process_failed", "not this one", False)
    assert "pipelines_of_both_roots.py" in error["traceback"]
    skipped, answered = media.answer(), media.answer()
    assert (skipped.type, skipped.frame, skipped.reason) == (wire.SKIP, 0, wire.FAILED)
    assert (answered.frame, media.sample(answered)) == (1, 7)


def test_a_get_that_raises_or_gives_no_output_is_told_and_called_again(worker):
    worker.load(target("BadGet"))
    media = Media(worker)
    said = []
    for frame in range(3):
        media.frame(frame, frame)
        error = worker.error()
        assert (error["code"], error["fatal"]) == ("output_failed", False)
        said.append(error["message"])
    assert said == [
        "no output",
        "get_processed_video_frame returns a VideoOutput, not None",
        "get_processed_video_frame returns a VideoOutput, not `VideoFrame`",
    ]
    media.frame(3, 3, level=8)
    answers = [media.answer() for _ in range(4)]
    assert [(it.type, it.frame) for it in answers] == [(wire.SKIP, 0), (wire.SKIP, 1), (wire.SKIP, 2), (wire.FRAME, 3)]


def test_a_get_that_raises_for_ever_is_called_less_and_less_often(worker):
    worker.load(target("Spinning"))
    (gaps,) = worker.calls("gaps")[-1:]
    gaps = json.loads(gaps.removeprefix("gaps "))
    assert all(later >= 0.01 for later in gaps)
    assert gaps[4] >= 0.16


def test_an_update_is_a_whole_set_and_one_that_is_refused_changes_nothing(worker):
    worker.load(target("Updated"), level=1)
    worker.call("update", "applied", params={"level": 2, "mode": "x"}, replace=True)
    worker.call("update", "applied", params={"width": 448}, replace=True)
    assert worker.calls("update {'w")[-2:] == ["update {'level': 2, 'mode': 'x'}", "update {'width': 448}"]
    for params, said in (
        ({"mode": "refuse"}, "not now"),
        ({"mode": "wrong"}, "update_params returns None or a running task, not `int`"),
        ({"width": 500}, "`width`"),
        ({"height": 1088}, "`height`"),
        ({"level": "high"}, "`level`"),
    ):
        answer = refused(worker, params)
        assert said in answer["problems"][0]["message"]
    worker.call("update", "applied", params={"unknown": 1, "width": "640", "height": 640.0}, replace=True)
    seen = worker.calls("update {'unknown'")
    # What breaks a rule never reaches the pipeline.
    assert [it for it in seen if it.startswith("update")] == [
        "update {'mode': 'refuse'}",
        "update {'mode': 'wrong'}",
        "update {'unknown': 1, 'width': '640', 'height': 640.0}",
    ]


def test_one_update_is_made_at_a_time(worker):
    worker.load(target("SlowlyUpdated"))
    worker.calls("get")
    worker.ask("update", params={"level": 1}, replace=True)
    assert worker.puts("update begins") == ["update begins 1"]
    worker.ask("update", params={"level": 2}, replace=True)
    worker.reloaded.touch()
    assert worker.puts("update ends 2") == ["update ends 1", "update begins 2", "update ends 2"]


def test_a_stop_that_raises_is_logged_and_the_process_ends_well(worker):
    worker.load(target("BadStop"))
    worker.ask("drain")
    assert worker.calls("stop")[-1] == "stop"
    worker.wait_for("drained")
    assert worker.exit_code() == 0


def refused(worker, params):
    worker.ask("update", params=params, replace=True)
    while (message := worker.read())["type"] != "rejected":
        assert message["type"] != "applied"
    return message


def test_a_task_means_a_reload_during_which_no_frame_is_put(worker):
    worker.load(target("Updated"))
    media = Media(worker)
    asked = worker.ask("update", params={"mode": "reload"}, replace=True)
    assert worker.wait_for("reloading")["id"] == asked
    media.frame(0, 0)
    skipped = media.answer()
    assert (skipped.type, skipped.frame, skipped.reason) == (wire.SKIP, 0, wire.CHOSEN)
    worker.reloaded.touch()
    assert worker.wait_for("ready")["id"] == asked
    media.frame(1, 1, level=3)
    assert media.answer().frame == 1
    assert [it for it in worker.calls("put") if it.startswith("put")] == ["put 3000 1/90000 request-1"]


def test_without_the_overlay_frames_are_put_while_it_reloads(worker):
    worker.load(target("Updated"))
    media = Media(worker)
    worker.ask("update", params={"mode": "reload", "show_reloading_frame": False}, replace=True)
    worker.wait_for("reloading")
    media.frame(0, 0)
    assert worker.calls("put")[-1] == "put 0 1/90000 request-1"
    worker.reloaded.touch()
    worker.wait_for("ready")


def test_a_task_that_fails_ends_the_process_and_says_why(worker):
    worker.load(target("Updated"))
    worker.ask("update", params={"mode": "fail"}, replace=True)
    error = worker.error()
    assert (error["code"], error["message"], error["fatal"]) == ("load_failed", "no such model", True)
    assert "pipelines_of_both_roots.py" in error["traceback"]
    assert worker.exit_code() != 0


def test_several_outputs_for_a_frame_keep_their_times(worker):
    worker.load(target("SeveralUntouched"))
    media = Media(worker)
    media.frame(0, 0)
    media.frame(1, 1)
    answers = [media.answer() for _ in range(5)]
    assert [(it.frame, it.nth, it.pts) for it in answers] == [
        (0, 0, 0),
        (0, 1, 1000),
        (0, 2, 2000),
        (1, 0, 3000),
        (1, 1, 4000),
    ]


def test_an_output_of_another_request_goes_nowhere(worker):
    worker.load(target("Others"))
    media = Media(worker)
    media.frame(0, 0, level=5)
    answer = media.answer()
    assert (answer.type, answer.frame, media.sample(answer)) == (wire.FRAME, 0, 5)
    assert "the request `another`" in worker.error()["message"]


def test_pictures_are_in_the_roots_range_clamped_and_never_wrapped(worker):
    worker.load(target("Levels"))
    media = Media(worker)
    levels = []
    for frame in range(6):
        media.frame(frame, frame)
        levels.append(media.sample(media.answer()))
    assert levels == [0, 128, 255, 255, 0, 0]


@needs_torch
def test_tensors_are_in_the_roots_range_both_ways(worker):
    low, high = ROOTS[worker.root]
    worker.load(target("Tensors"))
    media = Media(worker)
    levels = []
    for frame, level in enumerate((0, 255, 100)):
        media.frame(frame, frame, level=level)
        levels.append(media.sample(media.answer()))
    assert levels == [0, 255, (100 - 127.5) * 3 + 127.5]
    seen = [it for it in worker.calls("tensor") + worker.calls("tensor") if it.startswith("tensor")]
    assert seen == [
        f"tensor (1, 16, 32, 3) torch.float32 {low:.3f} {low:.3f}",
        f"tensor (1, 16, 32, 3) torch.float32 {high:.3f} {high:.3f}",
    ]


@needs_torch
def test_a_tensor_that_is_written_in_place_is_what_goes_out(worker):
    worker.load(target("InPlace"))
    media = Media(worker)
    media.frame(0, 0, level=1)
    assert media.sample(media.answer()) == 255


def test_a_record_that_reports_an_error_is_an_event_of_its_text(worker):
    worker.load(target("Reporting"))
    worker.ask("update", params={"level": 1}, replace=True)
    error = worker.error()
    assert (error["message"], error["fatal"]) == ("the prompt is too long", False)


def test_noop_gives_back_what_it_got_and_needs_no_torch(worker):
    worker.load(f"{worker.root}.live.pipelines.noop:Noop", width=448)
    media = Media(worker)
    for frame, level in enumerate((0, 100, 255)):
        media.frame(frame, frame, level=level)
        answer = media.answer()
        assert (answer.frame, media.sample(answer)) == (frame, level)
    assert refused(worker, {"width": 500})["problems"][0]["field"] == "width"
    mapped = Path(f"/proc/{worker.process.pid}/maps").read_text()
    assert "libtorch" not in mapped
