//! Ends that stall, in virtual time.

mod crowd;

use std::{
    io::Write,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use framerill_media::{record_of, record_of_end};
use framerill_trickle::http::client;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, duplex},
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{Instant, Sleep, sleep},
};

use super::{
    disk::Disk,
    ending::Ending,
    progress::Process,
    replay::tests::picture,
    sink::{Sink, SinkTarget},
    *,
};
use crate::{
    deadlines,
    infer::{
        asked::Asked,
        engine::Incoming,
        event::{Event, Step},
    },
};

const SOON: Duration = Duration::from_millis(1);

/// A disk on which each write takes nearly as long as it may, and which never has all of it.
#[derive(Default)]
struct Slow(Option<Pin<Box<Sleep>>>);

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let within = sink::FILE_WITHIN - SOON;
        let work = self.0.get_or_insert_with(|| Box::pin(sleep(within)));
        ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

/// What the tasks of a stream share, and who stops them.
fn shared() -> (Shared, watch::Sender<Option<Ending>>, Receiver<Incoming>) {
    let (owner, inbox) = sync_channel(16);
    let (stop, stopping) = watch::channel(None);
    let shared = Shared {
        number: 1,
        owner,
        ids: Arc::default(),
        counters: Arc::default(),
        progress: Arc::default(),
        stop: stopping,
        closed: watch::channel(false).0,
    };
    (shared, stop, inbox)
}

/// Media's output: what is written there comes out of the wire.
fn media(process: Process) -> (std::io::PipeWriter, Wire) {
    let (reads, writes) = std::io::pipe().unwrap();
    let fd = reads.into();
    (writes, Wire { process, fd })
}

fn record(pts: u64) -> Vec<u8> {
    let bytes = picture(pts, true);
    [&record_of(bytes.len())[..], &bytes].concat()
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_delays_no_end_beyond_the_one_deadline_of_the_stop() {
    let (shared, stop, _inbox) = shared();
    let (process, _) = shared.progress.take_over();
    let (mut media, wire) = media(process);
    let (wires, outputs) = mpsc::channel(4);
    wires.try_send(wire).ok().unwrap();
    (0..3).for_each(|pts| media.write_all(&record(pts)).unwrap());
    let sink = async { Ok(Sink::File(Disk::Begun(Box::new(Slow::default())))) };
    let egress = tokio::spawn(egress::run(sink, outputs, shared));
    sleep(SOON).await;
    let stopped = Instant::now();
    stop.send_replace(Some(Ending::of(stopped)));
    egress.await.unwrap();
    assert_eq!(stopped.elapsed(), deadlines::TRANSPORT);
}

#[tokio::test(start_paused = true)]
async fn peers_that_never_answer_delay_no_end_beyond_the_one_deadline_of_the_stop() {
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |name: &str| format!("http://{}/{name}", mute.local_addr().unwrap());
    let asked = json!({
        "subscribe_url": url("in"), "publish_url": url("out"),
        "control_url": url("control"), "events_url": url("events"),
    });
    let asked = Asked::from_runner(asked.to_string().as_bytes()).unwrap();
    let (owner, inbox) = sync_channel(64);
    let opening = Opening {
        number: 1,
        asked: &asked,
        tls: client::Transport::default(),
        owner,
        after: Vec::new(),
    };
    let transport = Transport::open(&Handle::current(), opening).unwrap();
    let (process, _) = transport.take_over();
    let (mut media, wire) = media(process);
    let (_reads, writes) = std::io::pipe().unwrap();
    transport.rewire(process, writes.into(), wire.fd);
    media.write_all(&record(0)).unwrap();
    transport.emit(Event::Trace(Step::ReceiveStreamRequest, 0));
    sleep(SOON).await;
    let stopped = Instant::now();
    transport.stop();
    transport.closed().wait_for(|it| *it).await.unwrap();
    assert!(
        stopped.elapsed() <= deadlines::TRANSPORT,
        "{:?}",
        stopped.elapsed()
    );
    sleep(SOON).await;
    let is_closed = |it| matches!(it, Incoming::Transport(_, News::Closed));
    assert!(inbox.try_iter().any(is_closed));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_media_left_in_its_pipe_is_not_sent_beside_what_its_successor_sends() {
    let (shared, stop, _inbox) = shared();
    let (sink, mut viewer) = duplex(1 << 20);
    let (wires, outputs) = mpsc::channel(4);
    let progress = Arc::clone(&shared.progress);
    let sink = async { Ok(Sink::File(Disk::Begun(Box::new(sink)))) };
    let egress = tokio::spawn(egress::run(sink, outputs, shared));

    let (first, _) = progress.take_over();
    let (mut dying, wire) = media(first);
    wires.try_send(wire).ok().unwrap();
    dying.write_all(&record(3000)).unwrap();
    sleep(SOON).await;
    let (second, written) = progress.take_over();
    assert_eq!(written, Some(3000));
    // Its pipe is still read.
    dying.write_all(&record(6000)).unwrap();
    drop(dying);
    sleep(SOON).await;
    let (mut media, wire) = media(second);
    wires.try_send(wire).ok().unwrap();
    media.write_all(&record(6000)).unwrap();
    media.write_all(&record_of_end()).unwrap();
    drop(media);
    sleep(SOON).await;
    stop.send_replace(Some(Ending::of(Instant::now())));
    egress.await.unwrap();

    let mut sent = Vec::new();
    viewer.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, [picture(3000, true), picture(6000, true)].concat());
    assert_eq!(progress.take_over().1, Some(6000));
}

#[tokio::test]
async fn a_stream_into_a_file_that_fails_before_its_first_picture_may_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ts");
    let open = || Sink::open(SinkTarget::File(path.clone()));
    let (failing, stop, _inbox) = shared();
    let (wires, outputs) = mpsc::channel(4);
    let egress = tokio::spawn(egress::run(open(), outputs, failing));
    stop.send_replace(Some(Ending::of(Instant::now())));
    drop(wires);
    egress.await.unwrap();
    assert!(!path.exists());

    let (again, stop, inbox) = shared();
    let (process, _) = again.progress.take_over();
    let (mut media, wire) = media(process);
    let (wires, outputs) = mpsc::channel(4);
    wires.try_send(wire).ok().unwrap();
    media.write_all(&record(3000)).unwrap();
    media.write_all(&record_of_end()).unwrap();
    drop(media);
    let egress = tokio::spawn(egress::run(open(), outputs, again));
    let told = spawn_blocking(move || inbox.recv_timeout(deadlines::TRANSPORT));
    let told = told.await.unwrap().unwrap();
    let is_sent = matches!(told, Incoming::Transport(_, News::Trace(..)));
    assert!(is_sent, "the first picture went out");
    stop.send_replace(Some(Ending::of(Instant::now())));
    egress.await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), picture(3000, true));
}
