//! The request path: heads and bodies in any cuts, then whole connections to a server without sockets.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use framerill_trickle::http::server::{Config, Unbound};
use framerill_trickle::local::{Publisher, Subscriber};
use framerill_trickle::relay::{Caller, Policy, Refusal};
use framerill_trickle::wire::{
    Body, BodyError, Bounds, Decoded, Framing, HeadError, RequestHead, ResponseHead,
};
use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;

/// Bytes from peers. They are sent as they stand, on the first connection, but for `FF` and the byte behind it:
///
/// ```text
/// FF 00 … FF 03   on this connection from here on      FF 08   time passes: 100 ms
/// FF 04           a cut: what came so far is handled   FF 09   time passes: 11 s
/// FF 05           this connection's input ends         FF 0A   this peer takes no answers any more
/// FF 06           this peer goes                       FF FF   the byte FF
/// FF 07           time passes: 1 ms                    others  a cut
/// ```
pub fn request(input: &[u8]) {
    heads(input);
    bodies(input);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets")
        .block_on(connections(input));
}

const HEAD: Bounds = Bounds {
    bytes: 1024,
    fields: 12,
};

/// Where the input is cut: everywhere if it is short, here and there if it is long.
fn cuts(input: &[u8]) -> impl Iterator<Item = usize> {
    (0..=input.len()).step_by(1 + input.len() / 64)
}

/// A head that was read, or refused, is the same with more bytes behind it.
fn heads(input: &[u8]) {
    type Parsed<T> = Result<Option<(T, usize)>, HeadError>;
    fn size<T>(parsed: &Parsed<T>) -> Option<usize> {
        parsed.as_ref().ok().and_then(Option::as_ref).map(|it| it.1)
    }
    fn judge<T>(input: &[u8], parse: impl Fn(&[u8]) -> Parsed<T>) {
        let whole = parse(input);
        let used = size(&whole);
        assert!(used.is_none_or(|used| used <= input.len().min(HEAD.bytes)));
        for cut in cuts(input) {
            let part = parse(&input[..cut]);
            match &part {
                Ok(None) => assert!(cut < HEAD.bytes, "no head ends the wait"),
                Ok(Some(_)) => assert_eq!(used, size(&part)),
                Err(_) => assert!(whole.is_err(), "more bytes heal a refused head"),
            }
        }
    }
    judge(input, |bytes| RequestHead::parse(bytes, HEAD));
    judge(input, |bytes| ResponseHead::parse(bytes, HEAD));
    if let Ok(Some((head, _))) = RequestHead::parse(input, HEAD) {
        let is_chunked = head.headers.get("transfer-encoding").is_some();
        assert_eq!(head.framing == Framing::Chunked, is_chunked);
        for length in head.headers.all("content-length") {
            let text = String::from_utf8_lossy(length);
            let length = text.trim().parse().map(Framing::Length);
            assert_eq!(length, Ok(head.framing), "read in two ways");
        }
        assert_ne!(head.framing, Framing::UntilClose);
    }
}

/// A body is the same in whatever cuts it comes, and never more than its input.
fn bodies(input: &[u8]) {
    type Read = (Vec<u8>, usize, Result<(), BodyError>);
    fn read(framing: Framing, input: &[u8], piece: usize) -> Read {
        let mut body = Body::new(framing);
        let mut data = Vec::new();
        let mut used = 0;
        for part in input.chunks(piece.max(1)) {
            let mut rest = part;
            let step = loop {
                match body.decode(&mut rest) {
                    Ok(Decoded::Data(bytes)) => {
                        assert!(!bytes.is_empty());
                        data.extend_from_slice(bytes);
                    }
                    Ok(Decoded::More) => break None,
                    Ok(Decoded::End) => break Some(Ok(())),
                    Err(error) => break Some(Err(error)),
                }
            };
            used += part.len() - rest.len();
            if let Some(end) = step {
                assert_eq!(end.is_ok(), body.is_ended());
                return (data, used, end);
            }
            assert!(rest.is_empty());
        }
        let end = body.end_of_input();
        (data, used, end)
    }
    let start = input
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let input = &input[start..];
    let length = 1 + input.len() as u64 / 2;
    for framing in [
        Framing::Chunked,
        Framing::Length(length),
        Framing::UntilClose,
    ] {
        let whole = read(framing, input, input.len());
        assert!(whole.0.len() <= whole.1 && whole.1 <= input.len());
        for piece in [1, 2, 7, 64] {
            assert_eq!(read(framing, input, piece), whole);
        }
    }
}

/// Peers at the same time.
const PEERS: usize = 4;
/// A channel that no peer may touch.
const QUIET: &str = "_quiet";
/// Bytes that a connection holds on their way.
const IN_FLIGHT: usize = 700;
/// By then a connection whose end was announced has ended, whatever its peer does.
const LINGER: Duration = Duration::from_secs(3);
/// By then, in seconds, everything has ended that can.
const END: u32 = 120;

