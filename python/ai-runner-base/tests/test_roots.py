"""The two import roots: the same names, and nothing heavy behind them."""

import importlib
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
