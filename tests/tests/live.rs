//! The live runner as operators, orchestrators and viewers meet it: real processes on loopback, an input in real time, and
//! an output that is decoded and judged picture by picture.
//!
//! Each claim is the contract's (runner contract §1 to §11) or DESIGN's; what stands around the runner is
//! [`framerill_tests::live`], which is shown to notice lies in `live_judge.rs`.

#[path = "live/acts.rs"]
mod acts;
#[path = "live/again.rs"]
mod again;
#[path = "live/bare.rs"]
mod bare;
#[path = "live/bindings.rs"]
mod bindings;
#[path = "live/bursts.rs"]
mod bursts;
#[path = "live/capacity.rs"]
mod capacity;
#[path = "live/chaos.rs"]
mod chaos;
#[path = "live/containment.rs"]
mod containment;
#[path = "live/deaths.rs"]
mod deaths;
#[path = "live/decoupled.rs"]
mod decoupled;
#[path = "live/files.rs"]
mod files;
#[path = "live/late.rs"]
mod late;
#[path = "live/leaks.rs"]
mod leaks;
#[path = "live/memory.rs"]
mod memory;
#[path = "live/orchestrated.rs"]
mod orchestrated;
#[path = "live/params.rs"]
mod params;
#[path = "live/processes.rs"]
mod processes;
#[path = "live/quarantine.rs"]
mod quarantine;
#[path = "live/reloads.rs"]
mod reloads;
#[path = "live/scene.rs"]
mod scene;
#[path = "live/sinks.rs"]
mod sinks;
#[path = "live/sizes.rs"]
mod sizes;
#[path = "live/sound.rs"]
mod sound;
#[path = "live/sources.rs"]
mod sources;
#[path = "live/stalls.rs"]
mod stalls;
#[path = "live/starts.rs"]
mod starts;
#[path = "live/troubles.rs"]
mod troubles;
#[path = "live/volley.rs"]
mod volley;
#[path = "live/workers.rs"]
mod workers;
