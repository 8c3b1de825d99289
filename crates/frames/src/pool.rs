//! Pools of fixed slots: the ones this process lends, and the ones it was lent.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};

use crate::{
    lease::LeaseCount,
    memory::{Foreign, Mapping, OVERSHOOT},
};

/// The most slots of a pool.
pub const MAX_SLOTS: u32 = 64;
/// The most bytes of a slot: a 16384 × 16384 picture does not fit, an 8K one in `rgbf32` does.
const MAX_SLOT_BYTES: u32 = 512 << 20;
const PAGE: u32 = 4096;

/// How a pool is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// 1 to [`MAX_SLOTS`].
    pub slots: u32,
    /// Bytes a slot, a multiple of 4096.
    pub slot_bytes: u32,
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Slots or bytes out of range.
    #[error("a pool of {slots} slots of {slot_bytes} bytes is out of range")]
    Geometry {
        /// Slots.
        slots: u32,
        /// Bytes a slot.
        slot_bytes: u32,
    },
    /// The peer's memory could shrink or change under the reader.
    #[error("the peer's pool is not sealed against writing, shrinking and growing")]
    Unsealed,
    /// The peer's memory is shorter than it says.
    #[error("the peer's pool has {actual} bytes instead of {expected}")]
    Short {
        /// Bytes it should have.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// The kernel refused.
    #[error("cannot {what} shared memory")]
    Kernel {
        /// Which step.
        what: &'static str,
        /// Why.
        #[source]
        source: rustix::io::Errno,
    },
}

fn kernel(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> PoolError {
    move |source| PoolError::Kernel { what, source }
}

impl Geometry {
    /// `slots` slots that hold `picture_bytes` each and [`OVERSHOOT`] more, rounded up to whole pages.
    pub fn for_pictures(slots: u32, picture_bytes: usize) -> Result<Self, PoolError> {
        let needed = picture_bytes.saturating_add(OVERSHOOT);
        let slot_bytes = u32::try_from(
            needed
                .checked_next_multiple_of(PAGE as usize)
                .unwrap_or(usize::MAX),
        )
        .unwrap_or(u32::MAX);
        Self { slots, slot_bytes }.checked()
    }

    /// Itself, when in range.
    pub fn checked(self) -> Result<Self, PoolError> {
        let Self { slots, slot_bytes } = self;
        let fits = (1..=MAX_SLOTS).contains(&slots)
            && (PAGE..=MAX_SLOT_BYTES).contains(&slot_bytes)
            && slot_bytes % PAGE == 0;
        if fits {
            Ok(self)
        } else {
            Err(PoolError::Geometry { slots, slot_bytes })
        }
    }

    /// Bytes of the whole pool.
    #[must_use]
    pub fn total_bytes(self) -> usize {
        self.slots as usize * self.slot_bytes as usize
    }

    fn offset(self, slot: u32) -> usize {
        assert!(slot < self.slots, "the slot exists");
        slot as usize * self.slot_bytes as usize
    }
}

/// A pool that this process lends. Only it can write the memory; whoever gets the descriptor can read it.
///
/// Cloning shares the pool. The memory goes when the last clone, [`Loan`] and [`Lease`] are gone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    map: Mapping,
    fd: OwnedFd,
    geometry: Geometry,
    slots: Vec<LeaseCount>,
    freed: Mutex<()>,
    free_again: Condvar,
}

impl Pool {
    /// A new pool, sealed so that no other process can write it or change its length.
    pub fn create(geometry: Geometry) -> Result<Self, PoolError> {
        let geometry = geometry.checked()?;
        let fd = memfd_create(
            "framerill-pool",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )
        .map_err(kernel("create"))?;
        ftruncate(&fd, geometry.total_bytes() as u64).map_err(kernel("size"))?;
        let map = Mapping::new(&fd, geometry.total_bytes(), true).map_err(kernel("map"))?;
        // After this only the mapping above can write.
        fcntl_add_seals(&fd, SEALS | SealFlags::SEAL).map_err(kernel("seal"))?;
        let slots = (0..geometry.slots).map(|_| LeaseCount::default()).collect();
        Ok(Self(Arc::new(Inner {
            map,
            fd,
            geometry,
            slots,
            freed: Mutex::new(()),
            free_again: Condvar::new(),
        })))
    }

