//! What computes.

use std::{fmt, str::FromStr};

use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT};
use serde::{Deserialize, Serialize};

/// What models are computed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA device through CUDA; no other.
    Cuda,
    /// An NVIDIA device through TensorRT, and through CUDA for what that cannot do.
    Tensorrt,
    /// CUDA if the library has it and a device is there, else the processor. Never TensorRT, which takes minutes to build its
    /// engines at each start: whoever wants it asks for it.
    #[default]
    Auto,
}

/// There is no such provider.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider `{0}`: use one of cpu, cuda, tensorrt, auto")]
pub struct UnknownProvider(pub String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "tensorrt" => Ok(Self::Tensorrt),
            "auto" => Ok(Self::Auto),
            _ => Err(UnknownProvider(name.to_owned())),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Tensorrt => "tensorrt",
            Self::Auto => "auto",
        })
    }
}

impl Provider {
    /// As ONNX Runtime takes them, first choice first. One that was asked for by name must be there.
    pub(super) fn dispatches(self) -> Vec<ExecutionProviderDispatch> {
        let cuda = || CUDA::default().build();
        match self {
            Self::Cpu => Vec::new(),
            Self::Cuda => vec![cuda().error_on_failure()],
            Self::Tensorrt => vec![
                TensorRT::default().build().error_on_failure(),
                cuda().error_on_failure(),
            ],
            Self::Auto => vec![cuda().fail_silently()],
        }
    }
}

/// Names of providers that an open library has; whether a device is there is another matter.
#[must_use]
pub fn available(_of: &super::Runtime) -> Vec<&'static str> {
    let has = |there: ort::Result<bool>| there.unwrap_or(false);
    let all = [
        ("cpu", true),
        ("cuda", has(CUDA::is_available())),
        ("tensorrt", has(TensorRT::is_available())),
    ];
    all.into_iter().filter(|it| it.1).map(|it| it.0).collect()
}
