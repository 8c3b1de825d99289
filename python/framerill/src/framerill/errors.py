"""Errors that framerill raises.

::

    FramerillError
    ├── ContractError        what a pipeline answered is not what it promised (wire code `bad_output`)
    ├── ParamsError          parameters break rules; `.problems` names each (wire code `params`, or `rejected`)
    ├── TargetError          a pipeline cannot be found or imported; `.code`, `.hint`
    ├── LinkError            the other side of a frame link broke its rules (wire code `link`)
    │   └── LinkClosed       it closed its end
    ├── ProtocolError        the parent broke the child protocol (wire code `protocol`)
    └── MissingPackageError  an optional package, such as torch, is not installed (also an ImportError)
"""

from __future__ import annotations

from typing import TypedDict

__all__ = [
    "FramerillError",
    "ContractError",
    "ParamsError",
    "Problem",
    "TargetError",
    "LinkError",
    "LinkClosed",
    "ProtocolError",
    "MissingPackageError",
]


class FramerillError(Exception):
    """The root of every error that framerill raises itself."""


class ContractError(FramerillError):
    """What a pipeline answered is not what it promised: the message says what was expected and what came."""


class Problem(TypedDict):
    """One parameter that breaks one rule."""

    field: str
    """Which parameter; dots between levels."""
    rule: str
    """The rule, for example `less_than_equal 1.0`."""
    value: object
    """What was given; null for what was not given."""
    message: str
    """One sentence for a person."""


class ParamsError(FramerillError):
    """Parameters break rules; nothing was changed."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem["message"] for problem in problems))
        self.problems = problems


class TargetError(FramerillError):
    """A pipeline cannot be found or imported."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, traceback: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.traceback = traceback


class LinkError(FramerillError):
    """The other side of a frame link broke its rules, or does not answer."""


class LinkClosed(LinkError):  # noqa: N818  an ordinary way for a link to end
    """The other side of a frame link closed its end."""


class ProtocolError(FramerillError):
    """The parent broke the child protocol."""


class MissingPackageError(FramerillError, ImportError):
    """An optional package is not installed; the message says how to install it."""
