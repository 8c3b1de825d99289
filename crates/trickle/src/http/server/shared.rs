//! What all connections of a server share.

use std::sync::Arc;

use super::Config;
use super::seats::Seats;
use crate::clock::now;
use crate::relay::Hub;

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) hub: Hub,
    pub(super) seats: Arc<Seats>,
}

impl Shared {
    pub(super) fn new(mut config: Config) -> Arc<Self> {
        let path = config.base_path.trim_matches('/');
        config.base_path = if path.is_empty() {
            "/".to_owned()
        } else {
            format!("/{path}/")
        };
        let hub = Hub::with_policy(now(), config.relay.clone(), config.policy.clone());
        Arc::new(Self {
            config,
            hub,
            seats: Arc::default(),
        })
    }
}
