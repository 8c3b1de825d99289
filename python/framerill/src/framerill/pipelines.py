"""`python -m framerill.pipelines [list | scan | describe TARGET | prepare TARGET]`.

The first three print JSON on stdout. `list` prints an array of `{name, target, distribution, version, group, editable,
summary, error}`, `error` null for one that looks usable. It reads metadata only and imports no pipeline. `scan` imports
each in a process of its own, too, so that `error` is known and `summary` told. `describe` imports the pipeline's
module, loads no model, and prints the `description` of `schema/child-protocol.md`, or `{code, message, hint,
traceback}` with exit code 1.

`prepare` calls the pipeline's `prepare_models()`, which fetches or compiles what it needs; what it prints passes
through. It ends with 0, with 1 and a traceback when that raises or exits, with 2 when nothing is called so.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn, TextIO

from . import _target
from ._json import encoded
from ._scan import installed, scan
from .errors import TargetError

__all__ = ["installed", "describe", "prepare"]


def describe(target: str) -> dict[str, Any]:
    """What the pipeline says of itself. Raises TargetError."""
    from ._describe import describe as of_found

    return of_found(_target.find(target))


def prepare(target: str) -> None:
    """Has the pipeline fetch or compile what it needs before it runs. Raises TargetError, and what it raises."""
    from inspect import isawaitable

    prepare_models = getattr(_target.find(target).pipeline, "prepare_models", None)
    answer = prepare_models() if prepare_models is not None else None
    if isawaitable(answer):
        import asyncio

        async def wait() -> None:
            await answer

        asyncio.run(wait())


def _main(argv: list[str]) -> int:
    if argv in ([], ["list"]):
        return _print(installed(), sys.stdout)
    if argv == ["scan"]:
        return _print(scan(), sys.stdout)
    if len(argv) == 2 and argv[0] == "describe":
        _describe_and_leave(argv[1])
    if len(argv) == 2 and argv[0] == "prepare":
        return _prepared(argv[1])
    sys.stderr.write("usage: python -m framerill.pipelines [list | scan | describe TARGET | prepare TARGET]\n")
    return 2


def _prepared(target: str) -> int:
    import logging

    logging.basicConfig(level=logging.DEBUG if os.environ.get("VERBOSE_LOGGING") == "1" else logging.INFO)
    try:
        prepare(target)
    except TargetError as error:
        sys.stderr.write(error.traceback or "")
        sys.stderr.write(f"{error}\n" if error.hint is None else f"{error}; {error.hint}\n")
        return 2 if error.code == "unknown_pipeline" else 1
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the border to the author's method, which may exit, too
        traceback.print_exc()
        return 1
    return 0


def _describe_and_leave(target: str) -> NoReturn:
    # What a module prints, now or later, goes to stderr: stdout is the answer's.
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        code = 0
        answer: dict[str, Any]
        try:
            answer = describe(target)
        except TargetError as error:
            code = 1
            answer = {"code": error.code, "message": str(error), "hint": error.hint, "traceback": error.traceback}
        _print(answer, out)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that an import began, and what it has registered for the end, are waited for by nobody.
    os._exit(code)


def _print(answer: object, out: TextIO) -> int:
    out.write(encoded(answer, indent=2).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
