//! A camera that publishes in real time, and viewers that note when each picture came.

use std::{
    collections::BTreeMap,
    io,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framerill_media::{Track, TransportScanner};
use framerill_trickle::{
    http::client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions},
    subscriber::{Event, Join},
    wire::Seq,
};
use framerill_worker::runtime::monotonic_ns;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::clip::Clip;

/// What is over, is over within this.
const WITHIN: Duration = Duration::from_secs(20);

/// By the time in the stream, when a picture's last byte passed, in ns.
pub(super) type Times = BTreeMap<u64, u64>;

/// Reads a channel from its first segment on, and notes the pictures.
#[derive(Debug)]
pub(super) struct Viewer {
    times: Arc<Mutex<Times>>,
    task: JoinHandle<()>,
}

impl Viewer {
    pub(super) fn start(url: &str) -> io::Result<Self> {
        let mut options = SubscriberOptions::default();
        options.config.join = Join::At(Seq::ZERO);
        options.config.absence = Duration::from_secs(60);
        let mut subscriber = Subscriber::connect(url, options).map_err(io::Error::other)?;
        let times = Arc::new(Mutex::new(Times::new()));
        let notes = Arc::clone(&times);
        let task = tokio::spawn(async move {
            let mut scanner = TransportScanner::default();
            // A channel that is deleted or fails ends the notes.
            while let Ok(Some(event)) = subscriber.next().await {
                let now = monotonic_ns();
                let mut notes = lock(&notes);
                let mut note = |pes: framerill_media::Pes<u64>| {
                    if let (Track::Video, Some(pts)) = (pes.track, pes.pts) {
                        notes.insert(pts, pes.last);
                    }
                };
                match event {
                    Event::Bytes(bytes) => scanner.push(&bytes, now, &mut note),
                    Event::End { .. } => scanner.finish(&mut note),
                    _ => {}
                }
            }
        });
        Ok(Self { times, task })
    }

    pub(super) fn times(&self) -> Times {
        lock(&self.times).clone()
    }

    /// The first picture's arrival, if it comes in time.
    pub(super) async fn first(&self) -> io::Result<u64> {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some((_, &at)) = lock(&self.times).first_key_value() {
                return Ok(at);
            }
            if Instant::now() > deadline || self.task.is_finished() {
                return Err(io::Error::other("no picture came out"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Publishes the clip once, each piece when it is due, and deletes the channel; when each picture was written.
pub(super) async fn shoot(url: &str, clip: &Rc<Clip>) -> io::Result<Times> {
    let options = PublisherOptions {
        mime: Some("video/MP2T".to_owned()),
        ..PublisherOptions::default()
    };
    let mut publisher = Publisher::connect(url, options).map_err(io::Error::other)?;
    let began = Instant::now();
    let mut segment = None;
    let mut written = Times::new();
    for piece in &clip.pieces {
        sleep_until(began + Duration::from_nanos(piece.due_ns)).await;
        let is_video = piece.track == Track::Video;
        if segment.is_none() || (is_video && piece.keyframe) {
            // The one before ends where the next one begins.
            segment = Some(publisher.segment().await.map_err(io::Error::other)?);
        }
        if let Some(segment) = &mut segment {
            let write = segment.write(piece.bytes.clone());
            write.await.map_err(io::Error::other)?;
        }
        if is_video {
            written.insert(piece.pts, monotonic_ns());
        }
    }
    if let Some(segment) = segment {
        segment.finish().await.map_err(io::Error::other)?;
    }
    // A runner that deletes the channel first is as good.
    drop(timeout(WITHIN, publisher.close()).await);
    Ok(written)
}

fn lock(times: &Mutex<Times>) -> MutexGuard<'_, Times> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}
