"""Where the program `framerill` is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

__all__ = ["ProgramMissing", "find", "environment"]


class ProgramMissing(Exception):  # noqa: N818  it names what is missing
    """The program `framerill` is not here; the message says what to do."""


def find(env: Mapping[str, str] | None = None, executable: str | None = None) -> str:
    """The path of `framerill`: `FRAMERILL_BIN`, else beside this Python, else on the PATH. Raises ProgramMissing."""
    env = os.environ if env is None else env
    told = env.get("FRAMERILL_BIN", "")
    if told:
        if _runs(told):
            return os.path.abspath(told)
        raise ProgramMissing(f"FRAMERILL_BIN is `{told}`, which is no program; name the program `framerill` with it")
    beside = os.path.join(os.path.dirname(executable or sys.executable), "framerill")
    if _runs(beside):
        return beside
    found = shutil.which("framerill", path=env.get("PATH", ""))
    if found is None:
        raise ProgramMissing(
            f"the program `framerill`, which serves pipelines, is neither beside {executable or sys.executable} nor on "
            "the PATH: name it with FRAMERILL_BIN (`make build` in a clone makes target/release/framerill)"
        )
    return found


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables for `framerill`: pipelines run with this Python unless another is named."""
    env = dict(os.environ if env is None else env)
    if not env.get("FRAMERILL_PYTHON"):
        env["FRAMERILL_PYTHON"] = sys.executable
    return env


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
