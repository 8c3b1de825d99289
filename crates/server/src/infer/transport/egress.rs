//! Compressed bytes from media to the sink.

use std::io;

use framerill_media::Piece;
use tokio::sync::mpsc;

use super::{
    Counters, News, Shared, Wire,
    reader::{Read, Reader},
    sink::{Heard, Sink},
};
use crate::{
    infer::{engine::wall_ms, event::Step},
    log::{Level, log_stream},
};

/// Writes until media has written its last byte, then closes the sink. Once the stream stops, both have a deadline.
pub(super) async fn run(
    sink: impl Future<Output = io::Result<Sink>>,
    mut wires: mpsc::Receiver<Wire>,
    shared: Shared,
) {
    let mut egress = Egress {
        sink: None,
        reader: Reader::default(),
        has_begun: false,
        shared: &shared,
    };
    let work = async {
        egress.open(sink).await;
        egress.write(&mut wires).await;
    };
    if shared.within(|it| it.rest_by, work).await.is_none() {
        let what = "the last bytes of the output did not come in time, or could not be written";
        log_stream(Level::Warning, &shared.ids, what);
    }
    let Some(sink) = egress.sink else { return };
    let close = sink.close(&shared);
    if shared.within(|it| it.closed_by, close).await.is_none() {
        let what = "the output could not be closed in time";
        log_stream(Level::Warning, &shared.ids, what);
    }
}

struct Egress<'a> {
    /// None once it takes nothing more.
    sink: Option<Sink>,
    reader: Reader,
    /// Some bytes went out.
    has_begun: bool,
    shared: &'a Shared,
}

impl Egress<'_> {
    async fn open(&mut self, sink: impl Future<Output = io::Result<Sink>>) {
        match sink.await {
            Ok(sink) => self.sink = Some(sink),
            Err(error) => {
                let why = format!("cannot write: {error}");
                self.shared.tell(News::OutputEnded(Some(why))).await;
            }
        }
    }

    async fn write(&mut self, wires: &mut mpsc::Receiver<Wire>) {
        loop {
            let is_stopping = self.shared.is_stopping();
            if is_stopping && !self.reader.is_open() {
                return;
            }
            tokio::select! {
                biased;
                wire = wires.recv() => {
                    let Some(wire) = wire else { return };
                    // What the process before left is complete in itself.
                    if let Some(sink) = &mut self.sink { sink.cut().await }
                    self.reader.rewire(wire, self.shared);
                }
                _ = self.shared.stopped(), if !is_stopping => {}
                read = self.reader.next(), if self.reader.is_open() => match read {
                    Ok(read) => self.put(read).await,
                    Err(why) => {
                        let what = format_args!("media's output cannot be read: {why}");
                        log_stream(Level::Error, &self.shared.ids, what);
                    }
                },
                heard = event(&mut self.sink) => self.hear(heard).await,
            }
        }
    }

    async fn put(&mut self, read: Read) {
        let Some(sink) = &mut self.sink else { return };
        let progress = &self.shared.progress;
        if !progress.claim(read.process, read.newest) {
            return;
        }
        let has_bytes = read.pieces.iter().any(|it| matches!(it, Piece::Bytes(_)));
        if let Err(why) = sink.put(read.pieces, self.shared).await {
            self.end(why).await;
        } else if has_bytes && !std::mem::replace(&mut self.has_begun, true) {
            let trace = News::Trace(Step::SendFirstProcessedSegment, wall_ms());
            self.shared.tell(trace).await;
        }
    }

    async fn hear(&mut self, heard: Heard) {
        let counters = &self.shared.counters;
        match heard {
            Heard::Trouble(what) => self.shared.tell(News::Trouble(what)).await,
            Heard::Ended(why) => self.end(why).await,
            Heard::Sent => Counters::add(&counters.segments_out, 1),
            Heard::Lost(why) => {
                Counters::add(&counters.segments_lost, 1);
                let what = format_args!("a segment of the output is lost: {why}");
                log_stream(Level::Warning, &self.shared.ids, what);
            }
            Heard::Nothing => {}
        }
    }

    async fn end(&mut self, why: Option<String>) {
        self.sink = None;
        self.shared.tell(News::OutputEnded(why)).await;
    }
}

async fn event(sink: &mut Option<Sink>) -> Heard {
    match sink {
        Some(sink) => sink.event().await,
        None => std::future::pending().await,
    }
}
