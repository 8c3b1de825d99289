//! Requests as most parents make them.

use serde_json::Map;

use super::{MediaPlan, ToChild};

impl ToChild {
    /// Asks media to open what `plan` says; `fds` descriptors come with it.
    #[must_use]
    pub fn load_media(id: u64, plan: MediaPlan, fds: u32) -> Self {
        Self::Load {
            id,
            pipeline: None,
            params: Map::new(),
            base: None,
            media: Some(Box::new(plan)),
            fds,
        }
    }

    /// Asks a child to join a stream that needs nothing said of it but its name; `fds` descriptors come with it.
    #[must_use]
    pub fn attach(id: u64, stream: &str, incarnation: u32, fds: u32) -> Self {
        Self::Attach {
            id,
            stream: stream.to_owned(),
            incarnation,
            format: None,
            history: None,
            batch: None,
            request_id: String::new(),
            output_size: None,
            live: false,
            fds,
        }
    }
}
