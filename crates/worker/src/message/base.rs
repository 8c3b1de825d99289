//! Parameters that belong to a stream and not to its pipeline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Problem;

/// What a stream's own parameters say, for pipelines whose parameters have the same names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BaseValues {
    /// `width`, `height` and `show_reloading_frame`, as they hold.
    pub values: Map<String, Value>,
    /// Which of them were asked for; the others are usual.
    #[serde(default)]
    pub given: Vec<String>,
}

impl Problem {
    /// The rule of a change that would give pictures another size in the middle of their stream; its value is that size.
    pub const OUTPUT_SIZE: &'static str = "output_size";
}
