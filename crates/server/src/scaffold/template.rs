//! The files of the example that a new package is made of.

use super::Name;

/// What the example is called, in the three ways in which a package is.
pub(super) const DISTRIBUTION: &str = "external-pipeline-example";
const MODULE: &str = "external_pipeline_example";
const CLASS: &str = "ExternalPipelineExample";

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Every file of the example, and its text.
        pub(super) const FILES: &[(&str, &str)] = &[$((
            $path,
            include_str!(concat!("../../../../examples/external-pipeline-example/", $path)),
        )),*];
    };
}

files![
    ".dockerignore",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "pyproject.toml",
    "src/external_pipeline_example/__init__.py",
    "src/external_pipeline_example/params.py",
    "src/external_pipeline_example/pipeline.py",
    "src/external_pipeline_example/py.typed",
    "tests/test_pipeline.py",
];

/// A text of the example as that of the package `name`.
pub(super) fn renamed(text: &str, name: &Name) -> String {
    text.replace(DISTRIBUTION, &name.distribution)
        .replace(MODULE, &name.module)
        .replace(CLASS, &name.class)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path, process::Command};

    use super::*;

    #[test]
    fn every_committed_file_of_the_example_is_in_the_template() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples")
            .join(DISTRIBUTION);
        let mut git = Command::new("git");
        let listed = git
            .args(["ls-files", "-co", "--exclude-standard"])
            .current_dir(example)
            .output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        let committed: BTreeSet<&str> = listed.lines().collect();
        let embedded: BTreeSet<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(committed, embedded);
    }
}
