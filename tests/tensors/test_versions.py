"""Two pipelines that pin different versions of torch at the same time, and every test of tensors with each of them.

`make test-torch`. What is installed, some gigabytes from the package index, stays in `target/torch` for the next time.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/packages"))

import packer  # noqa: E402

PLACE = ROOT / "target/torch"
MEETS = PLACE / "meets"
PROGRAM = Path(os.environ.get("FRAMERILL_BIN", ROOT / "target/debug/framerill"))
CLIP = "lavfi:testsrc2=size=64x64:rate=30:duration=0.2"
NEEDS_GIB = 14
WITHIN = 600

# Those of PyPI bring CUDA's libraries and cannot be imported without them; up to 1.12 they lie in torch's own wheel.
PINS = {
    "early-torch": ["numpy<2", "torch==1.12.1; python_version < '3.11'", "torch==2.0.1; python_version >= '3.11'"],
    "late-torch": ["torch==2.15.0"],
}
CODE = f"""
import os, time

import framerill
import torch


class Mine(framerill.Pipeline):
    '''Answers the negative; it begins when both are there.'''

    device = "cpu"

    def load(self):
        print("torch", torch.__version__, flush=True)
        open(os.path.join({str(MEETS)!r}, self.pipeline_name), "w").close()
        while len(os.listdir({str(MEETS)!r})) < {len(PINS)}:
            time.sleep(0.02)

    def process(self, frame):
        return frame.with_tensor(-frame.tensor)
"""
OF_TENSORS = [
    "python/framerill/tests/test_tensor.py",
    "python/framerill/tests/test_pictures.py",
    "python/framerill/tests/test_leases.py",
    "python/ai-runner-base/tests/test_conformance.py",
    "examples/torch-glow/test_glow.py",
]


def told_by_nobody() -> dict[str, str]:
    """Variables without those that name another Python, environment or program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAMERILL_")}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        kept.pop(name, None)
    return {**kept, "FRAMERILL_HOME": str(PLACE / "home")}


def framerill(*arguments: object) -> list[str]:
    return [str(PROGRAM), *map(str, arguments)]


def old_python() -> str:
    """A Python 3.10, where there is one: its oldest torch is a third of the size of this Python's."""
    named = [shutil.which("python3.10"), *Path.home().glob(".pyenv/versions/3.10.*/bin/python3.10")]
    for path in filter(None, named):
        if subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0:
            return str(path)
    return sys.executable


def may_install(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where there is no room or no package index."""
    free = shutil.disk_usage(PLACE).free >> 30
    if free < NEEDS_GIB:
        pytest.skip(f"{free} GiB are free, of {NEEDS_GIB} that two versions of torch need: NOT TESTED")
    probe = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "typing-extensions"]
    if subprocess.run([*probe, "-d", tmp_path_factory.mktemp("probe")], check=False).returncode != 0:
        pytest.skip("no package index answers: pipelines with two versions of torch are NOT TESTED")


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The Python of each pipeline's environment, made by `framerill pipelines install`."""
    PLACE.mkdir(parents=True, exist_ok=True)
    if not all((PLACE / "home/environments" / f"{name}.json").exists() for name in PINS):
        may_install(tmp_path_factory)
    wheels = [
        {
            "name": name,
            "version": "1.0",
            "requires": ["framerill", "pytest", *pins],
            "files": {f"{name.replace('-', '_')}.py": CODE},
            "entry_points": {"ai_runner.pipelines": {name: f"{name.replace('-', '_')}:Mine"}},
        }
        for name, pins in PINS.items()
    ]
    packer.make({"out": PLACE / "wheels", "wheels": wheels})
    made = {}
    for name, python in zip(PINS, (old_python(), sys.executable), strict=True):
        command = framerill(
            "pipelines", "install", name, "--find-links", PLACE / "wheels", "--python", python, "--json"
        )
        done = subprocess.run(command, env=told_by_nobody(), stdout=subprocess.PIPE, check=True)
        made[name] = json.loads(done.stdout)["python"]
    return made


def test_pipelines_with_two_versions_of_torch_run_at_the_same_time(pythons: dict[str, str], tmp_path: Path) -> None:
    shutil.rmtree(MEETS, ignore_errors=True)
    MEETS.mkdir()
    runs = {
        name: subprocess.Popen(
            framerill("run", CLIP, "--pipeline", name, "-o", tmp_path / f"{name}.mp4"),
            env=told_by_nobody(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in pythons
    }
    versions = set()
    for name, run in runs.items():
        said = run.communicate(timeout=WITHIN)[1]
        assert run.returncode == 0, said
        (version,) = re.findall(r"torch (\d+\.\d+\.\d+)", said)
        assert any(pin.startswith(f"torch=={version}") for pin in PINS[name]), said
        versions.add(version)
    assert len(versions) == len(PINS)


@pytest.mark.parametrize("name", PINS)
def test_tensors_pass_their_tests_with(name: str, pythons: dict[str, str]) -> None:
    sources = [str(ROOT / "python" / package / "src") for package in ("framerill", "ai-runner-base")]
    # The early one has no code for the GPUs of today.
    devices = {"CUDA_VISIBLE_DEVICES": ""} if name == "early-torch" else {}
    env = {**told_by_nobody(), "PYTHONPATH": os.pathsep.join(sources), **devices}
    command = [pythons[name], "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *OF_TENSORS]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch is not installed" not in done.stdout
