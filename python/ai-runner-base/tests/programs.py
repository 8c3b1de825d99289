"""The program `framerill` that was built last, for tests that need it."""

import os
from pathlib import Path

import pytest

TARGET = Path(__file__).parents[3] / "target"


def built():
    named = os.environ.get("FRAMERILL_BIN")
    candidates = [Path(named)] if named else [TARGET / kind / "framerill" for kind in ("debug", "release")]
    there = [it for it in candidates if it.is_file()]
    return max(there, key=lambda it: it.stat().st_mtime) if there else None


PROGRAM = built()
needs_program = pytest.mark.skipif(PROGRAM is None, reason="framerill is not built: nothing is served")
