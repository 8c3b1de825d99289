//! Pictures in shared memory, and the notices that travel about them.
//!
//! Read in this order: [`Pool`] (slots that this process lends), [`Loan`] (a slot being written),
//! [`Lease`] (a slot being read), [`PeerPool`] (the other side's slots), [`Descriptor`] and [`Link`]
//! (the notices), [`Queue`] (what waits, and by which policy), [`convert`] (u8 and f32 samples). Of a reader of files:
//! [`ReaderLink`] (who hands its frames on), [`SharedPool`] (who looks at them).
//!
//! Invariant: a picture is written once; after that only descriptors travel. Memory that a peer may
//! write is never a Rust slice. The workspace's unsafe code lives here, in [`memory`](self) and
//! [`convert`], and in one module of `av`.

pub mod convert;
mod descriptor;
mod lease;
mod link;
#[expect(
    unsafe_code,
    reason = "maps shared memory; each block says why it is sound"
)]
mod memory;
mod pool;
mod queue;
mod reader_link;
mod shared_pool;

pub use descriptor::{
    BYTES as DESCRIPTOR_BYTES, Descriptor, DescriptorError, Flags, Kind, MAX_PARENTS, MessageType,
    SkipReason,
};
pub use lease::{AtomicCount, LeaseCount};
pub use link::{Link, LinkError};
pub use memory::{Foreign, OVERSHOOT};
pub use pool::{Geometry, Lease, Loan, MAX_SLOTS, PeerPool, Pool, PoolError};
pub use queue::{Policy, Pushed, Queue};
pub use reader_link::{
    Broken, DeliveredFrame, FromReader, Ledger, Notice, ReaderLink, ReaderLinkError,
};
pub use shared_pool::{SharedPicture, SharedPool};
