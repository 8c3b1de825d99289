//! What a registry says of a model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    detection::VehicleClass,
    onnx::{Element, Tensor},
    picture::Fit,
};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds vehicles.
    Vehicle,
    /// Finds plates.
    Plate,
    /// Reads plates.
    Ocr,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vehicle, Self::Plate, Self::Ocr];
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|it| it.to_string() == name);
        found.ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// There is no such role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("models are for vehicle, plate or ocr, not for `{0}`")]
pub struct UnknownRole(pub String);

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Vehicle => "vehicle",
            Self::Plate => "plate",
            Self::Ocr => "ocr",
        })
    }
}

/// A model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unique in a registry.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its file's name in the folder of models.
    pub file: String,
    /// Where the file can be had, first choice first.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Of the file, 64 hexadecimal digits; without it the file is not compared.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Of the file, as an SPDX expression or a sentence.
    pub licence: String,
    /// Who made it, for people.
    #[serde(default)]
    pub source: String,
    /// What it takes.
    pub input: InputSpec,
    /// What it gives.
    pub output: OutputSpec,
}

/// Order of sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One plane a channel.
    Nchw,
    /// Channels side by side.
    Nhwc,
}

/// Order of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV reads pictures.
    Bgr,
}

/// What a model takes: a batch of pictures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Order of sides.
    pub layout: Layout,
    /// Bytes 0 to 255, or floats.
    pub element: Element,
    /// Order of channels.
    pub colour: Colour,
    /// Floats: a sample of 0 to 255 is divided by this.
    #[serde(default = "one")]
    pub divide_by: f32,
    /// Floats: taken away after the division, in the model's order of channels.
    #[serde(default)]
    pub mean: [f32; 3],
    /// Floats: divided by at last, in the model's order of channels.
    #[serde(default = "ones")]
    pub std: [f32; 3],
    /// Where a picture of another shape lies.
    pub fit: Fit,
    /// What is around it.
    #[serde(default)]
    pub fill: u8,
}

fn one() -> f32 {
    1.0
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// Values a corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// x and y.
    Xy,
    /// x, y and a confidence, which is not used.
    Xyc,
}

/// What a model gives, and how it is understood.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "layout", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OutputSpec {
    /// Rows of centre, size (both relative to a cell of grids with strides 8, 16, 32), objectness, classes.
    Yolox {
        /// Which class is which vehicle; COCO's where nothing is said.
        #[serde(default)]
        vehicles: BTreeMap<String, VehicleClass>,
        /// Classes of plates with two lines.
        #[serde(default)]
        two_line_classes: Vec<usize>,
    },
    /// Rows of centre, size, objectness, classes, in canvas pixels.
    UltralyticsV5 {
        /// As for `yolox`.
        #[serde(default)]
        vehicles: BTreeMap<String, VehicleClass>,
        /// As for `yolox`.
        #[serde(default)]
        two_line_classes: Vec<usize>,
    },
    /// Columns of centre, size, classes, in canvas pixels, then perhaps four corners.
    UltralyticsV8 {
        /// As for `yolox`.
        #[serde(default)]
        vehicles: BTreeMap<String, VehicleClass>,
        /// As for `yolox`.
        #[serde(default)]
        two_line_classes: Vec<usize>,
        /// Four corners follow the classes.
        #[serde(default)]
        corners: Option<Point>,
    },
    /// Rows of centre, size, objectness, four corners, classes, in canvas pixels.
    Yolov5Face {
        /// As for `yolox`.
        #[serde(default)]
        two_line_classes: Vec<usize>,
    },
    /// A distribution over an alphabet for each place of a text.
    Slots {
        /// Places.
        slots: usize,
        /// Characters in the model's order, the empty one included.
        alphabet: String,
        /// Which of them stands for no character.
        empty: char,
    },
}

