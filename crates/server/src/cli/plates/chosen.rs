//! Which models, and what computes them, where nothing else is set.

use clap::Args;
use framerill_plates::{
    models::{Choice, Role},
    onnx::Provider,
};

/// Which models.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Another model than the first one of its role: vehicle=NAME, plate=NAME or ocr=NAME; may be given for each
    #[arg(
        long,
        value_name = "ROLE=NAME",
        env = "FRAMERILL_MODEL",
        value_delimiter = ',',
        value_parser = named
    )]
    model: Vec<(Role, String)>,
}

/// Flags of commands that open models and have no other settings.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    #[command(flatten)]
    named: Named,
    /// What models are computed on: auto (CUDA where it is there, else cpu), cpu, cuda or tensorrt
    #[arg(
        long,
        value_name = "NAME",
        env = "FRAMERILL_PROVIDER",
        default_value = "auto"
    )]
    provider: Provider,
}

fn named(text: &str) -> Result<(Role, String), String> {
    let wanted = || "vehicle=NAME, plate=NAME or ocr=NAME is wanted".to_owned();
    let (role, name) = text.trim().split_once('=').ok_or_else(wanted)?;
    let role: Role = role.trim().parse().map_err(|_| wanted())?;
    let name = name.trim();
    (!name.is_empty())
        .then(|| (role, name.to_owned()))
        .ok_or_else(wanted)
}

impl From<Named> for Choice {
    fn from(it: Named) -> Self {
        let mut choice = Self::default();
        for (role, name) in it.model {
            choice.set(role, name);
        }
        choice
    }
}

impl From<Chosen> for Choice {
    fn from(it: Chosen) -> Self {
        Self {
            provider: it.provider,
            ..it.named.into()
        }
    }
}
