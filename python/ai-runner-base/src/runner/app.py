"""The server: `start_app(PipelineSpec(...))` is all that a pipeline's own main needs."""

from ai_runner_base.application import (
    create_app,
    load_pipeline,
    prepare_models,
    start_app,
    use_route_names_as_operation_ids,
)

__all__ = ["create_app", "load_pipeline", "prepare_models", "start_app", "use_route_names_as_operation_ids"]
