//! What is not TLS, or stops being it, where TLS is expected.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::server::{Process, hold};
use crate::wire::{PATIENCE, eventually, get, post};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Settings of a server, and its certificate.
pub(crate) fn server() -> (Arc<ServerConfig>, Vec<u8>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().to_vec();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone().into()], key)
        .unwrap();
    (Arc::new(server), certificate)
}

fn client(process: &Process) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(process.certificate.clone()))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(client)
}

fn plain(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn begin(client: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(client.clone(), name).unwrap()
}

fn secure(addr: SocketAddr, client: &Arc<ClientConfig>) -> Secure {
    StreamOwned::new(begin(client), plain(addr))
}

/// The first record of a handshake.
fn hello(client: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(client).write_tls(&mut bytes).unwrap();
    bytes
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

/// Publishes and reads segments until `stop`. Returns how many.
fn live(addr: SocketAddr, client: &Arc<ClientConfig>, stop: &AtomicBool) -> usize {
    let (mut publisher, mut reader) = (secure(addr, client), secure(addr, client));
    let mut number = 0;
    while !stop.load(Relaxed) {
        let body = format!("{number}:").repeat(1000);
        let path = format!("/bystander/{number}");
        publisher.write_all(post(&path, &body).as_bytes()).unwrap();
        assert!(read_to(&mut publisher, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
        reader.write_all(get(&path).as_bytes()).unwrap();
        let answer = read_to(&mut reader, "\r\n0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&body));
        number += 1;
        thread::park_timeout(Duration::from_millis(2));
    }
    number
}

/// Bytes without a pattern (SplitMix64).
fn garbage(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let numbers = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^ (z >> 27)
    });
    numbers.flat_map(u64::to_le_bytes).take(count).collect()
}

#[test]
fn tls_garbage_ends_its_connection_and_no_other() {
    let mut process = Process::start("tls=1 head_ms=1500 linger_ms=100");
    let client = client(&process);
    let addr = process.addr;
    let stop = Arc::new(AtomicBool::new(false));
    let bystander = thread::spawn({
        let (client, stop) = (client.clone(), stop.clone());
        move || live(addr, &client, &stop)
    });
    process.eventually("a first segment", |counts| counts.bytes_in > 0);
    // Once for the memory that a server needs only when it is busy.
    attack(&process, &client, 1);
    let before = process.memory();
    attack(&process, &client, 100);
    process.eventually("the end of them", |counts| counts.connections <= 2);
    hold("TLS garbage", process.peak() - before, 4 << 20);

    // Handshakes that stop half way, all at the same time.
    let before = process.memory();
    let hello = hello(&client);
    let mut halves = Vec::new();
    for at in 0..1_000 {
        let mut stream = plain(addr);
        stream
            .write_all(&hello[..hello.len() - 1 - at % 50])
            .unwrap();
        halves.push(stream);
    }
    process.eventually("all of them", |counts| counts.connections >= 1_000);
    for stream in &mut halves {
        // What comes is an alert, or nothing but the end.
        assert!(
            stream
                .read_to_end(&mut Vec::new())
                .is_ok_and(|count| count < 64)
        );
    }
    hold(
        "half handshakes",
        process.peak() - before,
        1_000 * 32 * 1024,
    );
    process.eventually("the end of all", |counts| counts.connections <= 2);

    let mut raw = secure(addr, &client);
    raw.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").unwrap();
    assert!(read_to(&mut raw, "\r\n\r\n").starts_with("HTTP/1.1 400 "));
    stop.store(true, Relaxed);
    let segments = bystander.join().unwrap();
    println!("bystander: {segments} segments");
    assert!(segments > 1);
}

fn attack(process: &Process, client: &Arc<ClientConfig>, rounds: u64) {
    let hello = hello(client);
    let record = |kind: u8, length: u16, bytes: &[u8]| {
        let mut record = vec![kind, 3, 3];
        record.extend_from_slice(&length.to_be_bytes());
        record.extend_from_slice(bytes);
        record
    };
    for round in 0..rounds {
        let noise = garbage(round, 5000);
        let mut torn = hello.clone();
        torn[20..60].copy_from_slice(&noise[..40]);
        let attacks: [Vec<u8>; 11] = [
            noise.clone(),
            get("/bystander/next").into_bytes(),
            record(22, u16::MAX, &noise),
            record(22, 16_384, &noise),
            record(22, 4, &[1, 0xff, 0xff, 0xff]),
            record(22, 0, b"").repeat(500),
            record(21, 2, &[1, 0]).repeat(500),
            record(20, 1, &[1]).repeat(500),
            record(23, 5000, &noise),
            torn,
            [hello.as_slice(), &noise].concat(),
        ];
        for attack in attacks {
            let mut stream = plain(process.addr);
            stream.write_all(&attack).ok();
            stream.shutdown(std::net::Shutdown::Write).ok();
            let mut answer = Vec::new();
            // The connection may end with a reset, because more was sent than was read.
            stream.read_to_end(&mut answer).ok();
            assert!(answer.len() < 8 * 1024, "{} bytes", answer.len());
            assert!(!answer.starts_with(b"HTTP"));
        }
        // Garbage behind a good handshake.
        let mut secure = secure(process.addr, client);
        secure.write_all(b"GET /c").unwrap();
        secure.sock.write_all(&record(23, 5000, &noise)).ok();
        eventually("the end of a connection", || {
            !matches!(secure.sock.read(&mut [0; 4096]), Ok(1..))
        });
    }
}
