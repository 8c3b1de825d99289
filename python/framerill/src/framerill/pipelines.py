"""`python -m framerill.pipelines [list | describe TARGET]`: JSON on stdout.

`list` prints an array of `{name, target, distribution, version, group, error}`, `error` null for one that looks usable.
It reads metadata only and imports no pipeline. `describe` imports the pipeline's module, loads no model, and prints the
`description` of `schema/child-protocol.md`, or `{code, message, hint, traceback}` with exit code 1.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from . import _target
from .errors import TargetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["installed", "describe"]


def installed() -> list[dict[str, Any]]:
    """Every installed pipeline, broken ones with their `error`. Imports none of them."""
    rows: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for point in _target.entry_points():
        owner = point.dist.name if point.dist else "?"
        if point.name in seen and seen[point.name] == f"{owner} {point.value}":
            continue  # the same one in both groups
        error = _broken(point)
        if point.name in seen:
            error = f"the name is taken by `{seen[point.name]}`"
        seen.setdefault(point.name, f"{owner} {point.value}")
        rows.append(
            {
                "name": point.name,
                "target": point.value,
                "distribution": owner,
                "version": point.dist.version if point.dist else "",
                "group": point.group,
                "error": error,
            }
        )
    return sorted(rows, key=lambda row: (row["name"], row["error"] is not None))


def describe(target: str) -> dict[str, Any]:
    """What the pipeline says of itself. Raises TargetError."""
    from ._describe import describe as of_found

    return of_found(_target.find(target))


def _broken(point: EntryPoint) -> str | None:
    from importlib.machinery import PathFinder

    if point.pattern.match(point.value) is None:
        return f"`{point.value}` is not of the form module:Class"
    top = point.module.partition(".")[0]
    if top not in sys.builtin_module_names and top not in sys.modules and PathFinder.find_spec(top) is None:
        return f"its module `{top}` is not installed"
    return None


def _main(argv: list[str]) -> int:
    if argv in ([], ["list"]):
        return _print(installed())
    if len(argv) == 2 and argv[0] == "describe":
        answer, code = _described(argv[1])
        return _print(answer) or code
    sys.stderr.write("usage: python -m framerill.pipelines [list | describe TARGET]\n")
    return 2


def _described(target: str) -> tuple[dict[str, Any], int]:
    # What a module prints while it is imported goes to stderr: stdout is the answer's.
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        return describe(target), 0
    except TargetError as error:
        return {"code": error.code, "message": str(error), "hint": error.hint, "traceback": error.traceback}, 1
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def _print(answer: object) -> int:
    sys.stdout.write(json.dumps(answer, indent=2, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
