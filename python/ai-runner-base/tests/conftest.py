"""What several test files share."""

import sys
from pathlib import Path

import pytest

# The parent and the media that framerill's own tests drive a worker with.
sys.path.append(str(Path(__file__).parents[2] / "framerill" / "tests"))

ROOTS = {"app": (-1.0, 1.0), "runner": (0.0, 1.0)}


@pytest.fixture(params=list(ROOTS))
def root(request):
    """Each of the two import roots."""
    return request.param
