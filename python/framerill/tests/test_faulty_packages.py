"""What `describe` and `scan` say of packages that fail while they are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_scan import GOOD, put

HEAD = "import framerill\nfrom pydantic import BaseModel\n"
CLASS = "class Mine(framerill.Pipeline):\n    def process(self, frame): return frame\n"
FAULTS = {
    "raises": ("\nraise ValueError('no model here')\n", "ValueError: no model here", 2),
    "lacks": ("\n\nimport nobody_has_this\n", "No module named 'nobody_has_this'", 3),
    "leaves": ("import sys\nsys.exit('leaving')\n", "SystemExit: leaving", 2),
    "breaks": ("\n\ndef process(:\n", "SyntaxError: invalid syntax (breaks.py, line 3)", None),
    "own_kind": ("class Odd(BaseException): pass\nraise Odd('odd')\n", "Odd: odd", 2),
    "mute": ("class Odd(Exception):\n    def __str__(self): return 1/0\nraise Odd\n", "its text cannot be had", 3),
    "in_library": ("import json\njson.loads('{')\n", "JSONDecodeError", 2),
    "metaclass": (
        "class Meta(type):\n    def __getattribute__(cls, name):\n        raise RuntimeError('not ' + name)\n"
        "class Mine(metaclass=Meta): pass\n",
        "RuntimeError: not ",
        3,
    ),
    "shown": (
        "class Meta(type):\n    def __repr__(cls):\n        raise RuntimeError('no repr')\n"
        "class Mine(metaclass=Meta): pass\n",
        "RuntimeError: no repr",
        3,
    ),
    "adapts": (
        "class Mine:\n    @classmethod\n    def __framerill_pipeline__(cls, name):\n        raise SystemExit(3)\n",
        "SystemExit: 3",
        4,
    ),
    "schema": (
        HEAD + "class P(BaseModel):\n    @classmethod\n    def __get_pydantic_json_schema__(cls, core, handler):\n"
        "        raise RuntimeError('no schema')\n" + CLASS + "    Params = P\n",
        "RuntimeError: no schema",
        6,
    ),
    "summary": (
        HEAD + "class Meta(type):\n    @property\n    def summary(cls):\n        raise RuntimeError('no summary')\n"
        "class Mine(framerill.Pipeline, metaclass=Meta):\n    def process(self, frame): return frame\n",
        "RuntimeError: no summary",
        6,
    ),
}


def describe(name: str, path: Path) -> tuple[int, dict[str, Any], str]:
    search = os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "framerill.pipelines", "describe", name],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": search},
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return done.returncode, answer, done.stderr


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_a_load_error_that_names_the_authors_line(tmp_path: Path, name: str) -> None:
    code, said, line = FAULTS[name]
    put(tmp_path, name, code)
    status, answer, stderr = describe(name, tmp_path)
    assert (status, answer["code"]) == (1, "import_failed"), answer
    assert answer["message"].startswith(f"`{name}` cannot be imported: ")
    assert said in answer["message"]
    if line is not None:
        assert answer["message"].endswith(f" ({tmp_path}/{name}.py, line {line})")
    assert f"{name}.py" in answer["traceback"]
    assert "Traceback" not in stderr


def test_the_same_is_listed_beside_those_that_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from framerill import pipelines

    monkeypatch.syspath_prepend(str(tmp_path))
    for name, (code, _, _) in FAULTS.items():
        put(tmp_path, name, code)
    put(tmp_path, "good", GOOD)
    rows = {row["name"]: row["error"] for row in pipelines.scan()["pipelines"]}
    assert rows["good"] is None
    for name, (_, said, _) in FAULTS.items():
        assert said in rows[name], rows[name]


LOUD = "import atexit, os, sys, threading\n" + GOOD


@pytest.mark.parametrize(
    "code",
    [
        "print('x' * 100_000, end='')\nos.write(1, b'loud')\n",
        "sys.stdout = open(os.dup(1), 'w')\nprint('late', end='')\n",
        "atexit.register(print, 'later')\n",
        "threading.Thread(target=threading.Event().wait).start()\n",
    ],
)
def test_what_a_module_prints_or_leaves_running_is_no_part_of_the_answer(tmp_path: Path, code: str) -> None:
    put(tmp_path, "loud", LOUD + code)
    status, answer, _ = describe("loud", tmp_path)
    assert (status, answer["name"]) == (0, "loud")