    /// How the pool is divided.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.0.geometry
    }

    /// The memory, for the peer.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }

    /// A free slot to write, if there is one.
    #[must_use]
    pub fn loan(&self) -> Option<Loan> {
        let slot = (0..self.0.geometry.slots).find(|&slot| self.0.slots[slot as usize].loan())?;
        Some(Loan {
            inner: Some(Arc::clone(&self.0)),
            slot,
        })
    }

    /// A free slot to write, once there is one; none when `within` has passed.
    #[must_use]
    pub fn loan_within(&self, within: Duration) -> Option<Loan> {
        if let Some(loan) = self.loan() {
            return Some(loan);
        }
        let guard = self
            .0
            .freed
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        let mut loan = None;
        let _guard = self
            .0
            .free_again
            .wait_timeout_while(guard, within, |_: &mut ()| {
                loan = self.loan();
                loan.is_none()
            });
        loan
    }

    /// Slots that nobody holds.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.0.slots.iter().filter(|slot| slot.is_free()).count()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("geometry", &self.0.geometry)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn wake(&self) {
        // The lock orders this wake-up after a waiter's last look.
        drop(
            self.freed
                .lock()
                .unwrap_or_else(|poison| poison.into_inner()),
        );
        self.free_again.notify_one();
    }
}

/// A slot that is being written: the caller's alone. Dropped unpublished, it is free again.
pub struct Loan {
    inner: Option<Arc<Inner>>,
    slot: u32,
}

impl Loan {
    /// Its number.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The picture is complete: from now on it can only be read.
    #[must_use]
    pub fn publish(mut self) -> Lease {
        let inner = self.inner.take().expect("held until published or dropped");
        inner.slots[self.slot as usize].publish();
        Lease {
            inner,
            slot: self.slot,
        }
    }

    fn inner(&self) -> &Inner {
        self.inner
            .as_deref()
            .expect("held until published or dropped")
    }
}

impl Deref for Loan {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let geometry = self.inner().geometry;
        #[expect(unsafe_code, reason = "the slot's state makes the slice sound")]
        // SAFETY: the slot is in state `writing` and this loan, which is borrowed, is its only owner; the seal keeps other
        // processes from writing.
        unsafe {
            self.inner()
                .map
                .slice(geometry.offset(self.slot), geometry.slot_bytes as usize)
        }
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut [u8] {
        let geometry = self.inner().geometry;
        #[expect(unsafe_code, reason = "the slot's state makes the slice sound")]
        // SAFETY: the slot is in state `writing` and this loan, which is borrowed mutably, is its only owner; the seal keeps
        // other processes from writing.
        unsafe {
            self.inner()
                .map
                .slice_mut(geometry.offset(self.slot), geometry.slot_bytes as usize)
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            inner.slots[self.slot as usize].abandon();
            inner.wake();
        }
    }
}

/// A published slot that is being read. The slot is free again when its last lease is dropped.
pub struct Lease {
    inner: Arc<Inner>,
    slot: u32,
}

