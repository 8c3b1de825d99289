"""Packages as their authors write them, installed from wheels with no index, found by name and run."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from test_conformance import Media, Worker, refused
from wheelhouse import PACKAGES, wheel

VARIANTS = """
class MyPipelineFast(MyPipeline):
    async def initialize(self, **params):
        await super().initialize(**params, speed="fast")

class MyPipelineHQ(MyPipeline):
    async def initialize(self, **params):
        logging.info(f"Configured as {self.pipeline_name}")
"""
LATER = """
my-pipeline-fast = "my_pipeline.pipeline:MyPipelineFast"
my-pipeline-hq = "my_pipeline.pipeline:MyPipelineHQ"
"""


@pytest.fixture
def installed(environment, monkeypatch):
    """Workers of this test run in that environment, from a folder with nothing in it."""
    monkeypatch.setattr(sys, "executable", str(environment))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return environment


def ask(python, *arguments, **env):
    done = subprocess.run(
        [python, "-m", "framerill.pipelines", *arguments], env={**os.environ, **env}, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_the_guides_package_is_installed_from_wheels_and_listed(installed):
    rows = {row["name"]: row for row in ask(installed, "list")}
    wanted = {
        "target": "my_pipeline.pipeline:MyPipeline", "distribution": "my-pipeline", "version": "0.1.0",
        "group": "ai_runner.pipelines", "error": None,
    }  # fmt: skip
    assert {key: rows["my-pipeline"][key] for key in wanted} == wanted
    assert rows["noop"]["distribution"] == "ai-runner-base"
    description = ask(installed, "describe", "my-pipeline")
    assert (description["name"], description["origin"]) == ("my-pipeline", "package my-pipeline 0.1.0")
    assert description["defaults"] == {"width": 512, "height": 512, "show_reloading_frame": True, "strength": 0.8}
    assert description["params_schema"]["properties"]["strength"]["maximum"] == 1.0


def test_it_runs_and_takes_parameters_while_it_runs(installed):
    with Worker() as worker:
        ready = worker.load("my-pipeline", strength=0.5)
        assert ready["description"]["name"] == "my-pipeline"
        media = Media(worker)
        for frame, level in enumerate((10, 20, 30)):
            media.frame(frame, frame, level=level)
            answer = media.answer()
            assert (answer.frame, answer.pts, media.sample(answer)) == (frame, frame * 3000, level)
        worker.call("update", "applied", params={"strength": 1.0}, replace=True)
        assert "strength" in refused(worker, {"strength": 2.0})["problems"][0]["message"]
        media.frame(3, 3, level=40)
        assert media.sample(media.answer()) == 40
        worker.ask("drain")
        worker.wait_for("drained")
        assert worker.exit_code() == 0


def test_its_variants_are_entry_points_of_their_own_and_know_their_names(installed, wheels, tmp_path):
    source = shutil.copytree(PACKAGES / "my-pipeline", tmp_path / "my-pipeline")
    entries = source / "pyproject.toml"
    entries.write_text(entries.read_text().replace(':MyPipeline"\n', f':MyPipeline"{LATER}'))
    with (source / "src" / "my_pipeline" / "pipeline.py").open("a") as file:
        file.write(VARIANTS)
    into = tmp_path / "wheels"
    wheel(source, into, tmp_path / "copy")
    site = tmp_path / "variants"
    (built,) = into.glob("*.whl")
    with zipfile.ZipFile(built) as it:
        it.extractall(site)
    env = {"PYTHONPATH": str(site)}
    names = [row["name"] for row in ask(installed, "list", **env) if row["error"] is None]
    assert {"my-pipeline", "my-pipeline-fast", "my-pipeline-hq"} <= set(names)
    for name, said in (
        ("my-pipeline-fast", "Initializing MyPipeline with params: {'speed': 'fast'}"),
        ("my-pipeline-hq", "Configured as my-pipeline-hq"),
    ):
        with Worker(env=env) as worker:
            worker.ask("load", pipeline=name, params={})
            assert worker.wait_for("log")["message"] == said
            assert worker.wait_for("ready")["description"]["name"] == name


SPEC = {
    "name": "task",
    "pipeline_cls": "task_pipeline.pipeline:TaskPipeline",
    "params_cls": "task_pipeline.params:TaskParams",
}


def test_a_spec_brings_several_outputs_and_a_reload_by_a_task(installed):
    assert ask(installed, "describe", json.dumps(SPEC))["defaults"]["copies"] == 2
    with Worker() as worker:
        worker.load(json.dumps(SPEC), brightness=0.5)
        media = Media(worker)
        media.frame(0, 0)
        media.frame(1, 1)
        answers = [media.answer() for _ in range(4)]
        assert [(it.frame, it.nth, it.pts) for it in answers] == [(0, 0, 0), (0, 1, 1500), (1, 0, 3000), (1, 1, 4500)]
        # In [0, 1]: half of it is gray.
        assert {media.sample(it) for it in answers} == {128}
        asked = worker.ask("update", params={"model": "large", "brightness": 1.0, "copies": 1}, replace=True)
        assert worker.wait_for("reloading")["id"] == asked
        assert worker.wait_for("ready")["id"] == asked
        media.frame(2, 2)
        answer = media.answer()
        assert (answer.frame, media.sample(answer)) == (2, 255)


def test_its_own_main_serves_its_spec_or_prepares(installed, tmp_path):
    main = installed.with_name("task-pipeline")
    fake = Path(__file__).with_name("fake_framerill.py")
    env = {**os.environ, "FRAMERILL_BIN": str(fake), "FAKE": str(tmp_path / "told"), "HOST": "127.0.0.1"}
    env.pop("FRAMERILL_PYTHON", None)
    subprocess.run([main], env=env, check=True, timeout=60)
    (told,) = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    spec = json.loads(told["argv"][2])
    assert (told["argv"][:2], spec) == (
        ["serve", "--pipeline"],
        {**SPEC, "initial_params": {"brightness": 0.5}},
    )
    assert told["env"]["FRAMERILL_PYTHON"] == str(installed)
    done = subprocess.run([main, "--prepare-models"], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "prepared\n")
    assert len((tmp_path / "told").read_text().splitlines()) == 1
