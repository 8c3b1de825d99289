//! `--plate-denoise` and what goes with it.

use std::fs;

use framerill_plates::picture::Denoise;

use super::{
    DENOISE, DENOISE_ENHANCE, DENOISE_H, DENOISE_HCOLOR, DENOISE_SAVE, Settings, flag, yes_or_no,
};
use crate::{
    failure::Failure,
    serve::source::{Name, Sources},
};

/// How plates are made clean; none where that is not asked for. Numbers are looked at all the same, and a note tells of each
/// that has no effect.
pub(super) fn denoise(from: &mut Sources) -> Result<Option<Denoise>, Failure> {
    let is_on = flag(from, DENOISE)?;
    let usual = Denoise::default();
    let it = Denoise {
        h: strength(from, DENOISE_H)?.unwrap_or(usual.h),
        h_color: strength(from, DENOISE_HCOLOR)?.unwrap_or(usual.h_color),
        enhance: yes_or_no(from, DENOISE_ENHANCE)?.unwrap_or(usual.enhance),
    };
    if is_on {
        return Ok(Some(it));
    }
    for name in [DENOISE_H, DENOISE_HCOLOR, DENOISE_ENHANCE, DENOISE_SAVE] {
        if let Some(found) = from.find(name) {
            let layer = found.layer;
            let note = format!("{layer} has no effect without `--plate-denoise`");
            from.notes.push(note);
        }
    }
    Ok(None)
}

fn strength(from: &mut Sources, name: Name) -> Result<Option<f32>, Failure> {
    let parse = |text: &str| {
        let number = text.parse().ok();
        number.filter(|it| (0.0..=Denoise::MOST_H).contains(it))
    };
    let wanted = format!("a number from 0 to {}", Denoise::MOST_H);
    from.parse(name, &wanted, parse)
}

impl Settings {
    /// Makes the folder for pictures of plates. One that cannot be written gets none, which is a note, and the rest goes on.
    pub(in crate::plates) fn prepare_saves(&mut self) {
        let Some(folder) = self.denoise_save.take_if(|_| self.denoise.is_some()) else {
            self.denoise_save = None;
            return;
        };
        let made = fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder));
        match made {
            Ok(_) => self.denoise_save = Some(folder),
            Err(why) => self.notes.push(format!(
                "no pictures of plates are saved: `{}` cannot be written: {why}",
                folder.display()
            )),
        }
    }

    /// How plates are made clean, for people; none where they are not.
    pub(in crate::plates) fn denoise_words(&self) -> Option<String> {
        let Denoise {
            h,
            h_color,
            enhance,
        } = self.denoise?;
        let more = if enhance {
            "contrast and edges enhanced"
        } else {
            "nothing enhanced"
        };
        Some(format!("h {h}, hcolor {h_color}, {more}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::exit::Exit;

    fn load(env: &[(&str, &str)]) -> Result<Settings, Failure> {
        let env = env.iter();
        Settings::load(Sources {
            env: env
                .map(|(name, it)| ((*name).into(), (*it).into()))
                .collect(),
            ..Sources::default()
        })
    }

    #[test]
    fn plates_are_left_as_they_are_unless_it_is_asked_for() {
        let it = load(&[]).unwrap();
        assert_eq!((it.denoise, it.denoise_words()), (None, None));
        assert!(!it.to_run().denoises && it.notes.is_empty());
        let it = load(&[("PLATE_DENOISE", "1")]).unwrap();
        assert_eq!(it.denoise, Some(Denoise::default()));
        assert!(it.to_run().denoises);
        let it = load(&[
            ("FRAMERILL_PLATE_DENOISE", "true"),
            ("PLATE_DENOISE_H", "0"),
            ("PLATE_DENOISE_HCOLOR", "12.5"),
            ("PLATE_DENOISE_ENHANCE", "0"),
        ])
        .unwrap();
        let expected = Denoise {
            h: 0.0,
            h_color: 12.5,
            enhance: false,
        };
        assert_eq!(it.denoise, Some(expected));
        assert_eq!(
            it.denoise_words().unwrap(),
            "h 0, hcolor 12.5, nothing enhanced"
        );
        assert!(it.notes.is_empty(), "{:?}", it.notes);
    }

    #[test]
    fn bad_values_are_usage_errors_that_name_their_variable() {
        for (name, value) in [
            ("PLATE_DENOISE", "yes"),
            ("PLATE_DENOISE_H", "x"),
            ("PLATE_DENOISE_H", "-1"),
            ("PLATE_DENOISE_HCOLOR", "100.5"),
            ("PLATE_DENOISE_HCOLOR", "nan"),
            ("PLATE_DENOISE_ENHANCE", "2"),
        ] {
            for on in ["0", "1"] {
                let mut env = vec![(name, value)];
                if name != "PLATE_DENOISE" {
                    env.push(("PLATE_DENOISE", on));
                }
                let failure = load(&env).unwrap_err();
                assert_eq!(failure.exit, Exit::Usage, "{env:?}");
                assert!(failure.to_string().contains(name), "{failure}");
            }
        }
    }

    #[test]
    fn what_has_no_effect_is_told_by_its_name() {
        let it = load(&[("PLATE_DENOISE_H", "9"), ("PLATE_DENOISE_DEBUG_SAVE", "d")]).unwrap();
        assert_eq!(it.notes.len(), 2);
        assert!(it.notes[0].contains("PLATE_DENOISE_H"), "{:?}", it.notes);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_one_note_and_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "x").unwrap();
        let saves = |folder: &Path, on: &str| {
            let folder = folder.to_str().unwrap();
            let mut it = load(&[("PLATE_DENOISE", on), ("PLATE_DENOISE_DEBUG_SAVE", folder)]);
            let it = it.as_mut().unwrap();
            it.notes.clear();
            it.prepare_saves();
            (it.denoise_save.clone(), it.notes.clone())
        };
        let there = root.path().join("a/b");
        assert_eq!(saves(&there, "0"), (None, vec![]));
        assert!(!there.exists(), "nothing is made where it is off");
        assert_eq!(saves(&there, "1"), (Some(there.clone()), vec![]));
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
        let (folder, notes) = saves(&file.join("below"), "1");
        assert_eq!((folder, notes.len()), (None, 1));
        assert!(notes[0].contains(file.to_str().unwrap()), "{notes:?}");
    }
}
