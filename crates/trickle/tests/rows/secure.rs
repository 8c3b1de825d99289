//! The same over TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::wire::{PATIENCE, Rig, chunked, eventually, get, post};

type Secure = StreamOwned<ClientConnection, TcpStream>;

fn rig() -> (Rig, Arc<ClientConfig>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(own.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let rig = Rig::with(|config| {
        config.relay.autocreate = true;
        config.tls = Some(Arc::new(server));
    });
    (rig, Arc::new(client))
}

fn secure(stream: TcpStream, client: &Arc<ClientConfig>) -> Secure {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(client.clone(), name).unwrap(), stream)
}

/// Reads until the text ends so.
fn read_to(secure: &mut Secure, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        secure.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn bytes_go_through_tls_as_they_come() {
    let (rig, client) = rig();
    let connect = || secure(TcpStream::connect(rig.addr).unwrap(), &client);
    let (mut publisher, mut reader) = (connect(), connect());
    publisher
        .write_all(post("/c/0", "zero").as_bytes())
        .unwrap();
    assert!(
        read_to(&mut publisher, "\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\nLp-Trickle-Seq: 0\r\n")
    );
    reader.write_all(get("/c/1").as_bytes()).unwrap();
    eventually("a waiting reader", || rig.stats().readers == 1);
    publisher
        .write_all((chunked("/c/1", "") + "3\r\none\r\n").as_bytes())
        .unwrap();
    assert!(read_to(&mut reader, "3\r\none\r\n").contains("Lp-Trickle-Seq: 1\r\n"));
    publisher.write_all(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
    assert_eq!(read_to(&mut reader, "0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
    read_to(&mut publisher, "\r\n\r\n");
}

#[test]
fn a_large_segment_goes_through_tls_whole() {
    let (rig, client) = rig();
    let mut connection = secure(TcpStream::connect(rig.addr).unwrap(), &client);
    let body = "0123456789abcdef".repeat(1 << 18);
    connection
        .write_all(post("/c/0", &body).as_bytes())
        .unwrap();
    read_to(&mut connection, "\r\n\r\n");
    let old = "GET /c/0 HTTP/1.0\r\n\r\n";
    connection.write_all(old.as_bytes()).unwrap();
    read_to(&mut connection, "\r\n\r\n");
    let mut got = String::new();
    connection.read_to_string(&mut got).unwrap();
    assert!(got == body);
}

#[test]
fn a_connection_may_be_silent_before_its_handshake() {
    let (rig, client) = rig();
    let silent = TcpStream::connect(rig.addr).unwrap();
    let mut other = secure(TcpStream::connect(rig.addr).unwrap(), &client);
    other.write_all(post("/c/0", "x").as_bytes()).unwrap();
    read_to(&mut other, "\r\n\r\n");
    let mut silent = secure(silent, &client);
    silent.write_all(get("/c/next").as_bytes()).unwrap();
    assert!(read_to(&mut silent, "\r\n\r\n1").contains("Lp-Trickle-Latest: 1\r\n"));
}

#[test]
fn a_waiting_reader_who_leaves_without_a_word_is_let_go() {
    let (rig, client) = rig();
    let mut publisher = secure(TcpStream::connect(rig.addr).unwrap(), &client);
    publisher.write_all(post("/c/0", "x").as_bytes()).unwrap();
    read_to(&mut publisher, "\r\n\r\n");
    let mut reader = secure(TcpStream::connect(rig.addr).unwrap(), &client);
    reader.write_all(get("/c/1").as_bytes()).unwrap();
    eventually("a waiting reader", || rig.stats().readers == 1);
    drop(reader);
    eventually("the end of the reader", || rig.stats().readers == 0);
}
