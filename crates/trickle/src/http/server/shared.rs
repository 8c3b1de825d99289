//! What all connections of a server share.

use std::sync::Arc;

use super::Config;
use super::seats::Seats;
use crate::relay::Hub;

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) hub: Hub,
    pub(super) seats: Arc<Seats>,
}
