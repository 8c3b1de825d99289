//! A filter without a worker around it: pictures in plain memory.

use framerill_media::{Caps, PixelFormat, Pts, Size, TimeBase};
use framerill_worker::{Answer, FrameMeta, Picture, Pipeline, filters};
use serde_json::{Map, Value};

/// A frame of a source and the slot for its answer.
pub(crate) struct Frame {
    pub(crate) meta: FrameMeta,
    pub(crate) input: Vec<u8>,
    output: Vec<u8>,
    copied: bool,
}

impl Frame {
    /// A frame whose output slot still holds `garbage`.
    pub(crate) fn new(width: u32, height: u32, input: Vec<u8>, garbage: u8) -> Self {
        let size = Size::new(width, height).unwrap();
        let caps = Caps::new(PixelFormat::Rgb24, size).unwrap();
        assert_eq!(input.len(), caps.picture_bytes());
        Self {
            meta: FrameMeta {
                id: 0,
                pts: Pts(0),
                time_base: TimeBase::MPEG,
                caps,
                discontinuity: false,
            },
            output: vec![garbage; input.len()],
            input,
            copied: false,
        }
    }

    /// What a viewer sees after `pipeline` answered.
    pub(crate) fn through(&mut self, pipeline: &mut dyn Pipeline) -> Result<&[u8], String> {
        self.copied = false;
        let meta = self.meta;
        match pipeline.process(&meta, self)? {
            Answer::Changed => Ok(&self.output),
            Answer::Passed => Ok(&self.input),
            Answer::Skipped => Err("skipped".into()),
        }
    }
}

impl Picture for Frame {
    fn edit(&mut self) -> &mut [u8] {
        if !self.copied {
            self.output.copy_from_slice(&self.input);
            self.copied = true;
        }
        &mut self.output
    }

    fn replace(&mut self) -> &mut [u8] {
        self.copied = true;
        &mut self.output
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.input[offset..][..into.len()]);
    }
}

pub(crate) fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The built-in filter `name` with these parameters.
pub(crate) fn load(name: &str, params: &Value) -> Box<dyn Pipeline> {
    let kind = filters::find(name).unwrap();
    kind.load(&map(params))
        .unwrap_or_else(|problems| panic!("{name} {params}: {problems:?}"))
}
