//! TLS, and whose certificates are accepted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use framerill_trickle::{
    http::client::{
        ConnectError, Publisher, PublisherOptions, SubscribeError, Subscriber, SubscriberOptions,
        Transport, Verify,
    },
    subscriber::Join,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{
    peer::Peer,
    rig::{Rig, ends_by_close, read, send, seq, within},
};

/// A server with a certificate of its own, and the file of it.
async fn secure() -> (Rig, tempfile::TempDir, PathBuf) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let rig = Rig::with("127.0.0.1:0", |config| {
        config.relay.autocreate = true;
        config.tls = Some(Arc::new(tls));
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, cert.pem()).unwrap();
    (rig, folder, file)
}

fn transport(verify: Verify) -> Transport {
    Transport {
        verify,
        ..Transport::default()
    }
}

fn reader(url: &str, verify: Verify) -> Result<Subscriber, ConnectError> {
    let mut options = SubscriberOptions {
        transport: transport(verify),
        ..SubscriberOptions::default()
    };
    options.config.join = Join::At(seq(0));
    options.config.give_up = Duration::from_millis(300);
    options.config.connect_time = Duration::from_secs(5);
    Subscriber::connect(url, options)
}

#[tokio::test]
async fn segments_go_over_tls_when_the_certificate_is_accepted() {
    let (rig, _folder, file) = secure().await;
    for (host, verify) in [
        ("localhost", Verify::Ca(file.clone())),
        ("127.0.0.1", Verify::Ca(file)),
        ("localhost", Verify::Off),
    ] {
        let url = format!("https://{host}:{}/c", rig.addr.port());
        rig.create("c");
        let options = PublisherOptions {
            transport: transport(verify.clone()),
            ..PublisherOptions::default()
        };
        let mut reader = reader(&url, verify).unwrap();
        let mut writer = Publisher::connect(&url, options).unwrap();
        for number in 0..20u8 {
            let body = vec![number; 300_000];
            send(&mut writer, body.clone()).await;
            assert!(read(&mut reader).await.bytes == body);
        }
        within("the close", writer.close()).await.unwrap();
        ends_by_close(&mut reader).await;
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_not_accepted() {
    let (rig, _folder, _) = secure().await;
    let (_other, _other_folder, other_file) = secure().await;
    let url = format!("https://localhost:{}/c", rig.addr.port());
    for verify in [Verify::Ca(other_file), Verify::Roots] {
        let mut reader = match reader(&url, verify) {
            Ok(reader) => reader,
            Err(ConnectError::Roots) => continue,
            Err(error) => panic!("{error}"),
        };
        let end = async {
            loop {
                if let Err(error) = reader.next().await {
                    return error;
                }
            }
        };
        let end = within("the end", end).await;
        assert!(matches!(end, SubscribeError::Unreachable(_)), "{end:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for_for_ever() {
    let peer = Peer::new().await;
    let url = format!("https://{}/c", peer.addr);
    let mut options = SubscriberOptions {
        transport: transport(Verify::Off),
        ..SubscriberOptions::default()
    };
    options.config.connect_time = Duration::from_millis(100);
    options.config.give_up = Duration::from_millis(300);
    let mut reader = Subscriber::connect(&url, options).unwrap();
    let end = async {
        loop {
            if let Err(error) = reader.next().await {
                return error;
            }
        }
    };
    let end = within("the end", end).await;
    assert!(matches!(end, SubscribeError::Unreachable(_)), "{end:?}");
}

#[tokio::test]
async fn files_that_hold_no_certificates_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [missing, empty] {
        let error = reader("https://h/c", Verify::Ca(file.clone())).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()));
    }
}