struct Closed;

impl Policy for Closed {
    fn create(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        self.write(caller)
    }

    fn delete(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        self.write(caller)
    }

    fn write(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        match caller.channel {
            QUIET => Err(Refusal::Status(403)),
            "broken" => Err(Refusal::Failed),
            _ => Ok(()),
        }
    }
}

/// Small bounds, so that short inputs come to them.
fn config() -> Config {
    let mut config = Config {
        head: HEAD,
        policy: Arc::new(Closed),
        write_timeout: Duration::from_secs(20),
        connections: PEERS - 1,
        ..Config::default()
    };
    config.relay.autocreate = true;
    config.relay.changefeed = true;
    config.relay.idle_timeout = Duration::from_secs(30);
    let limits = &mut config.relay.limits;
    limits.channels = 6;
    limits.name_bytes = 24;
    limits.readers = 3;
    limits.writers = 3;
    limits.segment_bytes = 600;
    limits.held_bytes = 2000;
    config
}

struct World {
    server: Unbound,
    peers: [Option<Peer>; PEERS],
    gone: Vec<Peer>,
}

/// One connection from its peer's side.
struct Peer {
    io: Option<DuplexStream>,
    server: JoinHandle<()>,
    takes: bool,
    sent: Vec<u8>,
    answers: Vec<u8>,
}

async fn connections(input: &[u8]) {
    let mut world = World {
        server: Unbound::new(config()),
        peers: [const { None }; PEERS],
        gone: Vec::new(),
    };
    let hub = world.server.hub();
    let mut publisher = Publisher::new(hub.clone(), QUIET, None);
    publisher.create().expect("it is the first one");
    let mut segment = publisher.segment().expect("nobody else writes");
    let mut subscriber = Subscriber::new(hub.clone(), QUIET);
    segment
        .write(Bytes::from_static(b"before "))
        .expect("there is room");
    subscriber.seek(framerill_trickle::wire::Wanted::Newest);
    let mut reader = subscriber.read().await.expect("it has begun");

    let mut at = 0;
    let mut bytes = Vec::new();
    let mut input = input.iter().copied();
    while let Some(byte) = input.next() {
        if byte != 0xff {
            bytes.push(byte);
            continue;
        }
        let code = input.next().unwrap_or(4);
        if code == 0xff {
            bytes.push(byte);
            continue;
        }
        world.send(at, &std::mem::take(&mut bytes)).await;
        match code {
            0..=3 => at = usize::from(code) % PEERS,
            5 => world.end_input(at),
            6 => world.leave(at),
            7 => world.pass(Duration::from_millis(1)).await,
            8 => world.pass(Duration::from_millis(100)).await,
            9 => world.pass(Duration::from_secs(11)).await,
            10 => world.stop_taking(at),
            _ => {}
        }
    }
    world.send(at, &bytes).await;

    // The bystander is as it was.
    let room = hub.stats().held_bytes + 5 <= hub.config().limits.held_bytes;
    let expected: &[u8] = if room { b"before after" } else { b"before " };
    let wrote = segment.write(Bytes::from_static(b"after"));
    assert_eq!(wrote.is_ok(), room, "{wrote:?}");
    segment.finish();
    assert_eq!(reader.to_end().await, expected);
    drop((reader, publisher));
    world.finish().await;
}

impl World {
    async fn send(&mut self, at: usize, mut bytes: &[u8]) {
        let peer = self.peers[at].get_or_insert_with(|| {
            let (io, other) = tokio::io::duplex(IN_FLIGHT);
            let server = self.server.clone();
            Peer {
                io: Some(io),
                server: tokio::spawn(async move { server.serve(other).await }),
                takes: true,
                sent: Vec::new(),
                answers: Vec::new(),
            }
        });
        peer.sent.extend_from_slice(bytes);
        // A server that takes no more has a reason; then the rest is lost on the way.
        for _ in 0..8 {
            if let Some(peer) = &mut self.peers[at] {
                bytes = peer.push(bytes);
            }
            self.settle().await;
            if bytes.is_empty() {
                break;
            }
        }
    }

    fn end_input(&mut self, at: usize) {
        if let Some(peer) = &mut self.peers[at] {
            peer.end_input();
        }
    }

    fn leave(&mut self, at: usize) {
        if let Some(mut peer) = self.peers[at].take() {
            peer.io = None;
            self.gone.push(peer);
        }
    }

    fn stop_taking(&mut self, at: usize) {
        if let Some(peer) = &mut self.peers[at] {
            peer.takes = false;
        }
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        let now = tokio::time::Instant::now().into_std();
        self.server.hub().tick(now);
        self.server.hub().sweep(now);
        self.settle().await;
    }

    /// Until nobody has anything to do now. The clock is paused: it goes on when all others wait.
    async fn settle(&mut self) {
        loop {
            tokio::time::sleep(Duration::from_micros(1)).await;
            let mut took = 0;
            for peer in self.peers.iter_mut().flatten() {
                took += peer.pull();
            }
            self.check();
            if took == 0 {
                return;
            }
        }
    }

