//! The models of a folder, ready to be opened.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Check, Missing, ModelError, Progress, PullError, Registry, Role, entry::Entry, files::verified,
    pull::pull,
};
use crate::{
    detect::{PlateDetector, PlateSettings, VehicleDetector, VehicleSettings},
    onnx::{Net, NetError, Provider, Runtime, Tensor, Threads},
    read::{ReadSettings, Reader, StillReader, StillSettings},
};

/// Which models are used and what computes them. The default: the first of each role, CUDA where it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// A model for `vehicle`, by name.
    pub vehicle: Option<String>,
    /// A model for `plate`, by name.
    pub plate: Option<String>,
    /// A model for `ocr`, by name.
    pub ocr: Option<String>,
    /// What computes.
    pub provider: Provider,
    /// How many threads a model.
    pub threads: Threads,
    /// The library of ONNX Runtime; looked for if none.
    pub onnxruntime: Option<PathBuf>,
}

impl Choice {
    /// The name that is asked for, if one is.
    #[must_use]
    pub fn of(&self, role: Role) -> Option<&str> {
        match role {
            Role::Vehicle => self.vehicle.as_deref(),
            Role::Plate => self.plate.as_deref(),
            Role::Ocr => self.ocr.as_deref(),
        }
    }

    /// Asks for a model by name.
    pub fn set(&mut self, role: Role, name: String) {
        *match role {
            Role::Vehicle => &mut self.vehicle,
            Role::Plate => &mut self.plate,
            Role::Ocr => &mut self.ocr,
        } = Some(name);
    }
}

/// A model and its file, as data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Which.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// It is the one that is used for that.
    pub is_chosen: bool,
    /// Its licence.
    pub licence: String,
    /// Who made it.
    pub source: String,
    /// Where it can be had.
    pub urls: Vec<String>,
    /// Where its file is, or would be.
    pub path: PathBuf,
    /// What is known of the file.
    pub check: Check,
}

/// The models of a folder. A model is opened when its detector or reader is made.
#[derive(Clone, Debug)]
pub struct Models {
    dir: PathBuf,
    registry: Registry,
    choice: Choice,
}

impl Models {
    /// Reads the registry. Neither a model nor ONNX Runtime is opened.
    pub fn open(dir: &Path, choice: Choice) -> Result<Self, ModelError> {
        let it = Self {
            registry: Registry::of(dir)?,
            dir: dir.to_owned(),
            choice,
        };
        for role in Role::ALL {
            it.entry(role)?;
        }
        Ok(it)
    }

    /// All that are known.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The one that is used for `role`.
    pub fn entry(&self, role: Role) -> Result<&Entry, ModelError> {
        match self.choice.of(role) {
            Some(name) => self.named(role, name),
            None => self
                .registry
                .of_role(role)
                .next()
                .ok_or_else(|| self.unknown(role, "")),
        }
    }

    fn named(&self, role: Role, name: &str) -> Result<&Entry, ModelError> {
        self.registry
            .get(name)
            .filter(|it| it.role == role)
            .ok_or_else(|| self.unknown(role, name))
    }

    fn unknown(&self, role: Role, name: &str) -> ModelError {
        let known: Vec<_> = self.registry.of_role(role).map(|it| &*it.name).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        ModelError::Unknown {
            name: name.to_owned(),
            role,
            known,
        }
    }

    /// Whether the file of an entry is there and is the one that was declared.
    #[must_use]
    pub fn check(&self, entry: &Entry) -> Check {
        Check::of(entry, &self.dir)
    }

