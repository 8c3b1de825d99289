//! The wheel of a pure Python package: its sources, its metadata and the record of both.

use std::{fs, path::Path};

use sha2::{Digest, Sha256};

use crate::{metadata, zip::zip};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Its distribution's name, its file's name and its bytes.
pub(crate) fn of(folder: &Path) -> (String, String, Vec<u8>) {
    let about = metadata::read(folder);
    let stem = format!("{}-{}", about.name.replace('-', "_"), about.version);
    let info = format!("{stem}.dist-info");
    let mut files = Vec::new();
    let source = folder.join("src");
    sources(&source, &source, &mut files);
    files.sort();
    let wheel =
        "Wheel-Version: 1.0\nGenerator: framerill\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let mut add =
        |name: &str, text: String| files.push((format!("{info}/{name}"), text.into_bytes()));
    add("METADATA", about.text);
    add("WHEEL", wheel.to_owned());
    if !about.entry_points.is_empty() {
        add("entry_points.txt", about.entry_points);
    }
    let rows = files.iter().map(|(name, content)| {
        format!(
            "{name},sha256={},{}\n",
            base64(&Sha256::digest(content)),
            content.len()
        )
    });
    let record = rows.collect::<String>() + &format!("{info}/RECORD,,\n");
    files.push((format!("{info}/RECORD"), record.into_bytes()));
    (about.name, format!("{stem}-py3-none-any.whl"), zip(&files))
}

fn sources(folder: &Path, root: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("the sources' folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|it| it.to_str())
            .expect("a name in UTF-8");
        let is_made =
            name == "__pycache__" || name.ends_with(".pyc") || name.ends_with(".egg-info");
        if is_made || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            sources(&path, root, files);
        } else {
            let inner = path.strip_prefix(root).expect("below the root");
            let content = fs::read(&path).expect("a source can be read");
            files.push((inner.to_str().expect("a name in UTF-8").to_owned(), content));
        }
    }
}

/// With letters for URLs and without padding.
fn base64(bytes: &[u8]) -> String {
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        let count = chunk.len() + 1;
        (0..count).map(move |at| char::from(LETTERS[(word >> (18 - 6 * at) & 63) as usize]))
    });
    letters.collect()
}
