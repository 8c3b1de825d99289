//! Connections to one server: new ones, and those that an exchange left behind.

use std::{io, pin::Pin, task::Context, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{
    exchange::Exchange,
    options::{ConnectError, Transport},
    outgoing::Outgoing,
    stream::Stream,
    target::Target,
};
use crate::wire::Bounds;

/// Connections that are kept for further exchanges.
const KEPT: usize = 4;
/// For so long; servers keep them for a minute and more.
const KEPT_FOR: Duration = Duration::from_secs(50);
/// A peer that is gone without a word is noticed after about half a minute.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
#[cfg(any(target_os = "linux", target_os = "macos"))]
const PROBES: u32 = 3;

/// A connection that is being made.
pub(super) type Connecting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// Connections to one server.
#[derive(Debug)]
pub(super) struct Connector {
    target: Target,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    kept: Vec<(Stream, Duration)>,
}

#[cfg(feature = "tls")]
#[derive(Clone)]
struct Tls {
    connector: tokio_rustls::TlsConnector,
    name: rustls::pki_types::ServerName<'static>,
}

#[cfg(feature = "tls")]
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

impl Connector {
    #[cfg(feature = "tls")]
    pub(super) fn new(target: Target, transport: &Transport) -> Result<Self, ConnectError> {
        let tls = if target.is_tls {
            let name = rustls::pki_types::ServerName::try_from(target.host.clone())
                .map_err(|_| super::TargetError::Host(target.host.clone()))?;
            let connector = super::tls::connector(&transport.verify)?;
            Some(Tls { connector, name })
        } else {
            None
        };
        Ok(Self {
            target,
            tls,
            kept: Vec::new(),
        })
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn new(target: Target, _: &Transport) -> Result<Self, ConnectError> {
        if target.is_tls {
            return Err(ConnectError::NoTls(target.authority));
        }
        Ok(Self {
            target,
            kept: Vec::new(),
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// An exchange on a kept connection, or else on a new one.
    pub(super) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: Outgoing,
        bounds: Bounds,
        now: Duration,
    ) -> Exchange {
        match self.kept(cx, now) {
            Some(stream) => Exchange::reusing(stream, outgoing, bounds),
            None => Exchange::connecting(self.connect(), outgoing, bounds),
        }
    }

    /// A connection that was kept and still seems alive.
    fn kept(&mut self, cx: &mut Context<'_>, now: Duration) -> Option<Stream> {
        while let Some((mut stream, since)) = self.kept.pop() {
            if now.saturating_sub(since) < KEPT_FOR && stream.is_quiet(cx) {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn keep(&mut self, stream: Stream, now: Duration) {
        self.kept
            .retain(|(_, since)| now.saturating_sub(*since) < KEPT_FOR);
        if self.kept.len() < KEPT {
            self.kept.push((stream, now));
        }
    }

    /// A new connection.
    fn connect(&self) -> Connecting {
        let (host, port) = (self.target.host.clone(), self.target.port);
        #[cfg(feature = "tls")]
        let tls = self.tls.clone();
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            probe(&stream)?;
            #[cfg(feature = "tls")]
            if let Some(Tls { connector, name }) = tls {
                let stream = connector.connect(name, stream).await?;
                return Ok(Stream::Tls(Box::new(stream)));
            }
            Ok(Stream::Plain(stream))
        })
    }
}

fn probe(stream: &TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_INTERVAL);
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let probes = probes.with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}
