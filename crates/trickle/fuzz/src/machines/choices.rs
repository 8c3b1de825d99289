//! Bytes as a row of choices.

use framerill_trickle::wire::Seq;

/// Input that is used up choice by choice. Behind its end every choice is the first one.
pub(crate) struct Choices<'a> {
    left: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { left: input }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, left)) = self.left.split_first() else {
            return 0;
        };
        self.left = left;
        *first
    }

    /// A number below `end`, which is 256 at most.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// One of these, if there are any.
    pub(crate) fn one<T: Copy>(&mut self, of: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = of.into_iter().collect();
        let at = self.below(all.len());
        all.get(at).copied()
    }

    /// A number of a segment: most are small, some are at the end of all numbers.
    pub(crate) fn seq(&mut self) -> Seq {
        let number = match self.byte() {
            byte @ 0..=239 => u64::from(byte % 24),
            byte @ 240..=247 => 1000 + u64::from(byte),
            byte => Seq::MAX.get() - u64::from(255 - byte),
        };
        Seq::new(number).unwrap_or(Seq::MAX)
    }
}
