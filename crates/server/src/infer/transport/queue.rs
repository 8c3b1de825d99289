//! Bytes that wait, in few pieces however small they came: what the queue holds is its bytes and little more. Pure.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces smaller than this are put together: a piece on its own costs memory beside its bytes, and keeps all of the read
/// that it came with.
const SMALL: usize = 4 << 10;
/// Bytes that are put together.
const TOGETHER: usize = 16 << 10;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    /// None is empty; none but the first, which may have been cut, and neighbours of large ones is small.
    pieces: VecDeque<Bytes>,
    /// Behind all of them; below [`TOGETHER`].
    tail: BytesMut,
    len: usize,
}

impl ByteQueue {
    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if bytes.len() < SMALL {
            self.tail.extend_from_slice(&bytes);
        } else {
            self.seal();
            self.pieces.push_back(bytes);
        }
        if self.tail.len() >= TOGETHER {
            self.seal();
        }
    }

    /// The oldest bytes; none when it is empty.
    pub(super) fn first(&self) -> &[u8] {
        self.pieces.front().map_or(&self.tail, |it| it)
    }

    /// Lets go of the oldest `count` bytes.
    pub(super) fn drop_first(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while let Some(first) = self.pieces.front_mut().filter(|_| left > 0) {
            let gone = left.min(first.len());
            left -= gone;
            if gone == first.len() {
                self.pieces.pop_front();
            } else {
                *first = first.slice(gone..);
            }
        }
        drop(self.tail.split_to(left));
    }

    /// The same bytes again, in pieces that are shared.
    pub(super) fn copy(&mut self) -> Self {
        self.seal();
        Self {
            pieces: self.pieces.clone(),
            tail: BytesMut::new(),
            len: self.len,
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            // A buffer that grew by doubling holds up to twice its bytes.
            let tail = Bytes::copy_from_slice(&self.tail);
            self.tail.clear();
            self.pieces.push_back(tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl ByteQueue {
        /// All of it.
        pub(in super::super) fn to_vec(&self) -> Vec<u8> {
            let pieces = self.pieces.iter().map(|it| &it[..]);
            pieces.chain([&self.tail[..]]).collect::<Vec<_>>().concat()
        }

        /// Pieces in it.
        pub(in super::super) fn pieces(&self) -> usize {
            self.pieces.len() + usize::from(!self.tail.is_empty())
        }
    }

    #[test]
    fn a_large_piece_is_not_copied() {
        let large = Bytes::from(vec![7; SMALL]);
        let mut queue = ByteQueue::default();
        queue.push(Bytes::from_static(b"small"));
        queue.push(large.clone());
        queue.drop_first(5);
        assert_eq!(queue.first().as_ptr(), large.as_ptr());
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_once_and_in_order(
            steps in proptest::collection::vec((0usize..6000, 0usize..6000, any::<bool>()), 0..60),
        ) {
            let (mut queue, mut model) = (ByteQueue::default(), Vec::new());
            for (n, (add, take, is_copied)) in steps.into_iter().enumerate() {
                let bytes = vec![u8::try_from(n).unwrap(); add];
                model.extend_from_slice(&bytes);
                queue.push(Bytes::from(bytes));
                if is_copied {
                    let copy = queue.copy();
                    prop_assert_eq!(copy.to_vec(), model.clone());
                }
                let take = take.min(model.len());
                queue.drop_first(take);
                model.drain(..take);
                prop_assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(queue.first().is_empty(), model.is_empty());
                prop_assert_eq!(queue.to_vec(), model.clone());
            }
        }
    }
}
