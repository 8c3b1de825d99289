//! Makes the wheels of the Python packages of this repository, byte for byte the same from the same sources, for
//! `environments` to embed.

#[path = "build/metadata.rs"]
mod metadata;
#[path = "build/wheel.rs"]
mod wheel;
#[path = "build/zip.rs"]
mod zip;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

fn main() {
    let crate_folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to"));
    let packages = crate_folder.join("../../python");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let mut names: Vec<_> = fs::read_dir(&packages)
        .expect("python/ is a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|folder| folder.join("pyproject.toml").is_file())
        .collect();
    names.sort();
    let mut rows = String::new();
    let mut all = Sha256::new();
    for folder in names {
        for part in ["pyproject.toml", "README.md", "src"] {
            if folder.join(part).exists() {
                println!("cargo::rerun-if-changed={}", folder.join(part).display());
            }
        }
        let (name, file, bytes) = wheel::of(&folder);
        all.update(&bytes);
        fs::write(out.join(&file), &bytes).expect("OUT_DIR can be written");
        rows.push_str(&row(&name, &file, &out));
    }
    let digest: String = all
        .finalize()
        .iter()
        .take(6)
        .map(|it| format!("{it:02x}"))
        .collect();
    let text = format!(
        "/// Of all wheels together.\npub(super) const DIGEST: &str = {digest:?};\n\
         pub(super) const WHEELS: &[Wheel] = &[\n{rows}];\n"
    );
    fs::write(out.join("wheels.rs"), text).expect("OUT_DIR can be written");
}

fn row(name: &str, file: &str, out: &Path) -> String {
    let path = out.join(file);
    format!(
        "    Wheel {{ distribution: {name:?}, file: {file:?}, bytes: include_bytes!({:?}) }},\n",
        path.to_str().expect("OUT_DIR is text")
    )
}
