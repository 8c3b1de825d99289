use std::{ops::Range, time::Duration};

/// What a network does to those who use it. Odds are "once in so many times"; 0 is never.
#[derive(Clone, Debug)]
pub struct Weather {
    /// From one end to the other, anew for every value. Values of one connection keep their order; those of different
    /// connections overtake each other.
    pub delay: Range<Duration>,
    /// How often a value, and what is behind it, takes much longer.
    pub late: u64,
    /// How much longer.
    pub lateness: Range<Duration>,
    /// What one direction of a connection holds: sent and not taken yet, in the units that `send` is told.
    pub window: usize,
    /// How often a connection is refused.
    pub refused: u64,
    /// How often a request for a connection is not heard: nothing comes of it, not even a refusal.
    pub unheard: u64,
    /// How often a connection breaks with the value that is sent.
    pub broken: u64,
    /// How often a connection breaks by itself, within `life` of its start.
    pub mortal: u64,
    /// Within which time.
    pub life: Duration,
    /// After what time an end that hears nothing of a break is told all the same, as by the probes of its kernel.
    pub patience: Duration,
}

impl Weather {
    /// Short delays, no faults, room for `window`.
    #[must_use]
    pub fn fair(window: usize) -> Self {
        Self {
            delay: Duration::from_micros(100)..Duration::from_millis(2),
            late: 0,
            lateness: Duration::ZERO..Duration::ZERO,
            window,
            refused: 0,
            unheard: 0,
            broken: 0,
            mortal: 0,
            life: Duration::ZERO,
            patience: Duration::from_secs(60),
        }
    }
}

/// How a connection breaks. What is on its way is lost in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both ends see it at once.
    Seen,
    /// One end, of either side, sees it at once and the other one later, within the network's patience.
    HalfSeen,
    /// It is half open: what is sent vanishes, and no end sees it before the network's patience is over.
    Unseen,
}

/// What a node does with those who want to connect to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// They get in.
    Open,
    /// They are refused.
    Shut,
    /// They are not heard.
    Mute,
}
