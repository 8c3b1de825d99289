"""A pipeline by the paths of its classes."""

from ai_runner_base.spec import PipelineSpec

__all__ = ["PipelineSpec", "builtin_pipeline_spec"]


def builtin_pipeline_spec(name: str) -> PipelineSpec | None:
    """The spec of a pipeline that this package brings, `noop`; None for any other name."""
    if name == "noop":
        return PipelineSpec(name="noop", pipeline_cls="app.live.pipelines.noop:Noop")
    return None
