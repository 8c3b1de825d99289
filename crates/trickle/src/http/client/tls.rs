//! Whose certificates are accepted.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use super::options::{ConnectError, Verify};

/// What shakes hands with a server.
pub(super) fn connector(verify: &Verify) -> Result<TlsConnector, ConnectError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring has all versions that are safe");
    let builder = match verify {
        Verify::Roots => builder.with_root_certificates(system()?),
        Verify::Ca(file) => builder.with_root_certificates(in_file(file)?),
        Verify::Off => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody { provider })),
    };
    Ok(TlsConnector::from(Arc::new(builder.with_no_client_auth())))
}

fn system() -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let (taken, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if taken > 0 {
        Ok(roots)
    } else {
        Err(ConnectError::Roots)
    }
}

fn in_file(file: &Path) -> Result<RootCertStore, ConnectError> {
    let failed = |source: Option<Box<dyn std::error::Error + Send + Sync>>| ConnectError::Ca {
        file: file.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(Some(error.into())))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(Some(error.into())))?;
        roots
            .add(certificate)
            .map_err(|error| failed(Some(error.into())))?;
    }
    if roots.is_empty() {
        Err(failed(None))
    } else {
        Ok(roots)
    }
}

/// Accepts every certificate. That the server has its key is still checked.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
