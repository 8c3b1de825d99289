use std::time::Duration;

use crate::wire::Seq;

/// The number of a publisher's first segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// This one. Known clients begin at 0, also after a restart.
    At(Seq),
    /// The one that the channel would take next; asked for before the first POST.
    Upcoming,
}

/// What gives way when the caller makes bytes faster than the connection takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backpressure {
    /// The caller waits. Nothing is dropped.
    Block,
    /// The oldest segments that have not begun on the wire, then the one that is being sent.
    DropOldest,
    /// The newest segment, from the byte on that has no room.
    DropNewest,
    /// Every segment that has not begun on the wire when the next one begins; without room, as `DropOldest`.
    LatestOnly,
}

/// The bounds and the deadlines of a publisher.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The first number.
    pub start: Start,
    /// The first POST carries `Lp-Trickle-Reset`: readers that hang in what an earlier publisher left go on.
    pub reset: bool,
    /// The channel is created at the start, and again when it is gone, for instance after a restart of the server.
    pub create: bool,
    /// The channel is deleted at the close. Without it readers wait for a publisher to come back.
    pub delete: bool,
    /// What gives way.
    pub backpressure: Backpressure,
    /// Most bytes that wait to be sent.
    pub buffer_bytes: usize,
    /// Most segments that wait to be sent, the present one included; 2 at least.
    pub buffer_segments: usize,
    /// The pause before another try of anything, of which half is random; it doubles from there.
    pub retry_pause: Duration,
    /// The longest pause between two tries; by default it does not grow.
    pub retry_cap: Duration,
    /// How long nothing may succeed, and no byte leave, before the publisher ends.
    pub give_up: Duration,
    /// From the start of an exchange until its request is sent.
    pub connect_time: Duration,
    /// How long a connection may take no byte of a body that has bytes.
    pub write_time: Duration,
    /// From the end of a body to its answer.
    pub answer_time: Duration,
    /// From the close until everything is sent and answered, and as long again for the channel's delete.
    pub drain_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            start: Start::At(Seq::ZERO),
            reset: false,
            create: false,
            delete: true,
            backpressure: Backpressure::Block,
            buffer_bytes: 16 * 1024 * 1024,
            buffer_segments: 16,
            retry_pause: Duration::from_millis(250),
            retry_cap: Duration::from_millis(250),
            give_up: Duration::from_secs(60),
            connect_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(10),
        }
    }
}
