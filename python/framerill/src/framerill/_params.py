"""Parameters: the author's model, and what is wrong with given values. Imports pydantic."""

from __future__ import annotations

import difflib
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from ._said import text_of
from .errors import ParamsError, Problem

_LONGEST_VALUE = 2000


class Params(BaseModel):
    """Base of a pipeline's parameters: a pydantic model.

    Unknown names are refused, and instances do not change: an update makes a new one, which the runtime sets as
    `Pipeline.params`. Fields with `ge`, `le`, `description` and the like show up in `framerill pipelines describe`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class AnyParams(BaseModel):
    """Parameters of a function that names no model: whatever is given, unchecked."""

    model_config = ConfigDict(extra="allow", frozen=True)


def validate(model: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    """An instance with the given values. Raises ParamsError."""
    try:
        return model.model_validate(given)
    except pydantic.ValidationError as error:
        raise ParamsError([_problem(model, detail) for detail in error.errors(include_url=False)]) from None
    except BaseException as error:  # the border to the author's validators
        message = f"`{model.__name__}` fails on them: {type(error).__name__}: {text_of(error)}"
        raise ParamsError([Problem(field="", rule="pipeline", value=_bounded(given), message=message)]) from error


class _Schema(GenerateJsonSchema):
    """Any JSON stands for what has no schema, such as a callable."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of the parameters."""
    return model.model_json_schema(schema_generator=_Schema)


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The parameters when none are given; required ones are left out, and those that depend on others."""
    values = {}
    for name, info in model.model_fields.items():
        if info.is_required() or getattr(info, "default_factory_takes_validated_data", False):
            continue
        values[info.alias or name] = _plain(info.get_default(call_default_factory=True))
    return values


def _plain(value: Any) -> Any:
    """As JSON has it; what JSON does not know, as text."""
    try:
        return to_jsonable_python(value, fallback=str)
    except ValueError:
        return repr(value)


def _problem(model: type[BaseModel], detail: Any) -> Problem:
    kind = detail["type"]
    field = ".".join(str(part) for part in detail["loc"])
    limits = [value for key, value in detail.get("ctx", {}).items() if key != "error" and _is_plain(value)]
    rule = " ".join([kind, *(str(value) for value in limits)])
    value = None if kind == "missing" else to_jsonable_python(detail["input"], fallback=str)
    text = detail["msg"][:1].lower() + detail["msg"][1:]
    if kind == "extra_forbidden":
        message = f"no parameter is called `{field}`{_near(field, model)}"
    elif kind == "missing":
        message = f"`{field}` has to be given"
    else:
        message = f"`{field}`: {text}, got {_short(value)}" if field else text
    return Problem(field=field, rule=rule, value=_bounded(value), message=message)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _bounded(value: object) -> object:
    return value if len(repr(value)) <= _LONGEST_VALUE else _short(value)


def _near(field: str, model: type[BaseModel]) -> str:
    names = list(model.model_fields)
    near = difflib.get_close_matches(field, names, n=1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; there are: {', '.join(names)}" if names else "; this pipeline takes none"
