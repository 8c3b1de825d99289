//! One look at the file. It blocks for as long as the disk does.

use std::{
    fs::{Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use rustix::fs::OFlags;
use serde_json::Value;

use crate::infer::{json, transport::CONTROL_MOST};

/// Bytes of a file at most: what one message of the control channel may have.
const MOST: usize = CONTROL_MOST;

/// By which a change is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    length: u64,
}

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// Nothing new, or no file.
    Same,
    /// Parameters.
    New(Stamp, Value),
    /// No parameters, and why. With a stamp they are wrong until the file changes.
    Wrong(Option<Stamp>, String),
}

/// Looks for something newer than what was seen.
pub(super) fn look(file: &Path, seen: Option<Stamp>) -> Look {
    match change(file, seen) {
        Ok(None) => Look::Same,
        Ok(Some((stamp, Ok(value)))) => Look::New(stamp, value),
        Ok(Some((stamp, Err(why)))) => Look::Wrong(Some(stamp), why),
        // It may be about to be written.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Look::Same,
        Err(error) => Look::Wrong(None, error.to_string()),
    }
}

type Change = (Stamp, Result<Value, String>);

fn change(file: &Path, seen: Option<Stamp>) -> io::Result<Option<Change>> {
    // To open a pipe or a device may do something to it.
    if Some(stamp(&std::fs::metadata(file)?)?) == seen {
        return Ok(None);
    }
    // Another file may lie there by now: nobody waits for its other end.
    let how = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let how = i32::try_from(how).map_err(io::Error::other)?;
    let open = OpenOptions::new().read(true).custom_flags(how).open(file)?;
    let stamp = stamp(&open.metadata()?)?;
    let mut text = Vec::new();
    // The length that a file tells is not always what it holds.
    open.take(MOST as u64 + 1).read_to_end(&mut text)?;
    let value = if text.len() > MOST {
        Err(format!("it is longer than {MOST} bytes"))
    } else {
        json::read(&text)
    };
    Ok(Some((stamp, value)))
}

fn stamp(facts: &Metadata) -> io::Result<Stamp> {
    if !facts.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(Stamp {
        modified: facts.modified()?,
        length: facts.len(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, os::unix::fs::symlink};

    use rustix::fs::{CWD, Mode, mkfifoat};
    use serde_json::json;
    use tempfile::{TempDir, tempdir};

    use super::*;

    pub(in super::super) fn pipe(path: &Path) {
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
    }

    fn folder() -> (TempDir, std::path::PathBuf) {
        let folder = tempdir().unwrap();
        let file = folder.path().join("params.json");
        (folder, file)
    }

    #[test]
    fn a_file_is_read_once_and_again_when_it_changes() {
        let (_folder, file) = folder();
        assert_eq!(look(&file, None), Look::Same);
        fs::write(&file, "{}").unwrap();
        let Look::New(first, value) = look(&file, None) else {
            panic!("it is there");
        };
        assert_eq!(value, json!({}));
        assert_eq!(look(&file, Some(first)), Look::Same);
        fs::write(&file, r#"{"a": 1}"#).unwrap();
        let Look::New(second, value) = look(&file, Some(first)) else {
            panic!("it was written");
        };
        assert_eq!(value, json!({"a": 1}));
        assert_ne!(first, second);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let (folder, file) = folder();
        let refused = || Look::Wrong(None, "it is no regular file".to_owned());
        for device in ["/dev/zero", "/dev/null", "/"] {
            symlink(device, &file).unwrap();
            assert_eq!(look(&file, None), refused(), "{device}");
            fs::remove_file(&file).unwrap();
        }
        pipe(&file);
        assert_eq!(look(&file, None), refused());
        let Look::Wrong(None, why) = look(&folder.path().join("params.json/none"), None) else {
            panic!("its folder is none");
        };
        assert!(why.contains("Not a directory"), "{why}");
    }

    #[test]
    fn a_file_is_read_up_to_the_limit_whatever_length_it_tells() {
        let (_folder, file) = folder();
        fs::write(&file, vec![b' '; MOST + 1]).unwrap();
        let Look::Wrong(Some(stamp), why) = look(&file, None) else {
            panic!("it is too long");
        };
        assert!(why.contains("longer than 10485760 bytes"), "{why}");
        assert_eq!(look(&file, Some(stamp)), Look::Same);
        // Gigabytes of nothing.
        let open = OpenOptions::new().write(true).open(&file).unwrap();
        open.set_len(64 << 30).unwrap();
        let Look::Wrong(Some(_), why) = look(&file, Some(stamp)) else {
            panic!("it is too long");
        };
        assert!(why.contains("longer than"), "{why}");
        // It says that it is empty, and is not.
        let Look::Wrong(Some(stamp), why) = look(Path::new("/proc/self/status"), None) else {
            panic!("it holds no parameters");
        };
        assert_eq!(stamp.length, 0);
        assert!(why.contains("expected value"), "{why}");
    }
}