    /// Whether this peer takes answers and has one that ends the connection.
    fn is_told_the_end(&self, at: usize) -> bool {
        let peer = self.peers[at].as_ref().filter(|peer| peer.takes);
        peer.is_some_and(|peer| judge(&peer.sent, &peer.answers))
    }

    fn check(&self) {
        let hub = self.server.hub();
        let (stats, limits) = (hub.stats(), &hub.config().limits);
        let channels = limits.channels as u64;
        assert!(stats.channels <= channels);
        assert!(stats.held_bytes <= limits.held_bytes);
        assert!(
            stats.readers <= PEERS as u64 + 1,
            "more readers than connections"
        );
        assert!(
            stats.writers <= PEERS as u64 + 2,
            "more writers than connections"
        );
        assert!(hub.names().len() as u64 == stats.channels);
        let served = self.server.observer().stats();
        assert!(served.connections <= PEERS as u64);
    }

    /// All peers end their input: everything ends, and nothing is held any more.
    async fn finish(mut self) {
        let is_over = |peer: &Peer| peer.server.is_finished();
        let ends: Vec<usize> = (0..PEERS).filter(|at| self.is_told_the_end(*at)).collect();
        self.pass(LINGER).await;
        for at in ends {
            let ended = self.peers[at].as_ref().is_none_or(is_over);
            assert!(ended, "the end is announced and does not come");
        }
        for at in 0..PEERS {
            self.end_input(at);
        }
        for _ in 0..END {
            self.pass(Duration::from_secs(1)).await;
            if self.peers.iter().flatten().chain(&self.gone).all(is_over) {
                break;
            }
        }
        for peer in self.peers.iter_mut().filter_map(Option::take) {
            self.gone.push(peer);
        }
        for mut peer in std::mem::take(&mut self.gone) {
            peer.takes = true;
            peer.pull();
            assert!(is_over(&peer), "a connection never ends");
            (&mut peer.server).await.expect("the server does not panic");
            judge(&peer.sent, &peer.answers);
        }
        let stats = self.server.hub().stats();
        assert_eq!((stats.readers, stats.writers), (0, 0));
        assert_eq!(self.server.observer().stats().connections, 0);
        self.server.stop();
        let stats = self.server.hub().stats();
        assert_eq!((stats.channels, stats.held_bytes), (0, 0));
    }
}

impl Peer {
    fn push<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        let mut cx = Context::from_waker(Waker::noop());
        let Some(io) = &mut self.io else {
            return b"";
        };
        while !bytes.is_empty() {
            match Pin::new(&mut *io).poll_write(&mut cx, bytes) {
                Poll::Ready(Ok(count)) => bytes = &bytes[count..],
                Poll::Ready(Err(_)) => return b"",
                Poll::Pending => break,
            }
        }
        bytes
    }

    /// Takes what came. Returns how many bytes that were.
    fn pull(&mut self) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut took = 0;
        let mut buffer = [0; IN_FLIGHT];
        while let Some(io) = self.io.as_mut().filter(|_| self.takes) {
            let mut buffer = ReadBuf::new(&mut buffer);
            match Pin::new(io).poll_read(&mut cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    took += buffer.filled().len();
                    self.answers.extend_from_slice(buffer.filled());
                }
                _ => break,
            }
        }
        took
    }

    fn end_input(&mut self) {
        if let Some(io) = &mut self.io {
            let ended = Pin::new(io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(ended, Poll::Ready(Ok(()))));
        }
    }
}

const STATUSES: [u16; 15] = [
    100, 200, 400, 403, 404, 405, 408, 413, 414, 431, 470, 500, 501, 503, 505,
];

/// What a peer got is a row of answers, each of them whole but for the last one, and nothing behind the one that ends
/// the connection. Whether there was such a one.
fn judge(sent: &[u8], mut answers: &[u8]) -> bool {
    // The answer to a HEAD has no body, whatever stands in it.
    let may_lack_bodies = sent.windows(4).any(|four| four == b"HEAD");
    let mut closed = false;
    while !answers.is_empty() {
        assert!(!closed, "an answer behind the last one");
        let head = match ResponseHead::parse(answers, Bounds::default()) {
            Ok(Some((head, size))) => {
                answers = &answers[size..];
                head
            }
            Ok(None) => return false,
            Err(error) => panic!("{error} in {:?}", answers.escape_ascii().to_string()),
        };
        assert!(STATUSES.contains(&head.status), "{}", head.status);
        closed = head.headers.has_token("connection", "close");
        let mut body = Body::new(head.framing);
        loop {
            match body.decode(&mut answers) {
                _ if may_lack_bodies => return false,
                Ok(Decoded::Data(_)) => {}
                Ok(Decoded::End) => break,
                Ok(Decoded::More) => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }
    closed
}
