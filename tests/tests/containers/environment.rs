//! The lines of the images that make and fill their virtual environment, run in one, with wheels that are made here.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use framerill_tests::{bin, packer, python, repository, serving::told_by_nobody, wait_for};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    dockerfile::{Dockerfile, words},
    start::Served,
};

/// A package as an author writes it.
const PYPROJECT: &str = r#"
[build-system]
requires = ["setuptools>=61.0"]
build-backend = "setuptools.build_meta"

[project]
name = "my-pipeline"
version = "0.1.0"
dependencies = ["framerill"]

[project.entry-points."ai_runner.pipelines"]
my-pipeline = "my_pipeline:MyPipeline"

[tool.setuptools]
py-modules = ["my_pipeline"]
"#;
const MODULE: &str = "
import os
from pathlib import Path

import framerill


class MyPipeline(framerill.Pipeline):
    @classmethod
    def prepare_models(cls):
        Path(os.environ['MODEL_DIR'], 'weights').write_text('fetched')

    def process(self, frame):
        return frame
";

/// What stands in for uv: it is pip that works.
const UV: &str = "#!python
import os, sys

os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])
";

fn done(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let (out, err) = (&output.stdout, &output.stderr);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    );
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

/// A folder that stands for an image's file system.
struct Image {
    root: TempDir,
}

impl Image {
    /// Wheels of ours in `/wheels`, those of others in `/index`.
    fn new() -> Self {
        let image = Self {
            root: TempDir::new().expect("a folder"),
        };
        let sources = image.path("sources");
        fs::create_dir_all(&sources).expect("a folder");
        fs::write(sources.join("pyproject.toml"), PYPROJECT).expect("a file");
        fs::write(sources.join("my_pipeline.py"), MODULE).expect("a file");
        image.wheel(&sources, "index");
        let copy = image.path("framerill");
        done(
            Command::new("cp")
                .arg("-r")
                .arg(repository().join("python/framerill"))
                .arg(&copy),
        );
        image.wheel(&copy, "wheels");

        let file = live_base();
        let installed = file.stage("python").all("RUN").flat_map(words);
        let uv = installed
            .filter_map(|it| it.strip_prefix("uv==").map(str::to_owned))
            .next();
        packer::make(&json!({
            "out": image.path("index"),
            "repack": ["numpy", "pydantic"],
            "wheels": [{"name": "uv", "version": uv.expect("its version"), "scripts": {"uv": UV}}],
        }));
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn wheel(&self, sources: &Path, into: &str) {
        let mut pip = Command::new(python());
        pip.args([
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
        ]);
        done(pip.arg(self.path(into)).arg(sources));
    }

    /// Runs a line as a builder does, with paths of the image below this folder. Those of apt are Debian's affair.
    fn run(&self, line: &str) {
        if line.contains("apt-get") {
            return;
        }
        let line = line.replace("/wheels/", &format!("{}/", self.path("wheels").display()));
        let environment = self.path("opt/framerill");
        let path = env::var("PATH").expect("a path");
        let beside = python().parent().expect("a folder").to_owned();
        let path = format!("{}/bin:{}:{path}", environment.display(), beside.display());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &line]);
        shell.envs([("PATH", path.as_str()), ("PIP_NO_INDEX", "1")]);
        shell.env("PIP_FIND_LINKS", self.path("index"));
        shell
            .env("VIRTUAL_ENV", environment)
            .env_remove("PYTHONPATH");
        done(&mut shell);
    }
}

fn live_base() -> Dockerfile {
    Dockerfile::read("deploy/docker/Dockerfile.live-base")
}

/// A command in the image's environment, with the programs of this build where the wheel puts them.
fn inside(image: &Image, program: &str) -> Command {
    let environment = image.path("opt/framerill");
    let mut command = Command::new(environment.join("bin").join(program));
    told_by_nobody(&mut command);
    // A program that is installed in an environment finds its Python, whether it is active or not.
    for name in ["FRAMERILL_PYTHON", "PYTHONPATH", "VIRTUAL_ENV"] {
        command.env_remove(name);
    }
    command.current_dir(image.root.path());
    command
}

#[test]
fn the_lines_that_make_the_environment_work_and_derived_images_add_to_it() {
    let image = Image::new();
    for line in live_base().stage("python").all("RUN") {
        image.run(line);
    }
    let packages = done(inside(&image, "python").args(["-m", "pip", "list"]));
    for (package, is_there) in [
        ("framerill", true),
        ("numpy", true),
        ("uv", true),
        ("setuptools", false),
    ] {
        let listed = packages
            .lines()
            .any(|it| it.split(' ').next() == Some(package));
        assert_eq!(listed, is_there, "{packages}");
    }
    let numpy = image.path("opt/framerill/lib").to_owned();
    let tests = done(Command::new("find").arg(numpy).args([
        "-type",
        "d",
        "-path",
        "*/numpy/*",
        "-name",
        "tests",
    ]));
    assert_eq!(tests, "", "numpy works without its tests");
    for program in ["framerill", "framerill-media"] {
        // A link would lead back to where they were built.
        let installed = image.path("opt/framerill/bin").join(program);
        fs::copy(bin(program), installed).expect("a copy");
    }

    // The one built last is the one that is run.
    for example in ["Dockerfile.uv", "Dockerfile.pip"] {
        let file = Dockerfile::read(&format!("examples/docker/{example}"));
        done(inside(&image, "python").args(["-m", "pip", "uninstall", "-q", "-y", "my-pipeline"]));
        for line in file.image().all("RUN") {
            image.run(line);
        }
        let listed = done(inside(&image, "framerill").args(["pipelines", "list"]));
        assert!(listed.contains("my-pipeline"), "{listed}");
    }
    let models = image.path("models");
    fs::create_dir(&models).expect("a folder");
    let file = Dockerfile::read("examples/docker/Dockerfile.pip");
    let mut variables = file.image().variables();
    for (name, path) in [("VIRTUAL_ENV", "opt/framerill"), ("MODEL_DIR", "models")] {
        variables.insert(name.to_owned(), image.path(path).display().to_string());
    }
    let mut prepare = inside(&image, "framerill");
    prepare.arg("serve").env("PREPARE_MODELS", "1");
    done(prepare.envs(&variables));
    let fetched = fs::read_to_string(models.join("weights"));
    assert_eq!(fetched.expect("a file"), "fetched");

    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let runner = Served::by_entry_point(&variables);
    let idle = wait_for(Duration::from_secs(30), || {
        (runner.health() == "IDLE").then_some(())
    });
    assert!(idle.is_some(), "{}", runner.health());
    assert_eq!(runner.stop().code(), Some(143));
}
