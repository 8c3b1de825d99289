"""Parameters: the author's model, and what is wrong with given values. Imports pydantic."""

from __future__ import annotations

import difflib
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

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


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of the parameters."""
    return model.model_json_schema()


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The parameters when none are given; required ones are left out."""
    values = {
        info.alias or name: info.get_default(call_default_factory=True)
        for name, info in model.model_fields.items()
        if not info.is_required()
    }
    jsonable: dict[str, Any] = to_jsonable_python(values, fallback=str)
    return jsonable


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
