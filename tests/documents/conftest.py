"""What makes wheels lies with the tests of packages."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "packages"))
