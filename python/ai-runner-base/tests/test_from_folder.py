"""The guide's package with its variants, installed from its folder by pip: listed, run on a clip and live."""

import asyncio
import json
import os
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest
from programs import PROGRAM, needs_program
from test_live import serve, start, tell
from test_packages import LATER, VARIANTS
from wheelhouse import OURS, PACKAGES, pip

from app.live.trickle import TricklePublisher, TrickleSubscriber

__all__ = ["serve"]

pytestmark = needs_program
CLIP = "lavfi:testsrc2=size=64x48:rate=10:duration=1"


@pytest.fixture(scope="module", params=["plain", "editable"])
def python(request, environment, wheels, tmp_path_factory):
    """An environment's Python, into which the folder was installed; it has what builds and what framerill needs."""
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([OURS, "-m", "venv", "--without-pip", folder], check=True)
    builds = folder / "builds"
    builds.mkdir()
    setuptools = distribution("setuptools")
    for name in {file.parts[0] for file in setuptools.files or ()} - {"..", "distutils-precedence.pth"}:
        (builds / name).symlink_to(setuptools.locate_file(name))
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(f"{environment.parents[1] / 'borrowed'}\n{builds}\n")
    source = shutil.copytree(PACKAGES / "my-pipeline", folder / "my-pipeline")
    entries = source / "pyproject.toml"
    entries.write_text(entries.read_text().replace(':MyPipeline"\n', f':MyPipeline"{LATER}'))
    with (source / "src" / "my_pipeline" / "pipeline.py").open("a") as file:
        file.write(VARIANTS)
    how = ["-e"] if request.param == "editable" else []
    there = folder / "bin" / "python"
    links = ["--no-index", "--find-links", wheels, "--no-build-isolation"]
    pip("--python", there, "install", "-q", *links, *how, source)
    return there


@pytest.fixture
def framerill(python, tmp_path):
    """The program with that Python, from a folder with nothing in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAMERILL_")}
    kept.pop("PYTHONPATH", None)
    env = {**kept, "FRAMERILL_HOME": str(tmp_path / "home"), "FRAMERILL_PYTHON": str(python)}

    def run(*arguments):
        done = subprocess.run([PROGRAM, *arguments, "--json"], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if arguments[0] == "run" else json.loads(done.stdout)

    return run


def test_it_is_listed_with_its_variants(python, framerill):
    rows = [row for row in framerill("pipelines", "list")["pipelines"] if row["distribution"] == "my-pipeline"]
    assert [row["name"] for row in rows] == ["my-pipeline", "my-pipeline-fast", "my-pipeline-hq"]
    assert {(row["error"], row["version"]) for row in rows} == {(None, "0.1.0")}
    assert {row["editable"] for row in rows} == {"editable" in str(python)}


@pytest.mark.parametrize("name", ["my-pipeline", "my-pipeline-fast", "my-pipeline-hq"])
def test_it_and_its_variants_run_on_a_clip(framerill, tmp_path, name):
    done = framerill("run", CLIP, "-p", name, "-o", "out.mp4", "--params", '{"strength": 0.5}')
    assert done["status"] == "done", done
    assert (tmp_path / "out.mp4").stat().st_size > 0


async def gives_pictures(url):
    """Waits for the first bytes of the channel's next segment."""
    async with TrickleSubscriber(url) as subscriber:
        return await (await subscriber.next()).read()


def test_a_variant_runs_live_and_takes_parameters(python, serve, tmp_path):
    name = "my-pipeline-hq"
    env = {"PIPELINE": name, "MODEL_ID": name, "FRAMERILL_HOME": str(tmp_path / "home")}
    server = serve([python, "-m", "app.main", "--json"], **env)
    listening = json.loads(server.process.stdout.readline())
    server.url = listening["url"]
    server.until_said(f"Configured as {name}")
    server.until_said("state OFFLINE")
    publisher, urls = start(server, listening["trickle"], "variant", strength=0.5)

    async def live():
        assert await gives_pictures(urls["publish_url"])
        await tell(TricklePublisher(urls["control_url"], "application/json"), {"strength": 1.0})
        await asyncio.to_thread(server.until_said, "Updating params: {'strength': 1.0")

    try:
        asyncio.run(asyncio.wait_for(live(), 60))
    finally:
        publisher.terminate()
        publisher.wait()


def test_the_package_is_structured_as_the_guide_has_it():
    package = PACKAGES / "my-pipeline"
    files = sorted(str(it.relative_to(package)) for it in package.rglob("*") if "__pycache__" not in it.parts)
    assert [it for it in files if Path(it).suffix in (".py", ".toml", ".md")] == [
        "README.md", "pyproject.toml", "src/my_pipeline/__init__.py", "src/my_pipeline/params.py",
        "src/my_pipeline/pipeline.py",
    ]  # fmt: skip
    assert (package / "tests").is_dir()
