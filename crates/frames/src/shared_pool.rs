//! A reader's pool in a process that looks at its pictures.

use std::os::fd::OwnedFd;

use framerill_media::Size;

use crate::{
    memory::Foreign,
    pool::{Geometry, PeerPool, PoolError},
};

const CHANNELS: usize = 3;

/// Memory that a reader writes, mapped read-only. Slots are another's to lend: a picture is looked at only while its slot
/// is lent to this process.
#[derive(Debug)]
pub struct SharedPool(PeerPool);

impl SharedPool {
    /// Maps what a reader made, after a look at its seals and its length.
    pub fn map(memory: &OwnedFd, slots: u32, slot_bytes: u32) -> Result<Self, PoolError> {
        PeerPool::open(memory, Geometry { slots, slot_bytes }).map(Self)
    }

    /// How it is divided.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    /// The rgb24 picture of a slot; none when there is no such slot, or it is shorter than the picture.
    #[must_use]
    pub fn picture(&self, slot: u32, size: Size) -> Option<SharedPicture<'_>> {
        let bytes = size.pixels().checked_mul(CHANNELS)?;
        let pixels = self.0.slot(slot, bytes)?;
        Some(SharedPicture { pixels, size })
    }
}

/// A picture of rgb24 in a reader's slot: rows one after the other.
#[derive(Clone, Copy, Debug)]
pub struct SharedPicture<'a> {
    pixels: Foreign<'a>,
    size: Size,
}

impl SharedPicture<'_> {
    /// Width and height.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Copies the whole picture; `into` has its length then, and keeps its room.
    pub fn copy(&self, into: &mut Vec<u8>) {
        into.resize(self.pixels.len(), 0);
        self.pixels.copy_to(0, into);
    }

    /// Copies a part of the picture, its rows one after the other; false, and nothing is copied, when the part is empty or not
    /// inside.
    #[must_use]
    pub fn copy_region(&self, left: u32, top: u32, size: Size, into: &mut Vec<u8>) -> bool {
        let ends = |start: u32, length: u32, all: u32| {
            start.checked_add(length).is_some_and(|end| end <= all)
        };
        let is_inside = ends(left, size.width(), self.size.width())
            && ends(top, size.height(), self.size.height());
        if !is_inside {
            return false;
        }
        let row = size.width() as usize * CHANNELS;
        let stride = self.size.width() as usize * CHANNELS;
        into.resize(row * size.height() as usize, 0);
        let first = top as usize * stride + left as usize * CHANNELS;
        for (number, line) in into.chunks_exact_mut(row).enumerate() {
            self.pixels.copy_to(first + number * stride, line);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;
    use proptest::prelude::*;

    /// A pool whose slot 1 holds a picture in which every byte says where it lies.
    fn picture(size: Size) -> (Pool, SharedPool) {
        let bytes = size.pixels() * CHANNELS;
        let pool = Pool::create(Geometry::for_pictures(2, bytes).unwrap()).unwrap();
        let first = pool.loan().unwrap();
        let mut loan = pool.loan().unwrap();
        assert_eq!(loan.slot(), 1);
        for (place, byte) in loan[..bytes].iter_mut().enumerate() {
            *byte = u8::try_from(place % 251).unwrap();
        }
        drop((first, loan));
        let Geometry { slots, slot_bytes } = pool.geometry();
        let memory = pool.fd().try_clone_to_owned().unwrap();
        let shared = SharedPool::map(&memory, slots, slot_bytes).unwrap();
        (pool, shared)
    }

    proptest! {
        #[test]
        fn a_region_is_that_part_of_the_picture_or_refused(
            (width, height) in (1u32..20, 1u32..20), left in 0u32..24, top in 0u32..24, (w, h) in (1u32..20, 1u32..20),
        ) {
            let size = Size::new(width, height).unwrap();
            let (_pool, shared) = picture(size);
            let whole = shared.picture(1, size).unwrap();
            let mut all = Vec::new();
            whole.copy(&mut all);
            let part = Size::new(w, h).unwrap();
            let mut region = vec![7; 5];
            let is_inside = left + w <= width && top + h <= height;
            prop_assert_eq!(whole.copy_region(left, top, part, &mut region), is_inside);
            if !is_inside {
                prop_assert_eq!(region, vec![7; 5]);
                return Ok(());
            }
            let expected: Vec<u8> = (top..top + h)
                .flat_map(|y| {
                    let from = (y * width + left) as usize * CHANNELS;
                    all[from..from + w as usize * CHANNELS].to_vec()
                })
                .collect();
            prop_assert_eq!(region, expected);
        }
    }

    #[test]
    fn a_slot_that_is_not_there_or_too_short_has_no_picture() {
        let size = Size::new(16, 16).unwrap();
        let (_pool, shared) = picture(size);
        assert!(shared.picture(2, size).is_none());
        let large = Size::new(2000, 2000).unwrap();
        assert!(shared.picture(0, large).is_none());
    }

    #[test]
    fn memory_that_is_shorter_than_it_is_said_to_be_is_refused() {
        let (pool, _shared) = picture(Size::new(16, 16).unwrap());
        let memory = pool.fd().try_clone_to_owned().unwrap();
        assert!(matches!(
            SharedPool::map(&memory, 3, pool.geometry().slot_bytes),
            Err(PoolError::Short { .. })
        ));
    }
}
