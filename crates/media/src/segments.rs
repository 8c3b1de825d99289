//! Segments on a pipe: the bytes of a stream as records, with a mark where each segment ends.
//!
//! `schema/segments.md` is the reference page.

use bytes::{Bytes, BytesMut};

/// Bytes of a record's head: its kind, then how many bytes follow, little-endian.
const HEAD: usize = 5;
/// Bytes that one record carries at most.
pub const MAX_RECORD_BYTES: usize = 1 << 20;
const BYTES: u8 = 1;
const END: u8 = 2;

/// The head of a record that carries so many bytes. Records are at most [`MAX_RECORD_BYTES`] long.
#[must_use]
pub fn record_of(bytes: usize) -> [u8; HEAD] {
    debug_assert!(bytes <= MAX_RECORD_BYTES);
    head(BYTES, u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// The record that ends a segment.
#[must_use]
pub fn record_of_end() -> [u8; HEAD] {
    head(END, 0)
}

fn head(kind: u8, bytes: u32) -> [u8; HEAD] {
    let [a, b, c, d] = bytes.to_le_bytes();
    [kind, a, b, c, d]
}

/// A piece of a stream in segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// More of the segment.
    Bytes(Bytes),
    /// The segment ends, and the next one begins.
    Cut,
}

/// What stands on the pipe are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A kind that does not exist, a mark with bytes, or bytes that are none or too many.
    #[error("no record of a segment: kind {kind} with {bytes} bytes")]
    Unknown {
        /// As it stands there.
        kind: u8,
        /// As it stands there.
        bytes: u32,
    },
    /// The pipe ended inside of a record, or of a segment.
    #[error("the last segment is cut off")]
    Cut,
}

/// Reads records however they are cut on their way. Holds one head and no bytes.
#[derive(Debug, Default)]
pub struct Records {
    head: BytesMut,
    /// Bytes of the present record that are still to come.
    left: usize,
    /// Pieces of it so far.
    open_pieces: usize,
    /// The present segment has bytes and no end yet.
    is_open: bool,
}

impl Records {
    /// Takes what came, and says what it is. After an error nothing more can be read.
    pub fn push(&mut self, mut bytes: Bytes) -> Result<Vec<Piece>, RecordError> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            if self.left > 0 {
                let piece = bytes.split_to(self.left.min(bytes.len()));
                self.left -= piece.len();
                pieces.push(Piece::Bytes(piece));
                self.open_pieces = if self.left == 0 {
                    0
                } else {
                    self.open_pieces + 1
                };
                continue;
            }
            let more = bytes.split_to((HEAD - self.head.len()).min(bytes.len()));
            self.head.extend_from_slice(&more);
            if let [kind, a, b, c, d] = self.head[..] {
                self.head.clear();
                match (kind, u32::from_le_bytes([a, b, c, d])) {
                    (BYTES, len @ 1..) if len as usize <= MAX_RECORD_BYTES => {
                        (self.left, self.is_open) = (len as usize, true);
                    }
                    (END, 0) => {
                        self.is_open = false;
                        pieces.push(Piece::Cut);
                    }
                    (kind, bytes) => return Err(RecordError::Unknown { kind, bytes }),
                }
            }
        }
        Ok(pieces)
    }

    /// How many of the last pieces belong to a record that is not whole yet.
    #[must_use]
    pub fn open_pieces(&self) -> usize {
        self.open_pieces
    }

    /// Whether the pipe may end here.
    pub fn finish(&self) -> Result<(), RecordError> {
        if !self.is_open && self.head.is_empty() {
            Ok(())
        } else {
            Err(RecordError::Cut)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(pieces: Vec<Piece>) -> Vec<Option<Vec<u8>>> {
        let mut all: Vec<Option<Vec<u8>>> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Cut => all.push(None),
                Piece::Bytes(bytes) => match all.last_mut() {
                    Some(Some(last)) => last.extend_from_slice(&bytes),
                    _ => all.push(Some(bytes.to_vec())),
                },
            }
        }
        all
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written_however_they_are_cut(
            records in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(any::<u8>(), 1..50)), 0..20),
            step in 1usize..40,
        ) {
            let mut stream = Vec::new();
            let mut written = Vec::new();
            for record in &records {
                match record {
                    Some(bytes) => {
                        stream.extend_from_slice(&record_of(bytes.len()));
                        stream.extend_from_slice(bytes);
                        written.push(Piece::Bytes(Bytes::copy_from_slice(bytes)));
                    }
                    None => {
                        stream.extend_from_slice(&record_of_end());
                        written.push(Piece::Cut);
                    }
                }
            }
            let mut reader = Records::default();
            let mut read = Vec::new();
            for bytes in stream.chunks(step) {
                read.extend(reader.push(Bytes::copy_from_slice(bytes)).unwrap());
            }
            let is_open = matches!(records.last(), Some(Some(_)));
            prop_assert_eq!(reader.finish().is_err(), is_open);
            prop_assert_eq!(joined(read), joined(written));
        }

        #[test]
        fn any_bytes_are_records_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..40,
        ) {
            let mut reader = Records::default();
            let mut given = 0;
            for bytes in bytes.chunks(step) {
                let Ok(pieces) = reader.push(Bytes::copy_from_slice(bytes)) else { return Ok(()) };
                given += pieces.iter().map(|it| match it {
                    Piece::Bytes(bytes) => bytes.len(),
                    Piece::Cut => 0,
                }).sum::<usize>();
            }
            prop_assert!(given <= bytes.len());
        }
    }

    #[test]
    fn pieces_of_a_record_that_is_not_whole_are_known() {
        let mut reader = Records::default();
        let stream = [&record_of(2)[..], &[1, 2], &record_of(3)[..], &[3]].concat();
        assert_eq!(reader.push(Bytes::from(stream)).unwrap().len(), 2);
        assert_eq!(reader.open_pieces(), 1);
        assert_eq!(reader.push(Bytes::from_static(&[4])).unwrap().len(), 1);
        assert_eq!(reader.open_pieces(), 2);
        assert_eq!(reader.push(Bytes::from_static(&[5])).unwrap().len(), 1);
        assert_eq!(reader.open_pieces(), 0);
    }

    #[test]
    fn a_length_that_no_writer_writes_is_an_error_before_a_byte_of_it_is_taken() {
        for wrong in [[1, 0, 0, 0, 0x7F, 9, 9], [1, 0, 0, 0, 0, 9, 9]] {
            let mut reader = Records::default();
            assert!(reader.push(Bytes::copy_from_slice(&wrong)).is_err());
        }
    }

    #[test]
    fn a_pipe_that_ends_inside_of_a_record_was_cut() {
        for cut in 1..=7 {
            let mut reader = Records::default();
            let stream = [&record_of(2)[..], &[1, 2]].concat();
            reader.push(Bytes::copy_from_slice(&stream[..cut])).unwrap();
            assert_eq!(reader.finish(), Err(RecordError::Cut), "{cut}");
        }
    }
}