impl Lease {
    /// Its number.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Its first `bytes`, with what lies behind them as slack. Panics when it has fewer.
    #[must_use]
    pub fn foreign(&self, bytes: usize) -> Foreign<'_> {
        let geometry = self.inner.geometry;
        assert!(bytes <= geometry.slot_bytes as usize, "the slot has them");
        self.inner.map.foreign(geometry.offset(self.slot), bytes)
    }

    /// Whether it is a slot of `pool`.
    #[must_use]
    pub fn is_of(&self, pool: &Pool) -> bool {
        Arc::ptr_eq(&self.inner, &pool.0)
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        let acquired = self.inner.slots[self.slot as usize].acquire();
        assert!(acquired, "a slot with a lease can be leased again");
        Self {
            inner: Arc::clone(&self.inner),
            slot: self.slot,
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let geometry = self.inner.geometry;
        #[expect(unsafe_code, reason = "the slot's state makes the slice sound")]
        // SAFETY: the slot has at least this lease, so that no loan of it exists; the seal keeps other processes from writing.
        unsafe {
            self.inner
                .map
                .slice(geometry.offset(self.slot), geometry.slot_bytes as usize)
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.inner.slots[self.slot as usize].release() {
            self.inner.wake();
        }
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

const SEALS: SealFlags = SealFlags::FUTURE_WRITE
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW);

/// A pool that a peer lends to this process: read-only here, and the peer may write it at any time.
#[derive(Debug)]
pub struct PeerPool {
    map: Mapping,
    geometry: Geometry,
}

impl PeerPool {
    /// Maps what a peer sent, after a look at its seals and its length.
    pub fn open(fd: &OwnedFd, geometry: Geometry) -> Result<Self, PoolError> {
        let geometry = geometry.checked()?;
        let seals = fcntl_get_seals(fd).map_err(kernel("inspect"))?;
        if !seals.contains(SEALS) {
            return Err(PoolError::Unsealed);
        }
        let expected = geometry.total_bytes() as u64;
        let actual = u64::try_from(fstat(fd).map_err(kernel("inspect"))?.st_size).unwrap_or(0);
        if actual < expected {
            return Err(PoolError::Short { expected, actual });
        }
        let map = Mapping::new(fd, geometry.total_bytes(), false).map_err(kernel("map"))?;
        Ok(Self { map, geometry })
    }

    /// How the pool is divided.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The first `bytes` of a slot; none when the peer named one that does not exist or is shorter.
    #[must_use]
    pub fn slot(&self, slot: u32, bytes: usize) -> Option<Foreign<'_>> {
        let inside = slot < self.geometry.slots && bytes <= self.geometry.slot_bytes as usize;
        inside.then(|| self.map.foreign(self.geometry.offset(slot), bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pool(slots: u32) -> Pool {
        Pool::create(Geometry::for_pictures(slots, 5000).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_before_publishing_is_what_the_peer_reads() {
        let pool = pool(2);
        let peer =
            PeerPool::open(&pool.fd().try_clone_to_owned().unwrap(), pool.geometry()).unwrap();
        let mut loan = pool.loan().unwrap();
        loan[..3].copy_from_slice(b"abc");
        let lease = loan.publish();
        let mut seen = [0; 3];
        peer.slot(lease.slot(), 3).unwrap().copy_to(0, &mut seen);
        assert_eq!(&seen, b"abc");
        assert_eq!(&lease[..3], b"abc");
    }

    #[test]
    fn a_slot_is_free_only_after_its_last_lease() {
        let pool = pool(1);
        let lease = pool.loan().unwrap().publish();
        let second = lease.clone();
        drop(lease);
        assert!(pool.loan().is_none());
        drop(second);
        assert!(pool.loan().is_some());
    }

    #[test]
    fn a_loan_that_is_dropped_is_free_again() {
        let pool = pool(1);
        drop(pool.loan());
        assert_eq!(pool.free_slots(), 1);
    }

    #[test]
    fn a_writer_that_waits_is_woken_by_the_last_lease() {
        let pool = pool(1);
        let lease = pool.loan().unwrap().publish();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.loan_within(Duration::from_secs(20)).is_some());
            drop(lease);
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn a_writer_that_waits_in_vain_stops_at_its_deadline() {
        let pool = pool(1);
        let _lease = pool.loan().unwrap().publish();
        assert!(pool.loan_within(Duration::from_millis(5)).is_none());
    }

    #[test]
    fn the_peer_can_neither_write_nor_shrink_the_memory() {
        let pool = pool(1);
        let fd = pool.fd().try_clone_to_owned().unwrap();
        assert!(Mapping::new(&fd, 4096, true).is_err());
        assert!(ftruncate(&fd, 0).is_err());
        assert!(std::fs::File::from(fd).write(b"x").is_err());
    }

    #[test]
    fn memory_that_is_not_sealed_or_too_short_is_refused() {
        let geometry = Geometry::for_pictures(1, 1).unwrap();
        let fd = memfd_create("t", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, 4096).unwrap();
        assert!(matches!(
            PeerPool::open(&fd, geometry),
            Err(PoolError::Unsealed)
        ));
        fcntl_add_seals(&fd, SEALS).unwrap();
        let more = Geometry {
            slots: 2,
            slot_bytes: 4096,
        };
        assert!(matches!(
            PeerPool::open(&fd, more),
            Err(PoolError::Short { .. })
        ));
        assert!(PeerPool::open(&fd, geometry).is_ok());
    }

    #[test]
    fn vector_code_may_overshoot_the_last_slot_of_a_full_pool() {
        let own = pool(1);
        let geometry = own.geometry();
        let peer = PeerPool::open(&own.fd().try_clone_to_owned().unwrap(), geometry).unwrap();
        let whole = geometry.slot_bytes as usize;
        let lease = own.loan().unwrap().publish();
        for last in [peer.slot(0, whole).unwrap(), lease.foreign(whole)] {
            assert!(last.slack() >= OVERSHOOT);
            #[expect(unsafe_code, reason = "the claim is that this read is sound")]
            // SAFETY: slack can be read; nobody writes what lies behind a mapping.
            let behind = unsafe { last.as_ptr().add(whole).cast::<[u8; OVERSHOOT]>().read() };
            assert_eq!(behind, [0; OVERSHOOT]);
        }
    }

    #[test]
    fn a_picture_of_whole_pages_leaves_room_behind_it() {
        let geometry = Geometry::for_pictures(2, 512 * 512 * 3).unwrap();
        assert!(geometry.slot_bytes as usize >= 512 * 512 * 3 + OVERSHOOT);
    }

    #[test]
    fn a_slot_that_does_not_exist_is_none() {
        let pool = pool(2);
        let peer =
            PeerPool::open(&pool.fd().try_clone_to_owned().unwrap(), pool.geometry()).unwrap();
        assert!(peer.slot(2, 1).is_none());
        assert!(peer.slot(1, 8193).is_none());
        assert!(peer.slot(1, 8192).is_some());
    }

    #[test]
    fn geometry_out_of_range_is_refused() {
        for (slots, slot_bytes) in [(0, 4096), (65, 4096), (1, 0), (1, 4097), (1, u32::MAX)] {
            assert!(Geometry { slots, slot_bytes }.checked().is_err());
        }
        assert!(Geometry::for_pictures(1, usize::MAX / 2).is_err());
    }
}
