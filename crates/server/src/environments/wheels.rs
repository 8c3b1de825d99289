//! The Python packages of this program, which it carries along: environments get them without an index.

use std::{fs, path::PathBuf};

use super::{home, home::Home, name::normal};
use crate::failure::Failure;

/// One package.
pub(super) struct Wheel {
    pub(super) distribution: &'static str,
    file: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/wheels.rs"));

/// What every environment needs.
const RUNTIME: &str = "framerill";

/// Where the wheels lie for an installer.
pub(super) struct Shelf {
    /// Of each distribution, as a requirement.
    pub(super) all: Vec<(&'static str, String)>,
    pub(super) folder: PathBuf,
    /// Says that these distributions come from here, whoever asks for them.
    pub(super) constraints: PathBuf,
    /// The one that every environment needs, as a requirement.
    pub(super) runtime: String,
}

/// Whether a distribution is one of ours.
pub(super) fn is_ours(distribution: &str) -> bool {
    let name = normal(distribution);
    WHEELS.iter().any(|it| normal(it.distribution) == name)
}

/// Puts the wheels down, unless they lie there.
pub(super) fn put(home: &Home) -> Result<Shelf, Failure> {
    let folder = home.runtime(DIGEST);
    let mut constraints = String::new();
    let mut runtime = String::new();
    let mut all = Vec::new();
    for wheel in WHEELS {
        let path = folder.join(wheel.file);
        let is_there = fs::metadata(&path).is_ok_and(|it| it.len() == wheel.bytes.len() as u64);
        if !is_there {
            home::write(&path, wheel.bytes).map_err(|error| Home::cannot_write(&error, &path))?;
        }
        let line = format!("{} @ {}", wheel.distribution, url(&path.to_string_lossy()));
        if wheel.distribution == RUNTIME {
            runtime.clone_from(&line);
        }
        constraints.push_str(&line);
        constraints.push('\n');
        all.push((wheel.distribution, line));
    }
    let file = folder.join("constraints.txt");
    home::write(&file, constraints.as_bytes())
        .map_err(|error| Home::cannot_write(&error, &file))?;
    Ok(Shelf {
        all,
        folder,
        constraints: file,
        runtime,
    })
}

fn url(path: &str) -> String {
    let mut url = String::from("file://");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_wheels_are_written_once_and_named_as_constraints() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let shelf = put(&home).unwrap();
        let constraints = fs::read_to_string(&shelf.constraints).unwrap();
        assert!(
            constraints.contains("framerill @ file:///"),
            "{constraints}"
        );
        assert!(constraints.contains(&shelf.runtime) && !shelf.runtime.is_empty());
        for wheel in WHEELS {
            let path = shelf.folder.join(wheel.file);
            assert_eq!(fs::read(&path).unwrap(), wheel.bytes);
            // Half a wheel is no wheel.
            fs::write(&path, "half").unwrap();
        }
        put(&home).unwrap();
        assert_ne!(
            fs::read(shelf.folder.join(WHEELS[0].file)).unwrap(),
            b"half"
        );
    }

    #[test]
    fn a_path_in_an_address_holds_no_blanks() {
        assert_eq!(url("/a b/ü#.whl"), "file:///a%20b/%C3%BC%23.whl");
    }

    #[test]
    fn our_own_distributions_are_known_however_they_are_written() {
        assert!(is_ours("framerill") && is_ours("Framerill"));
        assert!(!is_ours("framerill-pipelines"));
    }
}
