//! Whole records out of media's pipe.

use std::{io, os::fd::OwnedFd};

use bytes::BytesMut;
use framerill_media::{Piece, Records};
use tokio::net::unix::pipe;

use super::{Shared, Wire, progress::Process, written::Written};
use crate::log::{Level, log_stream};

/// Bytes of one read.
const READ: usize = 64 << 10;

/// A picture that media wrote in part before it died is not told.
#[derive(Default)]
pub(super) struct Reader {
    pipe: Option<pipe::Receiver>,
    process: Process,
    records: Records,
    /// Of a record that is not whole yet.
    part: Vec<Piece>,
    buffer: BytesMut,
    written: Written,
}

/// What was read; no pieces at the end.
pub(super) struct Read {
    pub(super) pieces: Vec<Piece>,
    /// Whose.
    pub(super) process: Process,
    /// The newest picture in them or before, 33 bits of 1/90000 s.
    pub(super) newest: Option<i64>,
}

impl Reader {
    /// Whether media may still write.
    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads what another media process writes.
    pub(super) fn rewire(&mut self, wire: Wire, shared: &Shared) {
        *self = Self {
            pipe: open(wire.fd, shared),
            process: wire.process,
            ..Self::default()
        };
    }

    /// Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> Result<Read, String> {
        let Some(pipe) = &self.pipe else {
            return std::future::pending().await;
        };
        loop {
            let ready = pipe.readable().await;
            self.buffer.reserve(READ);
            match ready.and_then(|()| pipe.try_read_buf(&mut self.buffer)) {
                Ok(0) => {
                    self.pipe = None;
                    return Ok(self.told(0));
                }
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.pipe = None;
                    return Err(error.to_string());
                }
            }
        }
        let bytes = self.buffer.split().freeze();
        match self.records.push(bytes) {
            Ok(pieces) => self.part.extend(pieces),
            Err(error) => {
                self.pipe = None;
                return Err(error.to_string());
            }
        }
        Ok(self.told(self.part.len().saturating_sub(self.records.open_pieces())))
    }

    fn told(&mut self, whole: usize) -> Read {
        let pieces: Vec<Piece> = self.part.drain(..whole).collect();
        let mut newest = None;
        for piece in &pieces {
            if let Piece::Bytes(bytes) = piece {
                newest = self.written.push(bytes);
            }
        }
        Read {
            pieces,
            process: self.process,
            newest,
        }
    }
}

fn open(fd: OwnedFd, shared: &Shared) -> Option<pipe::Receiver> {
    let opened = pipe::Receiver::from_owned_fd(fd);
    let told = |error: &io::Error| {
        let what = format_args!("media's pipe cannot be used: {error}");
        log_stream(Level::Error, &shared.ids, what);
    };
    opened.inspect_err(told).ok()
}
