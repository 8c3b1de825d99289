//! The GPUs, as NVML tells them. Its library is opened at run time, where there is one.

use std::collections::BTreeMap;

use nvml_wrapper::{Device, Nvml, error::NvmlError};
use serde::Serialize;

/// NVML, or none.
pub(super) struct Hardware(Option<Nvml>);

/// A GPU's abilities; `memory_*` in bytes, `major` and `minor` of its compute capability.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct GpuComputeInfo {
    id: String,
    name: String,
    memory_total: u64,
    memory_free: u64,
    major: i32,
    minor: i32,
}

/// A GPU's load: `memory_*` in bytes, `utilization_*` in percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct GpuUtilizationInfo {
    id: String,
    name: String,
    memory_total: u64,
    memory_free: u64,
    utilization_compute: u32,
    utilization_memory: u32,
}

impl Hardware {
    /// Opens NVML. Takes a while where there is a GPU.
    pub(super) fn open() -> Self {
        Self(Nvml::init().ok())
    }

    /// By NVML's index.
    pub(super) fn info(&self) -> BTreeMap<String, GpuComputeInfo> {
        self.each(|gpu| {
            let memory = gpu.memory_info()?;
            let capability = gpu.cuda_compute_capability()?;
            Ok(GpuComputeInfo {
                id: gpu.uuid()?,
                name: gpu.name()?,
                memory_total: memory.total,
                memory_free: memory.free,
                major: capability.major,
                minor: capability.minor,
            })
        })
    }

    /// By NVML's index.
    pub(super) fn stats(&self) -> BTreeMap<String, GpuUtilizationInfo> {
        self.each(|gpu| {
            let memory = gpu.memory_info()?;
            let utilization = gpu.utilization_rates()?;
            Ok(GpuUtilizationInfo {
                id: gpu.uuid()?,
                name: gpu.name()?,
                memory_total: memory.total,
                memory_free: memory.free,
                utilization_compute: utilization.gpu,
                utilization_memory: utilization.memory,
            })
        })
    }

    /// Up to the first GPU that fails.
    fn each<T>(&self, of: impl Fn(&Device<'_>) -> Result<T, NvmlError>) -> BTreeMap<String, T> {
        let Some(nvml) = &self.0 else {
            return BTreeMap::new();
        };
        (0..nvml.device_count().unwrap_or(0))
            .map_while(|index| {
                let it = nvml.device_by_index(index).and_then(|gpu| of(&gpu)).ok()?;
                Some((index.to_string(), it))
            })
            .collect()
    }
}
