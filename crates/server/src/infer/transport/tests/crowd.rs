//! An output whose peer takes nothing keeps what its bound allows, and nobody waits for it.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use framerill_media::Piece;
use framerill_trickle::publisher::Event;
use tokio::task::yield_now;

use super::{
    super::sink::{Sink, SinkTarget},
    *,
};

/// What waits for an output at most (SPECIFICATION.md).
const MOST: usize = 8 << 20;
/// Far more than an output keeps, and than the sockets between two ends hold.
const MUCH: usize = 64 << 20;
/// What one read of media's pipe brings.
const PIECE: usize = 64 << 10;
const SEGMENT: usize = 1 << 20;

/// Bytes that count as held until the last of whoever has them lets go.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn piece(held: &Arc<AtomicUsize>) -> Piece {
        held.fetch_add(PIECE, Ordering::Relaxed);
        Piece::Bytes(Bytes::from_owner(Self(vec![0; PIECE], Arc::clone(held))))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// What comes of `work` without waiting.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

/// An output to a peer that takes connections and reads nothing.
async fn to_nobody() -> (TcpListener, Sink) {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/out", mute.local_addr().unwrap());
    let asked = json!({"subscribe_url": url, "publish_url": url});
    let asked = Asked::from_runner(asked.to_string().as_bytes()).unwrap();
    let output = SinkTarget::of(&asked.sink, &client::Transport::default(), false);
    (mute, Sink::open(output).await.unwrap())
}

/// Puts [`MUCH`] into an output that nobody takes, a segment of so many bytes after the other: the numbers of the segments
/// that are lost, and how many began.
async fn crowded(segment: usize) -> (Vec<u64>, usize) {
    let (_mute, mut sink) = to_nobody().await;
    let (shared, _stop, _inbox) = shared();
    let held = Arc::<AtomicUsize>::default();
    for put in 1..=MUCH / PIECE {
        let mut pieces = vec![Counted::piece(&held)];
        let is_last = (put * PIECE).is_multiple_of(segment);
        pieces.extend(is_last.then_some(Piece::Cut));
        at_once(sink.put(pieces, &shared)).unwrap();
        let held = held.load(Ordering::Relaxed);
        // One that has left in part is there whole.
        assert!(held <= MOST + PIECE, "{held} bytes are kept");
        // Connections are worked on, too.
        yield_now().await;
    }
    let Sink::Trickle { mut publisher, .. } = sink else {
        panic!("a channel");
    };
    let lost: Vec<u64> = publisher
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Lost { seq, .. } => Some(seq.get()),
            _ => None,
        })
        .collect();
    assert_eq!(publisher.counters().segments_lost, lost.len() as u64);
    (lost, MUCH.div_ceil(segment))
}

#[tokio::test]
async fn an_output_that_takes_nothing_keeps_8_mib_and_its_oldest_segments_give_way() {
    let (lost, begun) = crowded(SEGMENT).await;
    // The sockets took the first ones.
    assert!(lost.len() > begun / 2, "{lost:?}");
    let is_next = |two: &[u64]| two[1] == two[0] + 1;
    assert!(lost.windows(2).all(is_next), "{lost:?}");
    // The newest still wait.
    let newest = (begun - 1) as u64;
    assert!(lost.iter().all(|it| *it + 2 < newest), "{lost:?}");

    // Of these, as many would be too much.
    let (lost, begun) = crowded(4 * SEGMENT).await;
    let newest = (begun - 1) as u64;
    assert!(lost.len() > begun / 2, "{lost:?}");
    assert!(!lost.contains(&newest), "{lost:?}");
}

#[tokio::test]
async fn a_segment_that_does_not_end_is_given_up_when_it_is_too_long_for_an_output_that_takes_nothing()
 {
    assert_eq!(crowded(2 * MUCH).await, (vec![0], 1));
}

#[tokio::test]
async fn media_never_waits_for_an_output_that_takes_nothing_and_what_is_lost_is_counted() {
    let (_mute, sink) = to_nobody().await;
    let (shared, _stop, _inbox) = shared();
    let (process, _) = shared.progress.take_over();
    let (mut media, wire) = media(process);
    let (wires, outputs) = mpsc::channel(4);
    wires.try_send(wire).ok().unwrap();
    let counters = Arc::clone(&shared.counters);
    let egress = tokio::spawn(egress::run(async { Ok(sink) }, outputs, shared));
    let segments = MUCH / SEGMENT;
    let encode = spawn_blocking(move || {
        let packets = picture(3000, true).repeat(SEGMENT / picture(0, true).len());
        for _ in 0..segments {
            media.write_all(&record_of(packets.len())).unwrap();
            media.write_all(&packets).unwrap();
            media.write_all(&record_of_end()).unwrap();
        }
        packets.len() * segments
    });
    let written = tokio::time::timeout(Duration::from_secs(20), encode);
    let written = written.await.expect("media waits").unwrap() as u64;
    let lost = async {
        while counters.bytes_out.load(Ordering::Relaxed) < written
            || counters.segments_lost.load(Ordering::Relaxed) < (segments / 2) as u64
        {
            yield_now().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(5), lost).await;
    assert!(told.is_ok(), "{counters:?}");
    egress.abort();
}
