"""What a pipeline says of itself: the `description` of the child protocol, checked. Loads no model."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from ._caps import PIXEL_FORMATS
from ._pipeline import Pipeline
from .errors import TargetError

if TYPE_CHECKING:
    from ._target import Found

_NO_PARAMS = {"type": "object", "properties": {}, "additionalProperties": False}
_ANY_PARAMS = {"type": "object", "properties": {}}
_MAX_HISTORY = 32  # what media gives slots for
_MAX_FRAME_TIME = 86_400
_MAX_BATCH = 16
_MAX_WAIT_MS = 10_000
_MAX_IN_FLIGHT = 1024


def params_model(pipeline: type[Pipeline]) -> Any:
    """The pipeline's pydantic model, or None when it has none of its own. Raises TargetError for anything else."""
    model = getattr(pipeline, "Params", None)
    if model is None:
        return None
    from pydantic import BaseModel

    if isinstance(model, type) and issubclass(model, BaseModel):
        return model
    raise _wrong(
        pipeline, f"`Params` is a pydantic model, not {model!r:.60}", "write `class Params(framerill.Params):`"
    )


def describe(found: Found) -> dict[str, Any]:
    """The description. Raises TargetError when the class promises what cannot be, or its own code fails."""
    from ._target import called_of, of_author

    with of_author(called_of(found.target)):
        return _described(found)


def _described(found: Found) -> dict[str, Any]:
    pipeline = found.pipeline
    check(pipeline)
    model = params_model(pipeline)
    if model is None:
        schema, defaults = (_ANY_PARAMS if is_decoupled(pipeline) else _NO_PARAMS), {}
    else:
        from ._params import defaults as of_defaults
        from ._params import schema as of_schema

        schema, defaults = of_schema(model), of_defaults(model)
    of_kind: dict[str, Any] = {}
    if is_decoupled(pipeline):
        of_kind = {"decoupled": True, "reapplies_initial": bool(getattr(pipeline, "reapplies_initial", False))}
    elif pipeline.batch_size > 1:
        of_kind = {"batch_size": pipeline.batch_size}
    return {
        "name": name_of(pipeline, found.name),
        "summary": summary_of(pipeline),
        "language": "python",
        "params_schema": schema,
        "defaults": defaults,
        "pixel_format": pipeline.pixel_format,
        "history": pipeline.history,
        "audio": pipeline.audio,
        "shareable": pipeline.shareable,
        "max_frame_time": float(pipeline.max_frame_time),
        "target": found.target,
        "origin": found.origin,
        **of_kind,
    }


def is_decoupled(pipeline: type[Pipeline]) -> bool:
    """Whether it takes frames in one loop and gives pictures in another."""
    decoupled = sys.modules.get("framerill.decoupled")
    # Nobody inherits from what nobody has imported.
    return decoupled is not None and issubclass(pipeline, decoupled.Decoupled)


def name_of(pipeline: type[Pipeline], entry_point: str | None = None) -> str:
    """Its own name, its entry point's, or one made of the class's: `EdgeGlow` and `edge_glow` are `edge-glow`."""
    if isinstance(pipeline.name, str) and pipeline.name:
        return pipeline.name
    return entry_point or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", "-", pipeline.__name__).strip("-").lower()


def summary_of(pipeline: type[Pipeline]) -> str:
    """One line: the pipeline's own, or the first line of its docstring."""
    if pipeline.summary:
        return pipeline.summary
    text = (pipeline.__dict__.get("__doc__") or "").strip()
    return text.splitlines()[0].strip() if text else ""


def check(pipeline: type[Pipeline]) -> None:
    """Raises TargetError, naming the class attribute, when one cannot be used."""
    if pipeline.process is Pipeline.process:
        raise _wrong(pipeline, "it has no `process` method", "write `def process(self, frame):`")
    if pipeline.pixel_format not in PIXEL_FORMATS:
        raise _wrong(
            pipeline,
            f"no pixel format is called {pipeline.pixel_format!r}",
            f"`pixel_format` is one of: {', '.join(PIXEL_FORMATS)}",
        )
    if isinstance(pipeline.history, bool) or not isinstance(pipeline.history, int):
        raise _wrong(pipeline, f"`history` is a number of frames, not {pipeline.history!r}", "give a whole number")
    if not 0 <= pipeline.history <= _MAX_HISTORY:
        raise _wrong(pipeline, f"`history = {pipeline.history}` is out of range", f"give 0 to {_MAX_HISTORY}")
    if not (isinstance(pipeline.max_frame_time, (int, float)) and 0 < pipeline.max_frame_time <= _MAX_FRAME_TIME):
        raise _wrong(
            pipeline,
            f"`max_frame_time = {pipeline.max_frame_time!r}` is out of range",
            f"give seconds above 0, {_MAX_FRAME_TIME} at most",
        )
    for attribute in ("audio", "shareable"):
        if not isinstance(getattr(pipeline, attribute), bool):
            raise _wrong(pipeline, f"`{attribute}` is True or False", f"set `{attribute} = True`, or leave it out")
    _check_batch(pipeline)
    if is_decoupled(pipeline):
        _check_decoupled(pipeline)
    limits = pipeline.tensor_range
    if not (isinstance(limits, tuple) and len(limits) == 2 and limits[0] < limits[1]):
        raise _wrong(pipeline, f"`tensor_range = {limits!r}` is no range", "give two numbers, such as (-1.0, 1.0)")


def _check_batch(pipeline: type[Pipeline]) -> None:
    size, wait = pipeline.batch_size, pipeline.max_wait_ms
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _MAX_BATCH:
        raise _wrong(
            pipeline, f"`batch_size = {size!r}` is out of range", f"give a whole number from 1 to {_MAX_BATCH}"
        )
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait <= _MAX_WAIT_MS:
        raise _wrong(pipeline, f"`max_wait_ms = {wait!r}` is out of range", f"give 0 to {_MAX_WAIT_MS} milliseconds")


def _check_decoupled(pipeline: Any) -> None:
    for attribute in ("audio", "shareable"):
        if getattr(pipeline, attribute):
            raise _wrong(pipeline, f"a Decoupled pipeline is never `{attribute}`", "leave it out")
    if pipeline.batch_size != 1:
        raise _wrong(pipeline, "a Decoupled pipeline takes one frame at a time", "leave `batch_size` out")
    most = pipeline.max_in_flight
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MAX_IN_FLIGHT:
        raise _wrong(
            pipeline, f"`max_in_flight = {most!r}` is out of range", f"give a number from 1 to {_MAX_IN_FLIGHT}"
        )


def _wrong(pipeline: type[Pipeline], what: str, hint: str) -> TargetError:
    return TargetError("import_failed", f"`{pipeline.__name__}` cannot be used: {what}", hint=hint)
