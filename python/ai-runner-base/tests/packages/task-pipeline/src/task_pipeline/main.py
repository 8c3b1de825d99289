"""The pipeline's own main, as the newer generation has one."""

from runner.app import start_app
from runner.live.pipelines import PipelineSpec

SPEC = PipelineSpec(
    name="task",
    pipeline_cls="task_pipeline.pipeline:TaskPipeline",
    params_cls="task_pipeline.params:TaskParams",
    initial_params={"brightness": 0.5},
)


def main():
    """Serves it."""
    start_app(pipeline=SPEC)
