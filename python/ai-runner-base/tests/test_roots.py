"""The two import roots: the same names, and nothing heavy behind them."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from both_roots import ROOTS

SOURCES = Path(__file__).parents[1] / "src"
CONTRACT = {
    "app": "start_app create_app load_pipeline prepare_models use_route_names_as_operation_ids",
    "main": "app load_pipeline",
    "live.pipelines": "Pipeline BaseParams PipelineSpec builtin_pipeline_spec",
    "live.pipelines.interface": "Pipeline BaseParams",
    "live.pipelines.spec": "PipelineSpec builtin_pipeline_spec",
    "live.pipelines.loader": "load_pipeline_class load_pipeline parse_pipeline_params",
    "live.pipelines.noop": "Noop",
    "live.pipelines.trickle": "VideoFrame VideoOutput",
    "live.trickle": "VideoFrame VideoOutput AudioFrame AudioOutput InputFrame OutputFrame DEFAULT_WIDTH DEFAULT_HEIGHT"
    " TrickleSubscriber TricklePublisher run_subscribe run_publish",
    "live.trickle.frame": "SideData",
    "pipelines.live_video_to_video": "LiveVideoToVideoPipeline",
    "pipelines.base": "Pipeline HealthCheck Version",
    "live.log": "config_logging config_logging_fields log_timing",
}


@pytest.mark.parametrize("module", list(CONTRACT))
def test_every_module_has_the_contracts_names(root, module):
    there = importlib.import_module(f"{root}.{module}")
    for name in CONTRACT[module].split():
        assert hasattr(there, name), name
        assert name in there.__all__


SIGNATURES = {
    "app:start_app": "pipeline=None host=None port=None **server_kwargs",
    "app:create_app": "pipeline=None",
    "app:prepare_models": "pipeline",
    "main:load_pipeline": "pipeline model_id=''",
    "live.pipelines:builtin_pipeline_spec": "name",
    "live.pipelines.loader:load_pipeline_class": "pipeline",
    "live.pipelines.loader:load_pipeline": "pipeline",
    "live.pipelines.loader:parse_pipeline_params": "pipeline params",
    "live.pipelines:Pipeline.__init__": "self",
    "live.pipelines:Pipeline.initialize": "self **params",
    "live.pipelines:Pipeline.put_video_frame": "self frame request_id",
    "live.pipelines:Pipeline.get_processed_video_frame": "self",
    "live.pipelines:Pipeline.update_params": "self **params",
    "live.pipelines:Pipeline.stop": "self",
    "live.pipelines:Pipeline.prepare_models": "",
    "live.pipelines:BaseParams.get_output_resolution": "self",
    "live.trickle:InputFrame.from_av_video": "tensor timestamp time_base",
    "live.trickle:InputFrame.from_av_audio": "av_frame",
    "live.trickle:VideoFrame.__init__": "self tensor timestamp time_base log_timestamps=None",
    "live.trickle:VideoFrame.replace_tensor": "self tensor",
    "live.trickle:VideoOutput.__init__": "self frame request_id='' is_loading_frame=False",
    "live.trickle:VideoOutput.replace_tensor": "self tensor",
    "live.trickle:AudioOutput.__init__": "self frames request_id=''",
    "pipelines.base:Pipeline.__init__": "self model_id model_dir",
    "pipelines.base:Pipeline.__call__": "self **kwargs",
    "pipelines.base:Pipeline.get_health": "self",
    "pipelines.live_video_to_video:LiveVideoToVideoPipeline.get_health": "self",
}
FIELDS = {
    "live.pipelines:PipelineSpec": {"name": "", "pipeline_cls": ..., "params_cls": None, "initial_params": {}},
    "live.pipelines:BaseParams": {"width": 512, "height": 512, "show_reloading_frame": True},
}


def named(root, path):
    module, _, attribute = path.partition(":")
    value = importlib.import_module(f"{root}.{module}")
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("path", list(SIGNATURES))
def test_what_is_called_takes_the_contracts_arguments(root, path):
    def written(it):
        stars = {it.VAR_KEYWORD: "**", it.VAR_POSITIONAL: "*"}.get(it.kind, "")
        return stars + it.name + ("" if it.default is it.empty else f"={it.default!r}")

    parameters = inspect.signature(named(root, path)).parameters.values()
    assert " ".join(written(it) for it in parameters) == SIGNATURES[path]


@pytest.mark.parametrize("path", list(FIELDS))
def test_models_have_the_contracts_fields_and_defaults(root, path):
    there = named(root, path).model_fields
    for name, default in FIELDS[path].items():
        field = there[name]
        assert field.is_required() if default is ... else field.get_default(call_default_factory=True) == default


def test_calling_a_live_pipeline_takes_the_contracts_keywords(root):
    call = named(root, "pipelines.live_video_to_video:LiveVideoToVideoPipeline").__call__
    parameters = inspect.signature(call).parameters
    assert {"subscribe_url", "publish_url", "control_url", "events_url", "params", "request_id", "manifest_id",
            "stream_id"} <= set(parameters)  # fmt: skip


def test_both_roots_have_the_same_modules():
    def modules(root):
        return sorted(str(path.relative_to(SOURCES / root)) for path in (SOURCES / root).rglob("*.py"))

    assert modules("app") == modules("runner")


def test_the_roots_differ_in_their_range_alone():
    kinds = [importlib.import_module(f"{root}.live.pipelines.interface").Pipeline for root in ROOTS]
    assert [kind.tensor_range for kind in kinds] == list(ROOTS.values())
    assert kinds[0] is not kinds[1]
    noops = [importlib.import_module(f"{root}.live.pipelines.noop").Noop for root in ROOTS]
    assert [noop.tensor_range for noop in noops] == list(ROOTS.values())
    for module, name in (("interface", "BaseParams"), ("trickle", "VideoFrame"), ("spec", "PipelineSpec")):
        ours, theirs = (importlib.import_module(f"{root}.live.pipelines.{module}") for root in ROOTS)
        assert getattr(ours, name) is getattr(theirs, name)


def test_importing_everything_imports_no_torch_and_no_server(root):
    heavy = ("torch", "av", "fastapi", "uvicorn", "numpy.testing")
    imports = ", ".join(f"{root}.{module}" for module in CONTRACT)
    script = f"import sys, {imports}\nprint([it for it in {heavy} if it in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
