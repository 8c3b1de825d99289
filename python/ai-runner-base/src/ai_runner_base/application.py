"""Serving: `start_app`, `create_app`, and `python -m app.main`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from . import prepare, program
from .batch import Pipeline
from .child import Child
from .front import Front
from .interface import Pipeline as LivePipeline
from .live import ROUTE, LiveVideoToVideoPipeline
from .spec import PipelineSpec

__all__ = [
    "create_app",
    "load_pipeline",
    "main",
    "prepare_models",
    "start_app",
    "use_route_names_as_operation_ids",
]

DEFAULT_HOST = "FRAMERILL_DEFAULT_HOST"
"""Where `framerill serve` listens when nothing else says where, a `.env` file included."""
EVERYWHERE = "0.0.0.0"  # noqa: S104  whoever starts a container's server means it to be reached


def start_app(
    pipeline: PipelineSpec | Pipeline | None = None,
    host: str | None = None,
    port: int | None = None,
    **server_kwargs: Any,
) -> None:
    """Serves the pipeline until a signal; without one, the pipeline that `MODEL_ID` or `PIPELINE` names.

    It listens at `host`, else at the variable `HOST`, else at every address, and at `port`, else `PORT`, else 8000.
    With `PREPARE_MODELS=1` or the argument `--prepare-models` it prepares the models and returns. `server_kwargs` are
    uvicorn's, for a batch pipeline; a live one has no use for them. Raises TypeError for what is no such pipeline.
    """
    _check(pipeline, "start_app")
    if isinstance(pipeline, Pipeline) and not isinstance(pipeline, LiveVideoToVideoPipeline):
        _serve_batch(pipeline, host, port, server_kwargs)
        return
    if prepare.is_asked() and pipeline is not None:
        prepare_models(pipeline)
        return
    if server_kwargs:
        logging.warning(f"a live pipeline is served without uvicorn; passed over: {', '.join(sorted(server_kwargs))}")
    arguments = _which(pipeline) + _where(host, port)
    if isinstance(pipeline, LiveVideoToVideoPipeline):
        # One that was called before listens where nobody else reaches it.
        pipeline.stop()
    code = _serve(arguments)
    if code not in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM):
        sys.exit(code)


def create_app(pipeline: PipelineSpec | Pipeline | None = None) -> Any:
    """The server as an ASGI application. A live pipeline's runner is started with the application, not before.

    Raises TypeError for what is no such pipeline.
    """
    _check(pipeline, "create_app")
    if isinstance(pipeline, LiveVideoToVideoPipeline):
        return Front(pipeline)
    if isinstance(pipeline, Pipeline):
        from .batch_app import application

        return application(pipeline)
    return Front(arguments=_which(pipeline))


def load_pipeline(pipeline: str, model_id: str = "") -> LiveVideoToVideoPipeline:
    """A live pipeline. `pipeline` is `live-video-to-video`, and `model_id` names it; or its own name."""
    named = model_id or ("" if pipeline == ROUTE else pipeline)
    if not named:
        raise ValueError("no pipeline is named: give its name as `model_id`")
    return LiveVideoToVideoPipeline(named)


def prepare_models(pipeline: PipelineSpec | LiveVideoToVideoPipeline | str) -> None:
    """Downloads and compiles what the pipeline needs. Whatever goes wrong ends the process with exit code 1."""
    if isinstance(pipeline, LiveVideoToVideoPipeline):
        pipeline = pipeline.spec or pipeline.model_id
    prepare.prepare_or_exit(pipeline)


def use_route_names_as_operation_ids(app: Any) -> None:
    """Names each operation of a FastAPI application's schema after its function."""
    for route in app.routes:
        if hasattr(route, "operation_id"):
            route.operation_id = route.name