impl OutputSpec {
    /// What it is called in a registry.
    #[must_use]
    pub fn layout(&self) -> &'static str {
        match self {
            Self::Yolox { .. } => "yolox",
            Self::UltralyticsV5 { .. } => "ultralytics-v5",
            Self::UltralyticsV8 { .. } => "ultralytics-v8",
            Self::Yolov5Face { .. } => "yolov5-face",
            Self::Slots { .. } => "slots",
        }
    }

    fn vehicles(&self) -> Option<&BTreeMap<String, VehicleClass>> {
        match self {
            Self::Yolox { vehicles, .. }
            | Self::UltralyticsV5 { vehicles, .. }
            | Self::UltralyticsV8 { vehicles, .. } => Some(vehicles),
            Self::Yolov5Face { .. } | Self::Slots { .. } => None,
        }
    }

    /// The vehicle of each class, by number; COCO's where the registry says nothing.
    #[must_use]
    pub fn vehicle_classes(&self) -> Vec<(usize, VehicleClass)> {
        let said = self.vehicles().into_iter().flatten();
        let said: Vec<_> = said
            .filter_map(|(class, vehicle)| Some((class.parse().ok()?, *vehicle)))
            .collect();
        if said.is_empty() {
            let coco = (0..80).filter_map(|it| Some((it, VehicleClass::of_coco(it)?)));
            return coco.collect();
        }
        said
    }

    /// Classes of plates with two lines.
    #[must_use]
    pub fn two_line_classes(&self) -> &[usize] {
        match self {
            Self::Yolox {
                two_line_classes, ..
            }
            | Self::UltralyticsV5 {
                two_line_classes, ..
            }
            | Self::UltralyticsV8 {
                two_line_classes, ..
            }
            | Self::Yolov5Face { two_line_classes } => two_line_classes,
            Self::Slots { .. } => &[],
        }
    }
}

fn sides(all: [u32; 4]) -> Vec<i64> {
    all.map(i64::from).to_vec()
}

impl Entry {
    /// Why it makes no sense; none if it does.
    pub(super) fn problem(&self) -> Option<String> {
        let input = &self.input;
        if !(8..=4096).contains(&input.width) || !(8..=4096).contains(&input.height) {
            return Some("`input` must be 8 to 4096 pixels wide and high".to_owned());
        }
        let is_number = |it: &f32| it.is_finite() && *it != 0.0;
        if !is_number(&input.divide_by) || !input.std.iter().all(is_number) {
            return Some("`divide_by` and `std` must be numbers other than 0".to_owned());
        }
        let is_reader = matches!(self.output, OutputSpec::Slots { .. });
        if is_reader != (self.role == Role::Ocr) {
            return Some(format!(
                "a model for `{}` cannot have the output `{}`",
                self.role,
                self.output.layout()
            ));
        }
        if let OutputSpec::Slots {
            slots,
            alphabet,
            empty,
        } = &self.output
            && (!(1..=64).contains(slots) || !alphabet.contains(*empty) || alphabet.len() > 1024)
        {
            return Some(
                "`slots` must be 1 to 64, and `empty` a character of `alphabet`".to_owned(),
            );
        }
        if self.file.is_empty() || self.file.contains(['/', '\\']) || self.file.starts_with('.') {
            return Some("`file` must be the name of a file, without folders".to_owned());
        }
        let is_hex = |it: &String| it.len() == 64 && it.bytes().all(|it| it.is_ascii_hexdigit());
        if self.sha256.as_ref().is_some_and(|it| !is_hex(it)) {
            return Some("`sha256` must be 64 hexadecimal digits".to_owned());
        }
        let keys = self.output.vehicles().into_iter().flatten();
        for (class, _) in keys {
            if class.parse::<usize>().is_err() {
                return Some(format!(
                    "`vehicles`: `{class}` is not the number of a class"
                ));
            }
        }
        None
    }

    /// What its file must take.
    #[must_use]
    pub fn expected_input(&self) -> Tensor {
        let (width, height) = (self.input.width, self.input.height);
        let mut shape = match self.input.layout {
            Layout::Nchw => sides([1, 3, height, width]),
            Layout::Nhwc => sides([1, height, width, 3]),
        };
        shape[0] = -1;
        Tensor {
            element: Some(self.input.element),
            shape,
        }
    }

    /// What its file must give; −1 for sides that any number will do for.
    #[must_use]
    pub fn expected_output(&self) -> Tensor {
        let shape = match &self.output {
            OutputSpec::Yolox { .. } => {
                let cells = |stride| (self.input.width / stride) * (self.input.height / stride);
                vec![-1, [8, 16, 32].map(cells).iter().sum::<u32>().into(), -1]
            }
            OutputSpec::UltralyticsV5 { .. }
            | OutputSpec::UltralyticsV8 { .. }
            | OutputSpec::Yolov5Face { .. } => vec![-1, -1, -1],
            OutputSpec::Slots {
                slots, alphabet, ..
            } => {
                let side = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
                vec![-1, side(*slots), side(alphabet.chars().count())]
            }
        };
        Tensor {
            element: Some(Element::F32),
            shape,
        }
    }
}
