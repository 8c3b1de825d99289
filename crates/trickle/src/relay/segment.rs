//! Bytes of one segment: appended once, read by any number of readers at their own pace, never copied for a reader.

use bytes::{Bytes, BytesMut};

/// Chunks that are looked at together: so many small ones in a row become one.
const LOOSE_CHUNKS: usize = 64;
/// Up to this average size, chunks in a row are worth a copy, because each costs some 100 bytes beside its own.
const SMALL_CHUNK_BYTES: usize = 1024;

/// An append-only list of chunks.
#[derive(Debug, Default)]
pub struct Segment {
    chunks: Vec<Chunk>,
    len: u64,
    packed: usize,
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Segment {
    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no byte yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a chunk. It is kept as it is, unless it is one of many small ones.
    pub fn append(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let start = self.len;
        self.len += bytes.len() as u64;
        self.chunks.push(Chunk { start, bytes });
        if self.chunks.len() - self.packed >= LOOSE_CHUNKS {
            self.pack();
        }
    }

    /// Puts chunks from the position on into `out`, no more than `max_bytes` and `max_chunks`. Returns the position
    /// behind them.
    pub fn read(
        &self,
        from: u64,
        max_bytes: usize,
        max_chunks: usize,
        out: &mut Vec<Bytes>,
    ) -> u64 {
        let mut at = from;
        let mut left = max_bytes;
        let first = self
            .chunks
            .partition_point(|chunk| chunk.start + chunk.bytes.len() as u64 <= from);
        for chunk in self.chunks[first.min(self.chunks.len())..]
            .iter()
            .take(max_chunks)
        {
            if left == 0 {
                break;
            }
            let skip = usize::try_from(at - chunk.start)
                .unwrap_or(usize::MAX)
                .min(chunk.bytes.len());
            let end = chunk.bytes.len().min(skip.saturating_add(left));
            out.push(if skip == 0 && end == chunk.bytes.len() {
                chunk.bytes.clone()
            } else {
                chunk.bytes.slice(skip..end)
            });
            at += (end - skip) as u64;
            left -= end - skip;
        }
        at
    }

    fn pack(&mut self) {
        let loose = &self.chunks[self.packed..];
        let total: usize = loose.iter().map(|chunk| chunk.bytes.len()).sum();
        if total <= loose.len() * SMALL_CHUNK_BYTES {
            let start = loose[0].start;
            let mut bytes = BytesMut::with_capacity(total);
            loose
                .iter()
                .for_each(|chunk| bytes.extend_from_slice(&chunk.bytes));
            self.chunks.truncate(self.packed);
            self.chunks.push(Chunk {
                start,
                bytes: bytes.freeze(),
            });
        }
        self.packed = self.chunks.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_small_chunks_take_little_more_than_their_bytes() {
        let mut segment = Segment::default();
        (0..64_000).for_each(|_| segment.append(Bytes::from_static(b"0123456789")));
        assert_eq!(segment.len(), 640_000);
        assert!(segment.chunks.len() <= 1000, "{}", segment.chunks.len());
    }

    #[test]
    fn large_chunks_are_kept_without_a_copy() {
        let mut segment = Segment::default();
        let chunk = Bytes::from(vec![1; 4096]);
        (0..200).for_each(|_| segment.append(chunk.clone()));
        let mut out = Vec::new();
        segment.read(4096 * 150, usize::MAX, 1, &mut out);
        assert_eq!(out[0].as_ptr(), chunk.as_ptr());
    }

    proptest! {
        #[test]
        fn readers_see_all_bytes_in_order_whatever_the_pieces(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..200),
            steps in prop::collection::vec((0usize..100, 0usize..8), 1..50),
        ) {
            let mut segment = Segment::default();
            let mut seen = Vec::new();
            let mut at = 0;
            let mut steps = steps.iter().cycle();
            for chunk in &chunks {
                segment.append(Bytes::copy_from_slice(chunk));
                let (max_bytes, max_chunks) = *steps.next().unwrap();
                let mut out = Vec::new();
                at = segment.read(at, max_bytes, max_chunks, &mut out);
                seen.extend(out.concat());
                prop_assert_eq!(seen.len() as u64, at);
            }
            let mut out = Vec::new();
            at = segment.read(at, usize::MAX, usize::MAX, &mut out);
            seen.extend(out.concat());
            prop_assert_eq!(at, segment.len());
            prop_assert_eq!(seen, chunks.concat());
        }
    }
}
