"""A batch pipeline as a FastAPI application, where FastAPI is installed."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from .batch import HealthCheck, Pipeline, Version

__all__ = ["application", "server"]


def application(pipeline: Pipeline) -> Any:
    """The pipeline's routes, with `/health` and `/version`."""
    app = _package("fastapi").FastAPI()
    if pipeline.router is None:
        raise ValueError(f"`{pipeline.name}` has no router")
    app.include_router(pipeline.router)
    app.add_api_route("/health", pipeline.get_health, name="health", response_model=HealthCheck)
    app.add_api_route("/version", lambda: _version(pipeline), name="version", response_model=Version)
    return app


def server() -> Any:
    """Uvicorn."""
    return _package("uvicorn")


def _version(pipeline: Pipeline) -> Version:
    return Version(
        pipeline=os.environ.get("PIPELINE") or pipeline.name,
        model_id=os.environ.get("MODEL_ID", ""),
        version=os.environ.get("VERSION") or "undefined",
    )


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(
            f"a batch pipeline is served by {name}, which is not installed here: pip install 'ai-runner-base[batch]'"
        ) from error
