//! What is to be sent on one connection: a head, and a body in chunks as it comes.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

/// Pieces that one system call takes at most.
pub(super) const SLICES: usize = 32;

/// A request that is being sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pieces: VecDeque<Piece>,
    /// Bytes of the head that have not been taken.
    head_left: usize,
    is_whole: bool,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    is_body: bool,
}

impl Outgoing {
    /// A head behind which chunks follow.
    pub(super) fn open(head: Bytes) -> Self {
        Self {
            head_left: head.len(),
            pieces: VecDeque::from([Piece {
                bytes: head,
                is_body: false,
            }]),
            is_whole: false,
        }
    }

    /// A head that is all.
    pub(super) fn whole(head: Bytes) -> Self {
        Self {
            is_whole: true,
            ..Self::open(head)
        }
    }

    /// Another chunk of the body.
    pub(super) fn chunk(&mut self, bytes: Bytes) {
        if bytes.is_empty() || self.is_whole {
            return;
        }
        let size = format!("{:x}\r\n", bytes.len());
        self.push(size.into(), false);
        self.push(bytes, true);
        self.push(Bytes::from_static(b"\r\n"), false);
    }

    /// The end of the body.
    pub(super) fn finish(&mut self) {
        if !self.is_whole {
            self.push(Bytes::from_static(b"0\r\n\r\n"), false);
            self.is_whole = true;
        }
    }

    fn push(&mut self, bytes: Bytes, is_body: bool) {
        self.pieces.push_back(Piece { bytes, is_body });
    }

    pub(super) fn is_head_sent(&self) -> bool {
        self.head_left == 0
    }

    /// Everything there is has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Everything there ever will be has been taken.
    pub(super) fn is_sent(&self) -> bool {
        self.is_whole && self.pieces.is_empty()
    }

    /// The next bytes.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.bytes);
            count += 1;
        }
        count
    }

    /// So many bytes were taken: how many of them were the body's.
    pub(super) fn advance(&mut self, mut count: usize) -> usize {
        self.head_left = self.head_left.saturating_sub(count);
        let mut body = 0;
        while count > 0 {
            let Some(piece) = self.pieces.front_mut() else {
                break;
            };
            let part = count.min(piece.bytes.len());
            piece.bytes.advance(part);
            count -= part;
            if piece.is_body {
                body += part;
            }
            if piece.bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Body, Decoded, Framing};

    /// Takes everything in pieces of this size, and counts.
    fn drain(outgoing: &mut Outgoing, size: usize) -> (Vec<u8>, usize) {
        let (mut all, mut body) = (Vec::new(), 0);
        while !outgoing.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = outgoing.slices(&mut slices);
            let flat: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
            let part = flat.len().min(size);
            all.extend_from_slice(&flat[..part]);
            body += outgoing.advance(part);
        }
        (all, body)
    }

    #[test]
    fn a_whole_request_takes_no_chunks() {
        let mut outgoing = Outgoing::whole("GET".into());
        outgoing.chunk("x".into());
        outgoing.finish();
        assert!(!outgoing.is_head_sent());
        assert_eq!(drain(&mut outgoing, 2), (b"GET".to_vec(), 0));
        assert!(outgoing.is_sent() && outgoing.is_head_sent());
    }

    #[test]
    fn a_body_without_a_chunk_is_its_end_only() {
        let mut outgoing = Outgoing::open("POST".into());
        assert_eq!(drain(&mut outgoing, 9).0, b"POST");
        assert!(!outgoing.is_sent());
        outgoing.finish();
        assert_eq!(drain(&mut outgoing, 9).0, b"0\r\n\r\n");
        assert!(outgoing.is_sent());
    }

    proptest! {
        #[test]
        fn chunks_come_back_and_are_counted(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..50), size in 1usize..70,
        ) {
            let mut outgoing = Outgoing::open(Bytes::new());
            chunks.iter().for_each(|chunk| outgoing.chunk(chunk.clone().into()));
            outgoing.finish();
            let (sent, count) = drain(&mut outgoing, size);
            let (mut decoded, mut input) = (Vec::new(), sent.as_slice());
            let mut body = Body::new(Framing::Chunked);
            while let Decoded::Data(data) = body.decode(&mut input).unwrap() {
                decoded.extend_from_slice(data);
            }
            prop_assert!(body.is_ended() && input.is_empty());
            prop_assert_eq!(count, decoded.len());
            prop_assert_eq!(decoded, chunks.concat());
        }
    }
}
