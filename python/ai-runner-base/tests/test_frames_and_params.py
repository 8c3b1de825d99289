"""Frames, parameters, specs, log lines: what they hold, refuse and share."""

import importlib
import json
import logging
import sys
from fractions import Fraction
from types import SimpleNamespace

import framerill
import numpy as np
import pytest
from framerill import testing
from pydantic import ValidationError

from ai_runner_base.log import config_logging, config_logging_fields, log_timing
from app.live.pipelines.interface import BaseParams, Pipeline
from app.live.pipelines.noop import Noop
from app.live.trickle import AudioFrame, AudioOutput, InputFrame, OutputFrame, VideoFrame, VideoOutput
from app.live.trickle.frame import SideData
from runner.live.pipelines import PipelineSpec

TICK = Fraction(1, 90_000)


def test_frames_share_nothing_that_they_were_not_given():
    one, other = (VideoFrame(None, 1, TICK) for _ in range(2))
    one.log_timestamps["frame_init"] = 1.0
    one.side_data.skipped = False
    one.side_data.mine = "note"
    assert other.log_timestamps == {}
    assert other.side_data.skipped is True
    assert other.side_data.input is None
    assert not hasattr(other.side_data, "mine")
    assert isinstance(other.side_data, SideData)


def test_a_replaced_tensor_keeps_time_notes_and_passage():
    frame = VideoFrame("tensor", 7, TICK, {"frame_init": 1.0})
    other = frame.replace_tensor("another")
    assert (other.tensor, other.timestamp, other.time_base) == ("another", 7, TICK)
    assert other.log_timestamps is frame.log_timestamps
    assert other.side_data is frame.side_data
    assert frame.tensor == "tensor"


def test_an_output_shows_its_frame():
    output = VideoOutput(VideoFrame("tensor", 7, TICK), "id", True)
    assert (output.tensor, output.timestamp, output.time_base) == ("tensor", 7, TICK)
    assert output.log_timestamps is output.frame.log_timestamps
    other = output.replace_tensor("another")
    assert (other.tensor, other.request_id, other.is_loading_frame) == ("another", "id", True)
    assert (VideoOutput(output.frame).request_id, VideoOutput(output.frame).is_loading_frame) == ("", False)
    with pytest.raises(AttributeError):
        output.timestamp = 3
    assert (AudioOutput([]).is_loading_frame, AudioOutput([], "id").request_id) == (False, "id")
    assert issubclass(VideoOutput, OutputFrame)
    assert issubclass(AudioOutput, OutputFrame)


def decoded(pts):
    return SimpleNamespace(
        pts=pts, time_base=TICK, format=SimpleNamespace(name="fltp"), layout=SimpleNamespace(name="stereo"),
        sample_rate=48_000, samples=4, to_ndarray=lambda: np.zeros((2, 4), np.float32),
    )  # fmt: skip


def test_sound_comes_from_a_decoded_block_that_has_a_time():
    for frame in (AudioFrame(decoded(9)), InputFrame.from_av_audio(decoded(9))):
        assert (frame.timestamp, frame.time_base, frame.format, frame.layout) == (9, TICK, "fltp", "stereo")
        assert (frame.rate, frame.nb_samples, frame.samples.shape) == (48_000, 4, (2, 4))
    with pytest.raises(ValueError, match="without a time"):
        AudioFrame(decoded(None))
    picture = InputFrame.from_av_video("tensor", 3, TICK)
    assert (type(picture), picture.tensor, picture.timestamp) == (VideoFrame, "tensor", 3)


def test_a_lent_frame_is_untouched_until_its_tensor_is_asked_for_or_set():
    lent = framerill.VideoFrame(np.zeros((16, 32, 3), np.uint8), pts=3000)
    frame = VideoFrame.of(lent)
    assert (frame.timestamp, frame.time_base) == (3000, TICK)
    assert frame.untouched is lent.pixels
    same = frame.same()
    assert same.untouched is lent.pixels
    assert same.side_data is frame.side_data
    frame.tensor = "mine"
    assert (frame.untouched, frame.tensor) == (None, "mine")
    assert VideoFrame(np.ones(1), 0, TICK).same().tensor is not None
    kept = VideoFrame(np.ones(1), 0, TICK)
    assert kept.same().tensor is not kept.tensor


@pytest.mark.parametrize("value", [384, 512, 1024, "640", 448.0])
def test_sizes_are_whole_multiples_of_64_whatever_they_are_written_as(value):
    params = BaseParams(width=value, height=value)
    assert (params.width, params.get_output_resolution()) == (int(value), (int(value), int(value)))


@pytest.mark.parametrize("value", [320, 500, 1088, "wide", 512.5, None])
def test_other_sizes_are_refused(value):
    for field in ("width", "height"):
        with pytest.raises(ValidationError):
            BaseParams(**{field: value})


