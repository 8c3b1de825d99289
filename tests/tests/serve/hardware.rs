//! `/hardware/info` and `/hardware/stats` (contract §1.6), with a driver's library that a test makes.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    runner::{Runner, Stage},
    schema::assert_is,
};

/// Three GPUs, of which the last is lost.
const NVML: &str = r#"
#include <string.h>
typedef unsigned int u32; typedef unsigned long long u64;
static u32 ids[3] = {0, 1, 2};
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(u32 *n) { *n = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u32 i, void **d) { *d = &ids[i]; return i == 2 ? 15 : 0; }
int nvmlDeviceGetUUID(void *d, char *s, u32 n) { strncpy(s, *(u32 *)d ? "GPU-b" : "GPU-a", n); return 0; }
int nvmlDeviceGetName(void *d, char *s, u32 n) { strncpy(s, "NVIDIA Test", n); return 0; }
struct memory { u32 version; u64 total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *d, struct memory *m) { m->total = 25757220864ull; m->free = 25100000000ull; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) { *major = 8; *minor = 9; return 0; }
struct utilization { u32 gpu, memory; };
int nvmlDeviceGetUtilizationRates(void *d, struct utilization *u) { u->gpu = 37; u->memory = 12; return 0; }
"#;

#[test]
fn the_gpus_are_told_by_their_index_up_to_the_first_that_fails() {
    let stage = Stage::new();
    let source = stage.path("nvml.c");
    fs::write(&source, NVML).expect("a file");
    let library = stage.path("libnvidia-ml.so.1");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(built.expect("cc comes with Rust's linker").success());
    let folder = library.parent().expect("a folder").display().to_string();
    let runner = Runner::well(stage.env("LD_LIBRARY_PATH", &folder));
    let info = runner.get("/hardware/info").json();
    let gpu = |id: &str, more: Value| {
        let mut gpu = json!({
            "id": id, "name": "NVIDIA Test", "memory_total": 25_757_220_864_u64, "memory_free": 25_100_000_000_u64,
        });
        let more = more.as_object().expect("an object").clone();
        gpu.as_object_mut().expect("an object").extend(more);
        gpu
    };
    let ability = json!({"major": 8, "minor": 9});
    assert_eq!(
        info,
        json!({
            "pipeline": "live-video-to-video", "model_id": "noop",
            "gpu_info": {"0": gpu("GPU-a", ability.clone()), "1": gpu("GPU-b", ability)},
        })
    );
    assert_is(&info, "HardwareInformation");
    let stats = runner.get("/hardware/stats").json();
    let load = json!({"utilization_compute": 37, "utilization_memory": 12});
    assert_eq!(
        stats["gpu_stats"],
        json!({"0": gpu("GPU-a", load.clone()), "1": gpu("GPU-b", load)})
    );
    assert_is(&stats, "HardwareStats");
}

#[test]
fn without_a_driver_there_is_no_gpu_and_still_a_200() {
    let stage = Stage::new();
    // A library that is no NVML stands before any real one.
    fs::write(stage.path("libnvidia-ml.so.1"), "").expect("a file");
    let folder = stage.path("").display().to_string();
    let runner = Runner::well(stage.env("LD_LIBRARY_PATH", &folder));
    for (path, key) in [
        ("/hardware/info", "gpu_info"),
        ("/hardware/stats", "gpu_stats"),
    ] {
        let reply = runner.get(path);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()[key], json!({}));
    }
}