    /// All that are known, with their files.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let is_chosen = |it: &Entry| {
            let chosen = self.entry(it.role);
            chosen.is_ok_and(|chosen| chosen.name == it.name)
        };
        let listed = self.registry.entries().iter().map(|it| Listed {
            name: it.name.clone(),
            role: it.role,
            is_chosen: is_chosen(it),
            licence: it.licence.clone(),
            source: it.source.clone(),
            urls: it.urls.clone(),
            path: self.dir.join(&it.file),
            check: self.check(it),
        });
        listed.collect()
    }

    /// Gets the file of an entry and verifies it; `tell` hears how far it is. Say the licence before. A file that is there
    /// and good is left alone.
    pub fn pull(
        &self,
        entry: &Entry,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, PullError> {
        if entry.sha256.is_some() && self.check(entry) == Check::Good {
            return Ok(self.dir.join(&entry.file));
        }
        pull(entry, &self.dir, tell)
    }

    /// Opens the file of an entry and compares what it takes and gives with what was declared.
    pub fn check_shapes(&self, entry: &Entry) -> Result<(), ModelError> {
        match entry.role {
            Role::Ocr => self.net(entry).map(|_| ()),
            Role::Plate => self
                .plate_detector(Some(&entry.name), PlateSettings::default())
                .map(|_| ()),
            Role::Vehicle => {
                VehicleDetector::new(self.net(entry)?, entry, VehicleSettings::default())?;
                Ok(())
            }
        }
    }

    /// Those of `roles` without a file.
    pub fn missing(&self, roles: &[Role]) -> Result<Vec<&Entry>, ModelError> {
        let mut all = Vec::new();
        for role in roles {
            let entry = self.entry(*role)?;
            if !self.dir.join(&entry.file).is_file() {
                all.push(entry);
            }
        }
        Ok(all)
    }

    /// Fails if a file that a run needs is missing or another one than was declared: what a run's start asks, before any
    /// worker is there. Missing ones are told all at once.
    pub fn verify(&self) -> Result<(), ModelError> {
        let missing = self.missing(&Role::ALL)?;
        if !missing.is_empty() {
            return Err(ModelError::Missing {
                missing: missing.into_iter().map(Missing::of).collect(),
                dir: self.dir.clone(),
            });
        }
        for role in Role::ALL {
            verified(self.entry(role)?, &self.dir)?;
        }
        Ok(())
    }

    fn net(&self, entry: &Entry) -> Result<Net, ModelError> {
        verified(entry, &self.dir)?;
        let runtime = Runtime::open(self.choice.onnxruntime.as_deref())?;
        let file = self.dir.join(&entry.file);
        let net = Net::open(&runtime, &file, self.choice.provider, self.choice.threads)?;
        let differs = |what, expected: Tensor, found: &Tensor| {
            if found.fits(&expected) {
                return Ok(());
            }
            Err(NetError::Shape {
                file: file.clone(),
                what,
                expected: expected.to_string(),
                found: found.to_string(),
            })
        };
        differs("the input", entry.expected_input(), net.input())?;
        differs("the output", entry.expected_output(), net.output())?;
        Ok(net)
    }

    /// Opens the chosen model for `vehicle`.
    pub fn vehicle_detector(
        &self,
        settings: VehicleSettings,
    ) -> Result<VehicleDetector, ModelError> {
        let entry = self.entry(Role::Vehicle)?;
        Ok(VehicleDetector::new(self.net(entry)?, entry, settings)?)
    }

    /// Opens the chosen model for `plate`, or another one of that role.
    pub fn plate_detector(
        &self,
        name: Option<&str>,
        settings: PlateSettings,
    ) -> Result<PlateDetector, ModelError> {
        let entry = match name {
            Some(name) => self.named(Role::Plate, name)?,
            None => self.entry(Role::Plate)?,
        };
        Ok(PlateDetector::new(self.net(entry)?, entry, settings)?)
    }

    /// Opens the chosen model for `ocr`, and the one for `plate` if `settings` ask for a second look.
    pub fn reader(&self, settings: ReadSettings) -> Result<Reader, ModelError> {
        let detector = match &settings.second_look {
            Some(it) => {
                let settings = PlateSettings::of_second_look(it.least_score);
                Some(self.plate_detector(None, settings)?)
            }
            None => None,
        };
        let entry = self.entry(Role::Ocr)?;
        Ok(Reader::new(self.net(entry)?, entry, settings, detector))
    }

    /// Opens what finds and reads all plates of a picture. The finer detector is the one with the largest canvas of those
    /// whose file is there; none if the chosen one is.
    pub fn still_reader(&self, settings: StillSettings) -> Result<StillReader, ModelError> {
        let fast = self.plate_detector(None, PlateSettings::of_still())?;
        let fine = match self.finer()? {
            Some(name) => Some(self.plate_detector(Some(name), PlateSettings::of_still())?),
            None => None,
        };
        let reader = self.reader(ReadSettings::of_still())?;
        Ok(StillReader::new(fast, fine, reader, settings))
    }

    fn finer(&self) -> Result<Option<&str>, ModelError> {
        let pixels = |it: &&Entry| it.input.width * it.input.height;
        let least = pixels(&self.entry(Role::Plate)?);
        let there = self
            .registry
            .of_role(Role::Plate)
            .filter(|it| pixels(it) > least && self.dir.join(&it.file).is_file());
        Ok(there.max_by_key(pixels).map(|it| &*it.name))
    }
}
