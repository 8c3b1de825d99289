//! `framerill trickle serve`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use framerill_trickle::http::server::{Config, Server};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;

use super::metrics;
use crate::{exit::Exit, failure::Failure, runtime, signals::Stop, terminal};

/// A server that is asked for.
pub(crate) struct Serve {
    pub(crate) addr: SocketAddr,
    pub(crate) config: Config,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) json: bool,
}

/// Files of a certificate, PEM.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

fn cannot_listen(addr: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::cannot_start("listen", format!("cannot listen on {addr}: {error}"))
        .hint("name another address with --addr or --metrics-addr; port 0 is any free one")
}

impl Certificate {
    fn config(&self) -> Result<rustls::ServerConfig, Failure> {
        let wrong = |file: &Path, error: String| {
            let text = format!("cannot use `{}` for TLS: {error}", file.display());
            Failure::usage("tls", text).hint("give a PEM certificate chain and its private key")
        };
        let chain = CertificateDer::pem_file_iter(&self.chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(&self.chain, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| wrong(&self.key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| wrong(&self.chain, error.to_string()))
    }
}

/// Descriptors that are no connection's: listeners, standard streams, the runtime's.
const OWN_DESCRIPTORS: usize = 32;

/// How many descriptors this process may have, after it asked for as many as it can get.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    let current = match setrlimit(Resource::Nofile, most) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    current.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
}

/// Serves until a signal, then closes every channel and tells whoever waits.
pub(crate) fn serve(asked: Serve) -> Result<Exit, Failure> {
    let Serve {
        addr,
        mut config,
        certificate,
        metrics,
        json,
    } = asked;
    let scheme = if certificate.is_some() {
        "https"
    } else {
        "http"
    };
    let tls = certificate.map(|it| it.config()).transpose()?;
    config.tls = tls.map(Arc::new);
    let room = descriptors().saturating_sub(OWN_DESCRIPTORS);
    if config.connections > room {
        config.connections = room;
        terminal::tell(format_args!(
            "framerill: {room} connections at most: the system lets this process open no more (ulimit -n)"
        ));
    }
    let base = config.base_path.trim_matches('/').to_owned();
    runtime::of_one_thread()?.block_on(async {
        let mut stop = Stop::listen()?;
        let server = Server::bind(addr, config)
            .await
            .map_err(|error| cannot_listen(addr, &error))?;
        let observer = server.observer();
        let taken = server.local_addr();
        let taken = taken.map_err(|error| cannot_listen(addr, &error))?;
        let metrics = match metrics {
            Some(addr) => Some(metrics::listen(addr, observer.clone()).await),
            None => None,
        };
        let metrics = metrics
            .transpose()
            .map_err(|(addr, error)| cannot_listen(addr, &error))?;
        let slash = if base.is_empty() { "" } else { "/" };
        let url = format!("{scheme}://{taken}/{base}{slash}");
        let metrics_url = metrics.map(|addr| format!("http://{addr}/metrics"));
        if json {
            terminal::answer(json!({"event": "listening", "url": url, "metrics": metrics_url}));
        } else {
            if let Some(url) = &metrics_url {
                terminal::answer(format_args!("metrics at {url}"));
            }
            terminal::answer(format_args!("serving channels at {url}"));
        }
        let (ended, mut end) = tokio::sync::oneshot::channel();
        let serving = server.run_until(async move {
            let exit = stop.next().await;
            // The receiver lives below.
            ended.send((exit, stop)).ok();
        });
        tokio::pin!(serving);
        let exit = tokio::select! {
            biased;
            stopping = &mut end => match stopping {
                Ok((exit, mut stop)) => {
                    terminal::tell("stopping: whoever waits is told; once more to stop at once");
                    tokio::select! { () = &mut serving => exit, exit = stop.next() => exit }
                }
                Err(_) => Exit::Done,
            },
            // It was asked to, and had nothing to end.
            () = &mut serving => end.try_recv().map_or(Exit::Done, |(exit, _)| exit),
        };
        if json {
            terminal::answer(
                json!({"event": "stopped", "stats": metrics::values(&observer.stats())}),
            );
        }
        Ok(exit)
    })
}
