//! `invert`: the negative of the picture.

use super::filter::{self, Filter, PIECE};
use super::params::NoParams;
use crate::{Answer, FrameMeta, Picture};

/// Each sample becomes 255 minus itself.
pub(super) struct Invert;

impl Filter for Invert {
    const NAME: &'static str = "invert";
    const SUMMARY: &'static str = "turns every picture into its negative";
    type Params = NoParams;

    fn new(_: NoParams) -> Self {
        Self
    }

    fn process(&mut self, frame: &FrameMeta, picture: &mut dyn Picture) -> Result<Answer, String> {
        filter::in_pieces(frame, picture, &mut [0; PIECE], |input, output| {
            for (output, input) in output.iter_mut().zip(input) {
                *output = !*input; // 255 - input
            }
        })?;
        Ok(Answer::Changed)
    }
}
