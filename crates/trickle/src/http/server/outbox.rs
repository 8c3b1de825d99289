//! What is on its way to a peer: a head or the size of a chunk, bytes of a segment, and a tail. Pure.

use std::io::IoSlice;

use bytes::Bytes;

/// Slices that one system call takes.
pub(super) const SLICES: usize = 64;

/// One batch of bytes. It is filled when it is empty, and sent until it is empty again.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    head: Vec<u8>,
    body: Vec<Bytes>,
    tail: &'static [u8],
    sent: usize,
    size: usize,
}

/// How a body is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Chunks.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.size
    }

    /// Bytes that are still to be sent.
    pub(super) fn left(&self) -> usize {
        self.size - self.sent
    }

    /// Puts in a head, or anything that is small.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        self.size += bytes.len();
    }

    /// Where bytes of a segment go, before [`Outbox::seal`].
    pub(super) fn body(&mut self) -> &mut Vec<Bytes> {
        &mut self.body
    }

    /// Makes what was put into the body one chunk, behind the head.
    pub(super) fn seal(&mut self, style: Style, end: bool) {
        let bytes: usize = self.body.iter().map(Bytes::len).sum();
        self.tail = match (style, bytes, end) {
            (Style::UntilClose, _, _) | (_, 0, false) => b"",
            (Style::Chunked, 0, true) => b"0\r\n\r\n",
            (Style::Chunked, _, true) => b"\r\n0\r\n\r\n",
            (Style::Chunked, _, false) => b"\r\n",
        };
        if style == Style::Chunked && bytes > 0 {
            self.put(format!("{bytes:x}\r\n").as_bytes());
        }
        self.size += bytes + self.tail.len();
    }

    /// What is still to be sent, as far as one system call takes it. Returns how many slices there are.
    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let parts = std::iter::once(self.head.as_slice())
            .chain(self.body.iter().map(Bytes::as_ref))
            .chain([self.tail]);
        let mut skip = self.sent;
        let mut count = 0;
        for part in parts {
            if skip >= part.len() {
                skip -= part.len();
            } else if count < SLICES {
                slices[count] = IoSlice::new(&part[skip..]);
                skip = 0;
                count += 1;
            }
        }
        count
    }

    /// So many bytes were sent.
    pub(super) fn advance(&mut self, sent: usize) {
        self.sent += sent;
        if self.is_empty() {
            self.head.clear();
            self.body.clear();
            self.tail = b"";
            (self.sent, self.size) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = outbox.fill(&mut slices);
            let bytes: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .take(step)
                .collect();
            outbox.advance(bytes.len());
            all.extend(bytes);
        }
        all
    }

    #[test]
    fn a_batch_is_one_chunk_however_it_is_sent() {
        for step in 1..40 {
            let mut outbox = Outbox::default();
            outbox.put(b"head ");
            outbox.body().extend([
                Bytes::from_static(b"abcdefgh"),
                Bytes::from_static(b"ijklmnopq"),
            ]);
            outbox.seal(Style::Chunked, false);
            assert_eq!(sent(&mut outbox, step), b"head 11\r\nabcdefghijklmnopq\r\n");
            outbox.body().push(Bytes::from_static(b"r"));
            outbox.seal(Style::Chunked, true);
            assert_eq!(sent(&mut outbox, step), b"1\r\nr\r\n0\r\n\r\n");
        }
    }

    #[test]
    fn an_end_without_bytes_is_the_last_chunk_alone() {
        let mut outbox = Outbox::default();
        outbox.seal(Style::Chunked, true);
        assert_eq!(sent(&mut outbox, 99), b"0\r\n\r\n");
        outbox.seal(Style::UntilClose, true);
        assert!(outbox.is_empty());
    }
}
