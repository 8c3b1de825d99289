"""framerill runs AI on live and recorded video, each model in its own process. This package is for its authors.

Reading order: `Pipeline` (what to write), `pipeline` (the same as one function), `VideoFrame` (what it gets and
answers), `Params`, `Skip`, `framerill.testing` (a test without server or GPU). `import framerill` needs numpy; pydantic
is imported with `Params`, torch with `frame.tensor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._function import pipeline
from ._pipeline import Pipeline, Update
from ._version import __version__
from .frames import AudioFrame, Skip, VideoFrame

if TYPE_CHECKING:
    from . import errors, testing
    from ._params import Params

__all__ = [
    "Pipeline",
    "pipeline",
    "Params",
    "VideoFrame",
    "AudioFrame",
    "Skip",
    "Update",
    "errors",
    "testing",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # A worker without parameters starts without pydantic; a worker never needs `testing`.
    if name == "Params":
        from ._params import Params

        return Params
    if name in ("errors", "testing"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
