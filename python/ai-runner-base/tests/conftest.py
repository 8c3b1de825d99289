"""What several test files share."""

import sys
from pathlib import Path

import pytest
from both_roots import ROOTS

PYTHON = Path(__file__).parents[2]
# The parent and the media that framerill's own tests drive a worker with, and what makes wheels.
sys.path += [str(PYTHON / "framerill" / "tests"), str(PYTHON.parent / "tests" / "packages")]

from wheelhouse import environment, wheels  # noqa: E402

__all__ = ["environment", "root", "wheels"]


@pytest.fixture(params=list(ROOTS))
def root(request):
    """Each of the two import roots."""
    return request.param
