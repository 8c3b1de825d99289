"""Wheels of our packages and of those under `packages`, and a virtual environment that they are installed into."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packer import needed, package

PACKAGES = Path(__file__).with_name("packages")
PYTHON = Path(__file__).parents[2]
OURS = sys.executable


def pip(*arguments, **options):
    command = [OURS, "-m", "pip", "--disable-pip-version-check", "--no-input", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wheel(source, into, tmp):
    """Builds from a copy: building writes into the sources."""
    left_out = shutil.ignore_patterns("tests", "*.egg-info", "build")
    copy = shutil.copytree(source, tmp / Path(source).name, ignore=left_out)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", into, copy)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """A folder with wheels of framerill, ai-runner-base, the packages, and one called torch that has no content."""
    folder, tmp = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("sources")
    for source in (
        PYTHON / "framerill",
        PYTHON / "ai-runner-base",
        PACKAGES / "my-pipeline",
        PACKAGES / "task-pipeline",
    ):
        wheel(source, folder, tmp)
    package({"name": "torch", "version": "2.0.0"}, folder)
    return folder


@pytest.fixture(scope="session")
def environment(wheels, tmp_path_factory):
    """A virtual environment into which they are installed; it borrows numpy and pydantic from this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([OURS, "-m", "venv", "--without-pip", folder], check=True)
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for installed in needed(["numpy", "pydantic"]).values():
        for file in installed.files or ():
            top = file.parts[0]
            path = Path(installed.locate_file(top))
            if path.exists() and top != ".." and not (borrowed / top).exists():
                (borrowed / top).symlink_to(path)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    # Not `install my-pipeline` alone: the wheels' own requirement is what brings ai-runner-base.
    pip("--python", python, "install", "-q", "--no-index", "--find-links", wheels, "my-pipeline", "task-pipeline")
    return python
