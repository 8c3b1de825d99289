//! The stage that makes plates clean before they are read.

use super::saved::Saved;
use crate::{
    base64,
    category::{Category, Class},
    detection::Cleaned,
    picture::Picture,
    task::{Failure, Output, Payload, Task},
    worker::{Frames, LoadError, Setup, Stage, StageKind},
};

pub(super) struct PlateDenoise;

impl StageKind for PlateDenoise {
    fn name(&self) -> &'static str {
        Category::PlateDenoise.name()
    }

    fn class(&self) -> Class {
        Class::Cpu
    }

    fn load(&self, setup: &Setup) -> Result<Box<dyn Stage>, LoadError> {
        let saved = setup.denoise_save.as_deref().map(Saved::into);
        Ok(Box::new(Cleaner { saved }))
    }
}

struct Cleaner {
    saved: Option<Saved>,
}

impl Stage for Cleaner {
    fn process(&mut self, tasks: &[Task], frames: &mut Frames) -> Vec<Result<Output, Failure>> {
        let all = tasks.iter();
        all.map(|task| {
            let cleaned = self.clean(task, frames)?;
            Ok(Output::PlateDenoise { cleaned })
        })
        .collect()
    }
}

impl Cleaner {
    fn clean(&mut self, task: &Task, frames: &Frames) -> Result<Option<Cleaned>, Failure> {
        let fail = |reason: String| Failure {
            reason,
            is_transient: false,
        };
        let Payload::PlateDenoise { crop_bbox, how } = &task.payload else {
            let text = "a payload that `plate_denoise` does not take";
            return Err(fail(text.into()));
        };
        let Some((region, part)) = frames.part(task, crop_bbox)? else {
            return Ok(None);
        };
        let picture = Picture::new(part.width, part.height, &part.rgb);
        let picture = picture.map_err(|error| fail(error.to_string()))?;
        let Some(rgb) = how.clean(&picture) else {
            return Ok(None);
        };
        if let Some(saved) = &mut self.saved {
            saved.save(task, region, [&part.rgb, &rgb]);
        }
        let rgb = base64::encoded(&rgb);
        Ok(Some(Cleaned { region, rgb }))
    }
}

#[cfg(test)]
mod tests {
    use framerill_frames::{Geometry, PeerPool, Pool};

    use super::*;
    use crate::{
        bbox::BBox,
        picture::Denoise,
        task::{FrameSlot, TaskId},
    };

    fn task(payload: Payload) -> Task {
        Task {
            id: TaskId(1),
            category: Category::PlateDenoise,
            priority: 0,
            video_id: "../a b".into(),
            frame_idx: Some(8),
            track_id: None,
            frame: Some(FrameSlot {
                pool: 1,
                slot: 0,
                width: 40,
                height: 20,
            }),
            attempt: 0,
            payload,
            meta: serde_json::Map::new(),
        }
    }

    fn of(sides: [f32; 4]) -> Task {
        task(Payload::PlateDenoise {
            crop_bbox: sides.into(),
            how: Denoise::default(),
        })
    }

    fn frames() -> Frames {
        let pool = Pool::create(Geometry::for_pictures(1, 2400).unwrap()).unwrap();
        let mut loan = pool.loan().unwrap();
        for (at, byte) in loan[..2400].iter_mut().enumerate() {
            *byte = u8::try_from(at * 31 % 256).unwrap();
        }
        drop(loan.publish());
        let mut frames = Frames::default();
        let memory = pool.fd().try_clone_to_owned().unwrap();
        frames.lend(1, PeerPool::open(&memory, pool.geometry()).unwrap());
        frames
    }

    fn cleaned(
        stage: &mut dyn Stage,
        tasks: &[Task],
        frames: &mut Frames,
    ) -> Vec<Result<Option<Cleaned>, Failure>> {
        let outcomes = stage.process(tasks, frames).into_iter();
        let one = |it| match it {
            Ok(Output::PlateDenoise { cleaned }) => Ok(cleaned),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Err(failure),
        };
        outcomes.map(one).collect()
    }

    fn setup(save: Option<std::path::PathBuf>) -> Setup {
        let setup = serde_json::json!({"class": "cpu", "denoise_save": save});
        serde_json::from_value(setup).unwrap()
    }

    #[test]
    fn a_part_comes_out_clean_with_its_place_and_what_is_outside_is_none() {
        let (mut frames, mut stage) = (frames(), PlateDenoise.load(&setup(None)).unwrap());
        let (inside, edge) = ([4.0, 3.0, 24.0, 11.0], [30.0, 15.0, 60.0, 40.0]);
        let tasks = [of(inside), of([50.0, 0.0, 60.0, 9.0]), of(edge)];
        let out = cleaned(stage.as_mut(), &tasks, &mut frames);
        let first = out[0].clone().unwrap().unwrap();
        assert_eq!(first.region.bbox(), BBox::from(inside));
        let rgb = base64::decoded(&first.rgb).unwrap();
        assert_eq!(rgb.len(), 20 * 8 * 3);
        let (_, part) = frames.part(&tasks[0], &inside.into()).unwrap().unwrap();
        assert_ne!(rgb, part.rgb, "it is another picture");
        assert_eq!(out[1], Ok(None));
        let last = out[2].clone().unwrap().unwrap().region;
        assert_eq!((last.width, last.height), (10, 5));
        for (alone, among) in tasks.iter().zip(&out) {
            let alone = cleaned(stage.as_mut(), std::slice::from_ref(alone), &mut frames);
            assert_eq!(&alone[0], among);
        }
    }

    #[test]
    fn another_payload_and_a_frame_that_is_gone_are_failures() {
        let (mut frames, mut stage) = (frames(), PlateDenoise.load(&setup(None)).unwrap());
        let wrong = task(Payload::VehicleDetect);
        assert!(cleaned(stage.as_mut(), &[wrong], &mut frames)[0].is_err());
        frames.gone(1);
        let gone = of([4.0, 3.0, 24.0, 11.0]);
        assert!(cleaned(stage.as_mut(), &[gone], &mut frames)[0].is_err());
    }

    #[test]
    fn pictures_are_saved_and_a_folder_that_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let there = folder.path().join("there");
        let tasks = [of([4.0, 3.0, 24.0, 11.0])];
        let mut frames = frames();
        let mut out = Vec::new();
        for save in [None, Some(there.clone()), Some(file)] {
            let mut stage = PlateDenoise.load(&setup(save)).unwrap();
            out.push(cleaned(stage.as_mut(), &tasks, &mut frames));
        }
        assert!(out[0] == out[1] && out[0] == out[2]);
        let names = std::fs::read_dir(&there).unwrap().flatten();
        let mut names: Vec<_> = names
            .map(|it| it.file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names[0].ends_with("-8-4x3-after.png") && names[1].ends_with("-8-4x3-before.png"));
        assert!(
            names.iter().all(|it| it.starts_with("___a_b-")),
            "{names:?}"
        );
        let png = std::fs::read(there.join(&names[0])).unwrap();
        let mut png = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut rgb = vec![0; png.output_buffer_size().unwrap()];
        png.next_frame(&mut rgb).unwrap();
        let after = out[0][0].clone().unwrap().unwrap();
        assert_eq!(base64::encoded(&rgb), after.rgb);
    }
}