def test_parameters_have_defaults_and_pass_over_unknown_names():
    params = BaseParams(unknown=3)
    assert params.model_dump() == {"width": 512, "height": 512, "show_reloading_frame": True}

    class Strict(BaseParams, extra="forbid"):
        pass

    with pytest.raises(ValidationError):
        Strict(unknown=3)


def test_a_spec_has_a_name_and_survives_json():
    spec = PipelineSpec(pipeline_cls="my.pack:ScopePipeline", params_cls="my.pack:P", initial_params={"a": 1})
    assert (spec.name, spec.tensor_range) == ("scope", None)
    assert PipelineSpec.model_validate_json(spec.model_dump_json()) == spec
    assert json.loads(spec.target()) == {
        "name": "scope", "pipeline_cls": "my.pack:ScopePipeline", "params_cls": "my.pack:P", "initial_params": {"a": 1}
    }  # fmt: skip
    assert PipelineSpec(pipeline_cls="my:Pipeline").name == "pipeline"
    assert PipelineSpec(pipeline_cls="my:Other", name="own").name == "own"
    one, other = PipelineSpec(pipeline_cls="a:B"), PipelineSpec(pipeline_cls="a:B")
    assert one.initial_params is not other.initial_params
    for path in ("no_colon", "module:", ":Class"):
        with pytest.raises(ValidationError, match=r"package\.module:Class"):
            PipelineSpec(pipeline_cls=path)


