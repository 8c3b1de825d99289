//! Driver of connections with TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::Connection;
use super::seats::Seat;
use super::shared::Shared;

/// Shakes hands when the peer begins, and serves.
pub(super) async fn welcome(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut seat: Seat,
) {
    if !seat.idle() {
        return;
    }
    let began = tokio::select! {
        ready = stream.readable() => ready.is_ok(),
        () = seat.asked_to_leave() => false,
    };
    if !seat.busy() || !began {
        return;
    }
    // In a box that is made now: many peers connect long before they say something.
    Box::pin(shake_and_serve(stream, config, peer, shared, seat)).await;
}

async fn shake_and_serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    seat: Seat,
) {
    let handshake = TlsAcceptor::from(config).accept(stream);
    if let Ok(Ok(stream)) = timeout(shared.config.head_timeout, handshake).await {
        Connection::new(stream, shared, Some(peer), seat)
            .serve()
            .await;
    }
}
