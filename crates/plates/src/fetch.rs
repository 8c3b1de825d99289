//! Files of HTTP servers.

use std::{io::Read, sync::Arc, time::Duration};

use rustls::crypto::ring;
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

/// A server that says nothing for this long is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// Words of a server by which a later request asks whether a file changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

impl Version {
    /// Whether there is anything to ask by.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }
}

/// What a server answers.
pub enum Answer {
    /// The file is the one of the version that was named.
    Unchanged,
    /// Here it is.
    Came(Came),
}

/// A file that comes.
pub struct Came {
    /// Its bytes. One that ends early is an error of the last read.
    pub body: Box<dyn Read + Send>,
    /// How many they are, as the server says.
    pub total: Option<u64>,
    /// Which version it is.
    pub version: Version,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A status that is no success.
    #[error("the server answers {0}")]
    Status(u16),
    /// Whatever else: no such host, no connection, no trust.
    #[error("{0}")]
    Other(String),
}

/// Asks for the file at `url`, `https://` or `http://`; with a version that is known, only for another one. A login before
/// the host is sent as such. Certificates are verified against those of the system. `most` bytes of it come at most.
///
/// # Errors
/// There is no such server, it does not answer, or its answer is no file.
pub fn get(url: &str, known: Option<&Version>, most: u64) -> Result<Answer, FetchError> {
    let mut request = agent().get(url);
    if let Some(known) = known {
        let etag = known.etag.iter().map(|it| ("If-None-Match", it));
        let modified = known.modified.iter().map(|it| ("If-Modified-Since", it));
        for (name, value) in etag.chain(modified) {
            request = request.header(name, value);
        }
    }
    let response = request.call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => FetchError::Status(status),
        error => FetchError::Other(error.to_string()),
    })?;
    match response.status().as_u16() {
        304 if known.is_some() => Ok(Answer::Unchanged),
        200 => Ok(Answer::Came(came(response, most))),
        status => Err(FetchError::Status(status)),
    }
}

fn came(response: Response<Body>, most: u64) -> Came {
    let word = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    let version = Version {
        etag: word("etag"),
        modified: word("last-modified"),
    };
    let body = response.into_body();
    Came {
        total: body.content_length(),
        version,
        body: Box::new(body.into_with_config().limit(most).reader()),
    }
}

fn agent() -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<_> = roots
        .iter()
        .map(|it| Certificate::from_der(it).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .new_agent()
}
