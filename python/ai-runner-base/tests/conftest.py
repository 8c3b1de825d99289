"""What several test files share."""

import sys
from pathlib import Path

import pytest
from both_roots import ROOTS
from wheelhouse import environment, wheels

__all__ = ["environment", "root", "wheels"]

# The parent and the media that framerill's own tests drive a worker with.
sys.path.append(str(Path(__file__).parents[2] / "framerill" / "tests"))


@pytest.fixture(params=list(ROOTS))
def root(request):
    """Each of the two import roots."""
    return request.param
