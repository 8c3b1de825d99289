//! Where ONNX Runtime's shared library may be.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// What looks for the library wants to know of its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// By whoever asks, or by `ORT_DYLIB_PATH`.
    pub named: Option<PathBuf>,
    /// `VIRTUAL_ENV`.
    pub virtual_env: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Where `.venv` is looked for, and in the folders around it.
    pub working_dir: PathBuf,
}

impl Surroundings {
    /// Those of this process. `named` goes before `ORT_DYLIB_PATH`.
    #[must_use]
    pub fn of_process(named: Option<&Path>) -> Self {
        let path_in = |name| {
            std::env::var_os(name)
                .filter(|it| !it.is_empty())
                .map(PathBuf::from)
        };
        Self {
            named: named
                .map(Path::to_owned)
                .or_else(|| path_in("ORT_DYLIB_PATH")),
            virtual_env: path_in("VIRTUAL_ENV"),
            path: std::env::var_os("PATH"),
            working_dir: std::env::current_dir().unwrap_or_default(),
        }
    }
}

/// Folders of the system where packages put shared libraries.
const SYSTEM: [&str; 5] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// The library: the named file, else the newest of the first place that has one: the Python environment that is active,
/// `.venv` of the working directory or of a folder around it, Pythons on the path, folders of the system. Nothing is started.
#[must_use]
pub fn find(surroundings: &Surroundings) -> Option<PathBuf> {
    if let Some(named) = &surroundings.named {
        return Some(named.clone());
    }
    let on_path = surroundings
        .path
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|bin| bin.join("python3").exists())
        .filter_map(|bin| bin.parent().map(Path::to_owned));
    let around = surroundings.working_dir.ancestors();
    let around = around.map(|it| it.join(".venv"));
    let mut environments = surroundings
        .virtual_env
        .iter()
        .cloned()
        .chain(around)
        .chain(on_path);
    environments
        .find_map(|it| in_environment(&it))
        .or_else(|| SYSTEM.iter().find_map(|it| in_folder(Path::new(it))))
}

/// In the package `onnxruntime` of a Python environment, or of the user's packages of a Python.
fn in_environment(root: &Path) -> Option<PathBuf> {
    let lib = fs::read_dir(root.join("lib")).ok()?;
    let mut pythons: Vec<PathBuf> = lib
        .flatten()
        .map(|it| it.path())
        .filter(|it| {
            it.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        })
        .collect();
    pythons.sort();
    pythons.iter().rev().find_map(|python| {
        ["site-packages", "dist-packages"]
            .iter()
            .find_map(|it| in_folder(&python.join(it).join("onnxruntime").join("capi")))
    })
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.31.0`; of several the one with the highest version.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let all = fs::read_dir(folder).ok()?;
    all.flatten()
        .filter_map(|it| {
            let version = version(it.file_name().to_str()?)?;
            Some((version, it.path()))
        })
        .max()
        .map(|(_, path)| path)
}

fn version(name: &str) -> Option<Vec<u32>> {
    let rest = name.strip_prefix("libonnxruntime.so")?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    rest.strip_prefix('.')?
        .split('.')
        .map(|it| it.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, path: &str) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn a_named_file_goes_before_all_and_the_active_environment_before_others() {
        let root = tempfile::tempdir().unwrap();
        let capi = "lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so";
        let venv = touch(root.path(), &format!(".venv/{capi}.1.31.0"));
        let mut it = Surroundings {
            working_dir: root.path().join("some/folder"),
            ..Surroundings::default()
        };
        assert_eq!(find(&it), Some(venv.clone()));

        let active = touch(root.path(), &format!("active/{capi}.1.22.1"));
        it.virtual_env = Some(root.path().join("active"));
        assert_eq!(find(&it), Some(active));

        it.named = Some("/opt/other.so".into());
        assert_eq!(find(&it), Some("/opt/other.so".into()));
    }

    #[test]
    fn a_python_on_the_path_is_looked_into_and_the_newest_library_taken() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), "usr/bin/python3");
        let capi = "usr/lib/python3/dist-packages/onnxruntime/capi";
        touch(root.path(), &format!("{capi}/libonnxruntime.so.1.9.0"));
        touch(
            root.path(),
            &format!("{capi}/libonnxruntime_providers_shared.so"),
        );
        let newest = touch(root.path(), &format!("{capi}/libonnxruntime.so.1.31.0"));
        let it = Surroundings {
            path: Some(root.path().join("usr/bin").into()),
            working_dir: root.path().join("elsewhere"),
            ..Surroundings::default()
        };
        assert_eq!(find(&it), Some(newest));
    }
}
