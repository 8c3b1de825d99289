//! A connection that comes back by itself, and calls that are tried until a deadline.

use std::{future::Future, time::Duration};

use async_nats::{
    ConnectErrorKind, ConnectOptions,
    jetstream::{self, Context},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    address::{self, Login},
    fault::{Fault, QueueError, away},
    queue::Options,
};
use crate::store::backoff;

/// One try of one call.
const TRY: Duration = Duration::from_secs(10);
/// Of a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection to a server.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) context: Context,
    address: String,
    patience: Duration,
}

impl Link {
    /// Connects, within the time that a start may take.
    pub(super) async fn open(options: &Options) -> Result<Self, QueueError> {
        let address = address::parsed(&options.url)
            .ok_or_else(|| QueueError::Address(address::shown(&options.url)))?;
        let wait = |attempt: usize| {
            let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
            backoff::wait(attempt, backoff::random())
        };
        let mut connect = ConnectOptions::new()
            .name("framerill plates")
            .connection_timeout(CONNECT)
            .max_reconnects(None)
            .reconnect_delay_callback(wait);
        connect = match &address.login {
            None => connect,
            Some(Login::Token(token)) => connect.token(token.clone()),
            Some(Login::User(user, password)) => {
                connect.user_and_password(user.clone(), password.clone())
            }
        };
        if let Some(file) = &options.credentials {
            let read = connect.credentials_file(file).await;
            connect =
                read.map_err(|error| QueueError::File(format!("{}: {error}", file.display())))?;
        }
        if let Some(file) = &options.authority {
            // The client says of a missing one neither its name nor what it is for.
            std::fs::File::open(file)
                .map_err(|error| QueueError::File(format!("{}: {error}", file.display())))?;
            connect = connect
                .add_root_certificates(file.clone())
                .require_tls(true);
        }
        let mut it = Self {
            context: Self::connected(connect.clone(), &address.url, options.start).await?,
            address: address.url,
            patience: options.patience,
        };
        it.context.set_timeout(TRY);
        Ok(it)
    }

    async fn connected(
        options: ConnectOptions,
        url: &str,
        start: Duration,
    ) -> Result<Context, QueueError> {
        let connect = || async {
            let client = options.clone().connect(url).await;
            client
                .map(jetstream::new)
                .map_err(|error| match error.kind() {
                    ConnectErrorKind::Authentication
                    | ConnectErrorKind::AuthorizationViolation
                    | ConnectErrorKind::ServerParse
                    | ConnectErrorKind::Tls => Fault::Broken(error.to_string()),
                    _ => away(error),
                })
        };
        tried(url, "connect", start, connect).await
    }

    /// Of the server, without a login.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Tries until it does, or until the patience is over.
    pub(super) async fn patient<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        what: &'static str,
        call: impl FnMut() -> F,
    ) -> Result<T, QueueError> {
        tried(&self.address, what, self.patience, call).await
    }

    /// Tries once.
    pub(super) async fn once<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        what: &'static str,
        call: impl FnMut() -> F,
    ) -> Result<T, QueueError> {
        tried(&self.address, what, Duration::ZERO, call).await
    }
}

async fn tried<T, F: Future<Output = Result<T, Fault>>>(
    address: &str,
    what: &'static str,
    patience: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, QueueError> {
    let over = Instant::now() + patience;
    let mut attempt = 0;
    loop {
        let reason = match timeout(TRY, call()).await {
            Ok(Ok(it)) => return Ok(it),
            Ok(Err(Fault::Broken(reason))) => {
                let address = address.to_owned();
                return Err(QueueError::Broken {
                    address,
                    what,
                    reason,
                });
            }
            Ok(Err(Fault::Away(reason))) => reason,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() >= over {
            let address = address.to_owned();
            return Err(QueueError::Away {
                address,
                what,
                reason,
            });
        }
        sleep(backoff::wait(attempt, backoff::random())).await;
        attempt = attempt.saturating_add(1);
    }
}
