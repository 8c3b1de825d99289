"""A pipeline that is one function: what `@framerill.pipeline` makes of it."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from ._pipeline import Pipeline

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Function", "pipeline", "adapted"]

P = ParamSpec("P")
R = TypeVar("R")

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_FORM = "write `def {name}(frame):` or `def {name}(frame, params):`"


class Function(Generic[P, R]):
    """A function that is a pipeline. Called, it is still the function."""

    __name__: str

    def __init__(self, function: Callable[P, R], kind: type[Pipeline]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._kind = kind

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._function(*args, **kwargs)

    def __framerill_pipeline__(self, name: str | None = None) -> type[Pipeline]:
        """The pipeline's class."""
        return self._kind

    def __repr__(self) -> str:
        return f"<pipeline {self._kind.__module__}.{self._kind.__qualname__}>"


@overload
def pipeline(function: Callable[P, R], /) -> Function[P, R]: ...


@overload
def pipeline(
    *,
    params: type[BaseModel] | None = None,
    name: str = "",
    summary: str = "",
    pixel_format: str = "rgb24",
    shareable: bool = False,
    history: int = 4,
    max_frame_time: float = 10.0,
    tensor_range: tuple[float, float] = (-1.0, 1.0),
    device: str | None = None,
    batch_size: int = 1,
    max_wait_ms: float = 50.0,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...


def pipeline(
    function: Any = None, /, *, params: type[BaseModel] | None = None, name: str = "", **attributes: Any
) -> Any:
    """Makes a pipeline of one function.

    ::

        @framerill.pipeline
        def invert(frame):
            return 255 - frame.pixels

        class Params(framerill.Params):
            amount: int = 40

        @framerill.pipeline(pixel_format="gray8")
        def brighten(frame, params: Params):
            return np.minimum(frame.pixels, 255 - params.amount) + np.uint8(params.amount)

    The function takes the frame, and the parameters if it has a second argument or a keyword-only one called `params`;
    it may be `async`, or `yield` several answers. It answers as `Pipeline.process` does. `params` is the parameters'
    pydantic model, by default that argument's annotation; an argument without one takes any parameters, unchecked. The
    other arguments are the attributes of `Pipeline` of the same names; `name` is by default the function's, with
    hyphens. Called, the result is still the function, so that a test may do so. Raises TypeError for what is no such
    function.
    """
    attributes["name"] = name
    if function is not None:
        return _made(function, sys._getframe(1).f_locals, params, attributes)
    return lambda function: _made(function, sys._getframe(1).f_locals, params, attributes)


def adapted(value: Any, name: str | None = None) -> Any:
    """The pipeline's class of what is none itself but has `__framerill_pipeline__`; anything else as it is."""
    if isinstance(value, Pipeline) or (isinstance(value, type) and issubclass(value, Pipeline)):
        return value
    adapt = getattr(value, "__framerill_pipeline__", None)
    return value if adapt is None else adapt(name)


def _made(function: Any, local: Mapping[str, Any], params: Any, attributes: dict[str, Any]) -> Any:
    taken = _checked(function)
    namespace: dict[str, Any] = {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
    for key, value in attributes.items():
        if key not in _ATTRIBUTES:
            raise TypeError(f"`@framerill.pipeline` has no argument `{key}`; there are: {', '.join(_ARGUMENTS)}")
        namespace[key] = value
    if taken is not None:
        namespace["Params"] = _model(function, taken, local) if params is None else params
        if taken.kind is taken.KEYWORD_ONLY:
            namespace["process"] = lambda self, frame: function(frame, params=self.params)
        else:
            namespace["process"] = lambda self, frame: function(frame, self.params)
    else:
        if params is not None:
            raise TypeError(f"`{function.__name__}` has no second argument to take its `params`; {_form(function)}")
        namespace["process"] = staticmethod(function)
    return Function(function, type(function.__name__, (Pipeline,), namespace))


_ATTRIBUTES = (
    "name",
    "summary",
    "pixel_format",
    "shareable",
    "history",
    "max_frame_time",
    "tensor_range",
    "device",
    "batch_size",
    "max_wait_ms",
)
_ARGUMENTS = ("params", *_ATTRIBUTES)


def _checked(function: Any) -> inspect.Parameter | None:
    """The argument that takes the parameters, if any. Raises TypeError for what is no function of a pipeline."""
    if isinstance(function, type):
        raise TypeError(
            f"`@framerill.pipeline` is for functions; write `class {function.__name__}(framerill.Pipeline):` instead"
        )
    if not inspect.isroutine(function):
        raise TypeError(f"`@framerill.pipeline` is for functions, not for {function!r:.60}")
    arguments = list(inspect.signature(function).parameters.values())
    named = [it for it in arguments if it.kind in _POSITIONAL]
    by_keyword = [it for it in arguments if it.kind is it.KEYWORD_ONLY and it.name == "params"]
    taken = next(iter(by_keyword or named[1:2]), None)
    needed = [it for it in arguments if it.default is it.empty and it.kind not in _COLLECTING]
    excess = [it.name for it in needed if it not in (*named[:1], taken)]
    if not named or excess:
        takes = ", ".join(it.name for it in arguments) or "nothing"
        raise TypeError(
            f"`{function.__name__}` takes {takes}, and a pipeline is called with a frame{_beside(taken)}; "
            + (f"give {', '.join(excess)} a default, or {_form(function)}" if named else _form(function))
        )
    return taken


def _beside(taken: inspect.Parameter | None) -> str:
    return f" and parameters (`{taken.name}`)" if taken is not None else ""


def _form(function: Any) -> str:
    return _FORM.format(name=function.__name__)


def _model(function: Any, taken: inspect.Parameter, local: Mapping[str, Any]) -> Any:
    """What the argument's annotation says that parameters are."""
    annotation: Any = taken.annotation
    if isinstance(annotation, str):
        annotation = _evaluated(annotation, function, local, taken.name)
    if annotation is taken.empty or annotation is Any:
        from ._params import AnyParams

        return AnyParams
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    raise TypeError(
        f"`{taken.name}` of `{function.__name__}` is a pydantic model, not {annotation!r:.60}; "
        "annotate it with `class Params(framerill.Params):`"
    )


def _evaluated(text: str, function: Any, local: Mapping[str, Any], argument: str) -> Any:
    # Annotations are texts where the module asks for that; the names are those that the function's definition sees.
    try:
        return eval(text, function.__globals__, dict(local))  # noqa: S307  the author's own text in his own module
    except Exception as error:
        raise TypeError(
            f"`{argument}: {text}` of `{function.__name__}` cannot be resolved ({error}); "
            "name the model with `@framerill.pipeline(params=...)`"
        ) from error
