"""The child's side of the protocol as a pure machine: which request is in order, and what is wrong with the others.

::

    fresh ──load──> loaded ──drain──> draining        describe, drain and bye are in order everywhere before `draining`
      └──< load failed ┘

`Session.judge` takes what came and returns None (do it, and answer it) or the answer. No clock, no socket.
"""

from __future__ import annotations

from typing import Any

_FIELDS: dict[str, dict[str, type]] = {
    "describe": {"pipeline": str},
    "load": {"pipeline": str},
    "update": {"params": dict},
    "attach": {"stream": str, "incarnation": int},
    "detach": {"stream": str},
    "flush": {"stream": str},
    "drain": {},
    "bye": {},
}
_BEFORE_LOAD = ("describe", "load", "drain", "bye")


class Session:
    """Which requests are in order."""

    def __init__(self) -> None:
        self._loaded = False
        self._draining = False

    def judge(self, message: dict[str, Any], fds: int = 0) -> dict[str, Any] | None:
        """None when the request is in order, else the `error` to answer with."""
        kind, number = message.get("type"), request_id(message)
        problem = self._problem(kind, message, fds)
        if problem is not None:
            code, text = problem
            return error(number, code, text)
        if kind == "load":
            self._loaded = True
        elif kind == "drain":
            self._draining = True
        return None

    def load_failed(self) -> None:
        """The load was answered with an error: another one may follow."""
        self._loaded = False

    def _problem(self, kind: Any, message: dict[str, Any], fds: int) -> tuple[str, str] | None:
        if not isinstance(kind, str) or kind not in _FIELDS:
            return "unknown_message", f"no message is called `{kind if isinstance(kind, str) else ''}`"
        if kind == "bye":
            return None
        if request_id(message) is None:
            return "protocol", f"a `{kind}` without an id"
        if self._draining:
            return "draining", f"`{kind}` came after `drain`"
        for field, wanted in _FIELDS[kind].items():
            if not isinstance(message.get(field), wanted):
                return "protocol", f"a `{kind}` without a `{field}`"
        if kind == "load" and not isinstance(message.get("params", {}), dict):
            return "protocol", "a `load` whose `params` are no object"
        if kind == "load" and self._loaded:
            return "already_loaded", "a second `load`"
        if not self._loaded and kind not in _BEFORE_LOAD:
            return "not_loaded", f"`{kind}` came before `load`"
        if kind == "attach" and fds != 1:
            return "link", "`attach` carries one descriptor"
        return None


def request_id(message: dict[str, Any]) -> int | None:
    """The request's id, when it has a valid one."""
    number = message.get("id")
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 64:
        return number
    return None


def error(
    number: int | None,
    code: str,
    message: str,
    *,
    hint: str | None = None,
    problems: list[Any] | None = None,
    traceback: str | None = None,
    fatal: bool = False,
) -> dict[str, Any]:
    """An `error` message; what is None is left out."""
    report = {
        "type": "error",
        "id": number,
        "code": code,
        "message": message,
        "hint": hint,
        "problems": problems,
        "traceback": traceback,
    }
    return {**{key: value for key, value in report.items() if value is not None or key == "id"}, "fatal": fatal}


def applied(number: int | None, size: tuple[int, int] | None) -> dict[str, Any]:
    """The answer to an `update` that is taken, with the size that pictures have then, where it is known."""
    answer: dict[str, Any] = {"type": "applied", "id": number}
    return answer if size is None else {**answer, "output_size": list(size)}
