"""The README's first two code blocks, as a reader would use them."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_a_new_author_has_a_passing_test(tmp_path):
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["invert.py", "test_invert.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    subprocess.run([sys.executable, "-m", "pytest", "-q", "."], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
