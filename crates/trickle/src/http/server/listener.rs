//! The server: takes connections, keeps house, and stops.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Config;
use super::alarm::Alarm;
use super::connection::Connection;
use super::seats::Seat;
use super::shared::Shared;
use crate::clock::now;
use crate::relay::{Hub, Stats};

/// How long no connection is taken after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// After so long without a sign of life a peer is asked whether it is still there.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;
/// Connections that wait to be taken, as far as the system allows. Beyond that they are lost, and tried again a second
/// later by whoever makes them: a crowd that comes at once would keep others out.
const BACKLOG: i32 = 4096;
/// The answer to a connection for which there is no place.
pub(super) const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A trickle server on one address.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// Watches a server. It may outlive it.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
}

/// Counters of a server, as they were at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections now.
    pub connections: u64,
    /// Connections that were refused because there were too many with requests.
    pub refused: u64,
    /// Connections without a request that were closed for others.
    pub displaced: u64,
    /// Channels and their segments.
    pub relay: Stats,
}

impl Observer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What was counted so far.
    pub fn stats(&self) -> ServerStats {
        let (connections, refused, displaced) = self.shared.seats.counts();
        ServerStats {
            connections,
            refused,
            displaced,
            relay: self.shared.hub.stats(),
        }
    }
}

impl Server {
    /// Takes the address. Connections are served from [`Server::run`] on.
    pub async fn bind(addr: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        // Listening again only makes the queue longer. One that stays short is no reason not to serve.
        socket2::SockRef::from(&listener).listen(BACKLOG).ok();
        Ok(Self {
            listener,
            shared: Shared::new(config),
        })
    }

    /// The address that was taken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The channels, for publishers and readers in this process, and for their numbers.
    pub fn hub(&self) -> Hub {
        self.shared.hub.clone()
    }

    /// For who watches the server while it runs.
    pub fn observer(&self) -> Observer {
        Observer::new(self.shared.clone())
    }

    /// Serves for ever.
    pub async fn run(self) {
        self.run_until(pending()).await;
    }

    /// Serves until `stop` is there. Then all channels are closed, whoever waits is told so, and what is on its way has
    /// [`Config::stop_timeout`] to end.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let Self { listener, shared } = self;
        let mut connections = JoinSet::new();
        let mut house = JoinSet::new();
        house.spawn(keep_house(shared.clone()));
        tokio::select! {
            () = accept(&listener, &shared, &mut connections) => {}
            () = stop => {}
        }
        drop(listener);
        shared.hub.stop();
        shared.seats.stop();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(shared.config.stop_timeout, all_ended)
            .await
            .is_err()
        {
            connections.shutdown().await;
        }
        house.shutdown().await;
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(seat) = shared.seats.take(shared.config.connections) {
                        connections.spawn(welcome(stream, peer, shared.clone(), seat));
                    } else {
                        refuse(&stream);
                    }
                }
                // Most likely there are no descriptors left. One that is idle is given up for the next.
                Err(_) => {
                    shared.seats.ask_one();
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Says no without waiting. Who does not hear it sees the connection end.
fn refuse(stream: &TcpStream) {
    stream.try_write(REFUSAL).ok();
}

async fn welcome(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, seat: Seat) {
    let probe = socket2::TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_INTERVAL)
        .with_retries(PROBES);
    // A socket that refuses an option still carries bytes.
    stream.set_nodelay(true).ok();
    socket2::SockRef::from(&stream)
        .set_tcp_keepalive(&probe)
        .ok();
    #[cfg(feature = "tls")]
    if let Some(config) = shared.config.tls.clone() {
        // In a box, because a connection without TLS is not to take its room.
        return Box::pin(super::secure::welcome(stream, config, peer, shared, seat)).await;
    }
    Connection::new(stream, shared, Some(peer), seat)
        .serve()
        .await;
}

/// Closes what is idle for too long, and what broke off too long ago.
async fn keep_house(shared: Arc<Shared>) {
    let mut alarm = Alarm::default();
    let interval = shared.config.relay.sweep_interval;
    let mut sweep_at = now() + interval;
    loop {
        poll_fn(|cx| {
            let due = shared
                .hub
                .due(cx.waker())
                .map_or(sweep_at, |due| due.min(sweep_at));
            alarm.poll(cx, due)
        })
        .await;
        let now = now();
        shared.hub.tick(now);
        if now >= sweep_at {
            shared.hub.sweep(now);
            sweep_at = now + interval;
        }
    }
}
