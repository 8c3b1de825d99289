//! A server without an address.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::Config;
use super::connection::Connection;
use super::listener::{Observer, REFUSAL};
use super::shared::Shared;
use crate::relay::Hub;

/// A server that is bound to no address: its owner makes the connections and hands them over. It keeps no house either;
/// see [`Hub::tick`] and [`Hub::sweep`].
#[derive(Clone)]
pub struct Unbound {
    shared: Arc<Shared>,
}

impl Unbound {
    /// A server without connections. `tls` of the settings is not used.
    pub fn new(config: Config) -> Self {
        Self {
            shared: Shared::new(config),
        }
    }

    /// The channels.
    pub fn hub(&self) -> Hub {
        self.shared.hub.clone()
    }

    /// For who watches the server.
    pub fn observer(&self) -> Observer {
        Observer::new(self.shared.clone())
    }

    /// Serves one connection to its end, on the runtime that this is called on.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let shared = self.shared.clone();
        let Some(seat) = shared.seats.take(shared.config.connections) else {
            // Who does not hear it sees the connection end.
            stream.write_all(REFUSAL).await.ok();
            return;
        };
        Connection::new(stream, shared, None, seat).serve().await;
    }

    /// Closes all channels; connections end with their present request.
    pub fn stop(&self) {
        self.shared.hub.stop();
        self.shared.seats.stop();
    }
}