def main() -> NoReturn:
    """Becomes `framerill serve`; arguments are its own."""
    env = program.environment()
    arguments = sys.argv[1:]
    is_plain = all(it == prepare.FLAG for it in arguments)
    if is_plain and prepare.is_asked(env, arguments) and (name := _named_here(env)):
        prepare.prepare_or_exit(name)
        sys.exit(0)
    env.setdefault(DEFAULT_HOST, EVERYWHERE)
    try:
        path = program.find(env)
    except program.ProgramMissing as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(3)
    os.execve(path, [path, "serve", *arguments], env)  # noqa: S606  it is the program that was looked for


_OTHERS_THAT_NAME = (
    "AUTO_INSTALL_PIPELINE",
    "FRAMERILL_INSTALL",
    "FRAMERILL_PIPELINE",
    "FRAMERILL_MODEL_ID",
)


def _named_here(env: Mapping[str, str]) -> str | None:
    """The pipeline that the environment names, where this Python has it: no program is needed then."""
    from framerill import discovery
    from framerill.errors import TargetError

    if any(env.get(name) for name in _OTHERS_THAT_NAME):
        return None
    route = env.get("PIPELINE", "")
    name = env.get("MODEL_ID") or ("" if route == ROUTE else route)
    if not name:
        return None
    if discovery.is_path(name):
        return name
    try:
        discovery.entry_point(name)
    except TargetError:
        return None
    return name


def _check(pipeline: object, function: str) -> None:
    if pipeline is None or isinstance(pipeline, PipelineSpec | Pipeline):
        return
    kind = pipeline if isinstance(pipeline, type) else type(pipeline)
    given, instead = f"`{kind.__name__}`", 'PipelineSpec(pipeline_cls="package.module:Class")'
    if isinstance(pipeline, str):
        given = repr(pipeline)
        is_path = ":" in pipeline
        instead = f"PipelineSpec(pipeline_cls={given})" if is_path else f"LiveVideoToVideoPipeline({given})"
    elif isinstance(pipeline, dict):
        # Its values stay out of the message: parameters may be secret.
        given, instead = "a dict", "PipelineSpec(**it)"
    elif issubclass(kind, Pipeline):
        given, instead = f"the class {given}", f"an instance: {kind.__name__}(...)"
    elif isinstance(pipeline, type) or issubclass(kind, LivePipeline):
        given = f"the class {given}" if isinstance(pipeline, type) else f"an instance of {given}"
        # Another process imports it: `__main__` is another module there.
        if kind.__module__ not in ("__main__", "builtins"):
            instead = f'PipelineSpec(pipeline_cls="{kind.__module__}:{kind.__qualname__}")'
    else:
        given = f"an instance of {given}"
    raise TypeError(
        f"{function} takes a PipelineSpec, a LiveVideoToVideoPipeline, another instance of `Pipeline` of "
        f"app.pipelines.base or runner.pipelines.base, or None, not {given}; write {instead} instead"
    )


def _which(pipeline: PipelineSpec | Pipeline | None) -> list[str]:
    if isinstance(pipeline, LiveVideoToVideoPipeline):
        return pipeline.arguments()
    if isinstance(pipeline, PipelineSpec):
        return ["--pipeline", pipeline.target()]
    return []


def _where(host: str | None, port: int | None) -> list[str]:
    return [
        *(["--host", host] if host is not None else []),
        *(["--port", str(port)] if port is not None else []),
    ]


def _serve(arguments: list[str]) -> int:
    os.environ.setdefault(DEFAULT_HOST, EVERYWHERE)
    try:
        child = Child(arguments, announce=True)
    except program.ProgramMissing as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(3)
    if threading.current_thread() is not threading.main_thread():
        return child.wait()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda it, _: child.signal(it)) for number in numbers]
    try:
        return child.wait()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _serve_batch(pipeline: Pipeline, host: str | None, port: int | None, server_kwargs: dict[str, Any]) -> None:
    from .batch_app import server

    uvicorn = server()
    uvicorn.run(
        create_app(pipeline),
        host=host or os.environ.get("HOST") or EVERYWHERE,
        port=port if port is not None else int(os.environ.get("PORT") or 8000),
        **server_kwargs,
    )
