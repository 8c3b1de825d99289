//! Pictures of plates before and after they are made clean, for whoever tries settings.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{picture::Region, task::Task};

/// Plates that one worker saves at most.
const MOST: u32 = 250;
/// A folder with so many files gets no more.
const FULL: usize = 2000;
/// Letters of a video's name in that of a file.
const LONGEST: usize = 60;

/// A folder for pictures. One that cannot be written gets none, and nobody fails for that.
#[derive(Debug)]
pub(super) struct Saved {
    folder: PathBuf,
    left: u32,
}

impl Saved {
    /// Pictures go into `folder`, which is made if it is not there.
    pub(super) fn into(folder: &Path) -> Self {
        let has_room = || -> io::Result<bool> {
            fs::create_dir_all(folder)?;
            Ok(fs::read_dir(folder)?.nth(FULL - 1).is_none())
        };
        // Whoever started the run has told of a folder that cannot be written.
        let left = if has_room().unwrap_or(false) { MOST } else { 0 };
        Self {
            folder: folder.to_owned(),
            left,
        }
    }

    /// Saves a part of a task's frame before and after, `rgb24` without gaps. A task that is done again writes the same files.
    pub(super) fn save(&mut self, task: &Task, region: Region, pictures: [&[u8]; 2]) {
        if self.left == 0 {
            return;
        }
        let stem = stem(task, region);
        let size = (region.width, region.height);
        let saved = ["before", "after"].iter().zip(pictures).all(|(when, rgb)| {
            let file = self.folder.join(format!("{stem}-{when}.png"));
            png(size, rgb).is_some_and(|bytes| fs::write(file, bytes).is_ok())
        });
        // A full disk does not get better by being tried at each plate.
        self.left = if saved { self.left - 1 } else { 0 };
    }
}

/// A video's name in letters that are safe everywhere, a few digits that tell such names apart, the frame, and the place in it.
fn stem(task: &Task, region: Region) -> String {
    let is_safe = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let safe = |it: char| if is_safe(it) { it } else { '_' };
    let name: String = task.video_id.chars().take(LONGEST).map(safe).collect();
    let digest = Sha256::digest(task.video_id.as_bytes());
    let digits: String = digest[..4].iter().map(|it| format!("{it:02x}")).collect();
    let frame = task.frame_idx.unwrap_or_default();
    format!("{name}-{digits}-{frame}-{}x{}", region.x, region.y)
}

fn png((width, height): (u32, u32), rgb: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(rgb).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        category::Category,
        task::{Payload, TaskId},
    };

    const REGION: Region = Region {
        x: 1,
        y: 2,
        width: 2,
        height: 1,
    };

    fn task(video_id: &str, frame: u64) -> Task {
        Task {
            id: TaskId(1),
            category: Category::PlateDenoise,
            priority: 0,
            video_id: video_id.into(),
            frame_idx: Some(frame),
            track_id: None,
            frame: None,
            attempt: 0,
            payload: Payload::VehicleDetect,
            meta: serde_json::Map::new(),
        }
    }

    #[test]
    fn no_more_are_saved_than_the_bound_and_none_into_a_full_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let mut saved = Saved::into(folder.path());
        for frame in 0..u64::from(MOST) + 20 {
            saved.save(&task("a", frame), REGION, [&[1; 6], &[2; 6]]);
        }
        assert_eq!(files(), 2 * MOST as usize);
        for at in files()..FULL {
            fs::write(folder.path().join(format!("x{at}")), "").unwrap();
        }
        Saved::into(folder.path()).save(&task("b", 0), REGION, [&[1; 6], &[2; 6]]);
        assert_eq!(files(), FULL);
    }

    proptest! {
        #[test]
        fn a_name_is_one_short_name_whatever_the_video_is_called(name in "\\PC{0,80}|[./\\\\]{1,20}") {
            let stem = stem(&task(&name, 3), REGION);
            let is_safe = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
            prop_assert!(stem.len() < 200 && stem.chars().all(is_safe), "{}", stem);
        }
    }

    #[test]
    fn names_that_differ_in_a_sign_alone_do_not_meet() {
        assert_ne!(stem(&task("a:b", 0), REGION), stem(&task("a/b", 0), REGION));
    }
}