def test_the_built_in_spec_is_noop_alone(root):
    from_root = importlib.import_module(f"{root}.live.pipelines")
    spec = from_root.builtin_pipeline_spec("noop")
    assert (spec.name, spec.pipeline_cls) == ("noop", f"{root}.live.pipelines.noop:Noop")
    assert from_root.builtin_pipeline_spec("comfyui") is None


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A distribution with entry points, as pip leaves it behind. Only the import of its `slow` takes any time."""
    known = set(sys.modules)
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("ai_runner_base.loader.time", clock)
    info = tmp_path / "told_pack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: told-pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ai_runner.pipelines]\ntold = told_pack.pipeline:Told\n"
        "[ai_runner.pipeline]\ntold = told_pack.pipeline:Other\nolder = told_pack.pipeline:Told\n"
        "[ai_runner.pipeline_params]\nolder = told_pack.params:OlderParams\n"
    )
    (tmp_path / "told_pack").mkdir()
    (tmp_path / "told_pack" / "__init__.py").touch()
    (tmp_path / "told_pack" / "params.py").write_text(
        "from app.live.pipelines.interface import BaseParams\n"
        "class ToldParams(BaseParams):\n    level: int = 1\n"
        "class OlderParams(BaseParams):\n    level: int = 2\n"
    )
    (tmp_path / "told_pack" / "heavy.py").write_text("import torch\nfrom .params import *\n")
    (tmp_path / "told_pack" / "slow.py").write_text(
        "from ai_runner_base import loader\nloader.time.now += loader.LONGEST_PARSE\nfrom .params import *\n"
    )
    (tmp_path / "torch.py").touch()
    (tmp_path / "told_pack" / "pipeline.py").write_text(
        "from app.live.pipelines.noop import Noop\nfrom .params import ToldParams\n"
        "class Told(Noop):\n    Params = ToldParams\n"
        "class Other(Noop):\n    @property\n    def pipeline_name(self):\n        return 'its own'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def loader(root):
    return importlib.import_module(f"{root}.live.pipelines.loader")


def test_a_name_means_its_entry_point_else_its_base(root, package, caplog):
    load = loader(root).load_pipeline_class
    assert load("told").__name__ == "Told"
    assert "told_pack.pipeline:Told counts, told_pack.pipeline:Other does not" in caplog.text
    assert load("told-fast").__name__ == "Told"
    assert load("told_pack.pipeline:Other").__name__ == "Other"
    assert load(PipelineSpec(pipeline_cls="told_pack.pipeline:Told")).__name__ == "Told"
    assert load("noop").__module__ == f"{root}.live.pipelines.noop"
    made = loader(root).load_pipeline("told-fast")
    assert made.pipeline_name == "told-fast"
    assert loader(root).load_pipeline("told_pack.pipeline:Other").pipeline_name == "its own"


def test_an_unknown_name_is_answered_with_what_there_is(root, package):
    with pytest.raises(ValueError, match=r"^Unknown pipeline: gone\. Available pipelines: .*\bolder, told$"):
        loader(root).load_pipeline_class("gone")
    with pytest.raises(TypeError, match="no pipeline"):
        loader(root).load_pipeline_class("told_pack.params:ToldParams")


def test_parameters_are_those_of_the_entry_point_else_of_the_class(root, package):
    parse = loader(root).parse_pipeline_params
    assert parse("told", {}).level == 1
    assert parse("older-fast", {"level": "7"}).level == 7
    assert type(parse("older-fast", {})).__name__ == "OlderParams"
    assert type(parse("noop", {})) is BaseParams
    spec = PipelineSpec(pipeline_cls="told_pack.pipeline:Told", params_cls="told_pack.params:OlderParams")
    assert parse(spec, {}).level == 2
    with pytest.raises(ValidationError):
        parse("told", {"width": 500})


def test_reading_parameters_imports_no_model_and_takes_no_time(root, package):
    parse = loader(root).parse_pipeline_params
    spec = PipelineSpec(name="mine", pipeline_cls="told_pack.pipeline:Told", params_cls="told_pack.heavy:ToldParams")
    if "torch" not in sys.modules:
        with pytest.raises(ImportError, match="parameters of `mine` imports torch"):
            parse(spec, {})
    slow = spec.model_copy(update={"params_cls": "told_pack.slow:ToldParams"})
    with pytest.raises(TimeoutError, match=r"parameters of `mine` took 0\.50 s"):
        parse(slow, {})
    assert parse(slow, {}).level == 1


def test_framerills_own_finder_takes_the_same_parameters(package):
    from framerill._target import find

    assert find("told").pipeline.Params.__name__ == "ToldParams"
    assert find("older").pipeline.Params.__name__ == "OlderParams"
    found = find("told-fast")
    assert (found.name, found.pipeline.tensor_range, found.pipeline.Params.__name__) == (
        "told-fast", (-1.0, 1.0), "ToldParams"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("params", "said", "line"),
    [
        ("told_pack.params:Gone", "has no attribute 'Gone'", None),
        ("told_pack.nowhere:P", "No module named 'told_pack.nowhere'", None),
        ("told_pack.faulty:P", "ModuleNotFoundError: No module named 'nobody_has_this'", 2),
        ("told_pack.leaves:P", "SystemExit: 3", 1),
    ],
)
def test_parameters_that_cannot_be_had_are_a_load_error_of_their_package(package, params, said, line):
    from framerill import pipelines
    from framerill.errors import TargetError

    (package / "told_pack" / "faulty.py").write_text("import os\nimport nobody_has_this\n")
    (package / "told_pack" / "leaves.py").write_text("raise SystemExit(3)\n")
    entries = package / "told_pack-1.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("told_pack.params:OlderParams", params))
    with pytest.raises(TargetError) as caught:
        pipelines.describe("older")
    assert (caught.value.code, caught.value.traceback is not None) == ("import_failed", True)
    assert str(caught.value).startswith("`older` cannot be imported: ")
    assert said in str(caught.value)
    if line is not None:
        file = params.partition(":")[0].replace(".", "/")
        assert str(caught.value).endswith(f" ({package}/{file}.py, line {line})")
    assert pipelines.describe("told")["name"] == "told"


def test_a_queue_of_frames_costs_no_copies_unless_its_class_says_how_many_it_keeps():
    class Keeps(Noop):
        async def put_video_frame(self, frame, request_id):
            self.kept = [*getattr(self, "kept", [])[-14:], frame]
            await super().put_video_frame(frame, request_id)

    keeps_few = type("KeepsFew", (Keeps,), {"history": 4})
    run = testing.run(Keeps, 40)
    assert (len(run.frames), run.copies) == (40, 0)
    assert testing.run(keeps_few, 40).copies > 0


def test_a_pipeline_needs_every_method_but_stop():
    class Lacking(Pipeline):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Lacking()
    assert Pipeline.__abstractmethods__ == {
        "initialize", "put_video_frame", "get_processed_video_frame", "update_params", "prepare_models"
    }  # fmt: skip


def test_log_lines_have_the_runners_fields(capsys):
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        handler = config_logging(log_level=logging.INFO, request_id="r", manifest_id="m", stream_id="s%")
        assert config_logging(log_level=logging.INFO, request_id="r", manifest_id="m", stream_id="s%") is handler
        record = logging.makeLogRecord({"msg": "done", "levelname": "INFO", "filename": "f.py", "lineno": 3,
                                        "funcName": "g", "levelno": 20})  # fmt: skip
        line = handler.format(record)
        _, _, rest = line.partition(" level=")
        assert rest == ("INFO location=f.py:3:g gateway_request_id=r manifest_id=m stream_id=s% message=done")
        config_logging_fields(handler)
        assert "gateway_request_id= manifest_id= stream_id= " in handler.format(record)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def test_timing_says_how_it_went(caplog):
    caplog.set_level(logging.INFO)
    with log_timing("warm_up"):
        pass
    with pytest.raises(RuntimeError), log_timing("load"):
        raise RuntimeError
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("operation=warm_up status=success duration_s=0.")
    assert said[0].endswith("s")
    assert said[1].startswith("operation=load status=failure duration_s=")
