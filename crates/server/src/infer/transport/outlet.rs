//! A channel that is to be published to.

use framerill_trickle::http::client::{Publisher, PublisherOptions};

use super::told;

/// Nothing of it is asked for yet: a publisher prepares its first request at once, and the end of whoever published to the
/// same channel before would end that.
pub(super) struct Outlet {
    url: String,
    options: PublisherOptions,
}

impl Outlet {
    pub(super) fn new(url: &str, options: PublisherOptions) -> Self {
        Self {
            url: url.to_owned(),
            options,
        }
    }

    /// Begins to publish.
    pub(super) fn open(self) -> Result<Publisher, String> {
        Publisher::connect(&self.url, self.options).map_err(|error| told(&error))
    }
}
