//! The before/after picture: under its own name when it is complete, or not there at all.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::output::{Ours, beside, is_a_file, named, not_the_input};
use crate::failure::Failure;

/// A picture that media writes at the end of the stream.
#[derive(Debug)]
pub(super) struct Preview {
    path: PathBuf,
    written: Ours,
}

impl Preview {
    /// Checks that it is not the input, and creates the file that is written.
    pub(super) fn create(path: &Path, input: Option<&Path>) -> Result<(Self, File), Failure> {
        if path.is_dir() {
            let text = format!("the preview's name, `{}`, is a directory", path.display());
            return Err(
                Failure::cannot_start("output_directory", text).hint("name another output with -o")
            );
        }
        let written = beside(path, "partial");
        not_the_input(path, input)?;
        not_the_input(&written, input)?;
        is_a_file(path)?;
        let (written, file) = Ours::create(&written, path)?;
        let path = path.to_owned();
        Ok((Self { path, written }, file))
    }

    /// Puts it under its own name; none when there was no picture to write.
    pub(super) fn complete(self) -> Result<Option<PathBuf>, Failure> {
        if fs::metadata(&self.written.path).is_ok_and(|it| it.len() == 0) {
            self.discard();
            return Ok(None);
        }
        named(&self.written.path, &self.path)?;
        Ok(Some(self.path))
    }

    /// Removes what was written; a picture of an earlier run stays.
    pub(super) fn discard(self) {
        self.written.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_run_that_fails_keeps_the_picture_of_an_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.png");
        fs::write(&path, b"earlier").unwrap();
        let (preview, mut file) = Preview::create(&path, None).unwrap();
        file.write_all(b"half").unwrap();
        preview.discard();
        assert_eq!(fs::read(&path).unwrap(), b"earlier");
        let (preview, mut file) = Preview::create(&path, None).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(preview.complete().unwrap(), Some(path.clone()));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_input_is_never_the_preview() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("out.png");
        fs::write(&input, b"picture").unwrap();
        let failure = Preview::create(&input, Some(&input)).unwrap_err();
        assert_eq!(failure.code, "output_is_input");
        assert_eq!(fs::read(&input).unwrap(), b"picture");
    }
}
