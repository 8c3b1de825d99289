//! What is asked of a server.

use std::time::Duration;

/// One load: channels that each have one publisher and some readers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Its name in reports.
    pub(super) name: &'static str,
    /// Channels.
    pub(super) channels: u32,
    /// Readers of each channel.
    pub(super) readers: u32,
    /// Bytes of a segment: a multiple of `write_bytes`.
    pub(super) segment_bytes: usize,
    /// Bytes of one write to the socket. Each begins with the time at which it was due to be read.
    pub(super) write_bytes: usize,
    /// How long a segment lasts; its writes are spread evenly. Zero: as fast as the readers take it.
    pub(super) segment: Duration,
    /// Segments of each channel that are not measured, at the start.
    pub(super) warm_up: u64,
}

impl Load {
    /// Writes of one segment.
    pub(super) fn writes(&self) -> u64 {
        (self.segment_bytes / self.write_bytes) as u64
    }

    /// Whether writes have a time at which they are due.
    pub(super) fn is_paced(&self) -> bool {
        !self.segment.is_zero()
    }

    /// Segments of each channel when the whole lasts about so long.
    pub(super) fn segments(&self, seconds: u32) -> u64 {
        let measured = if self.is_paced() {
            (f64::from(seconds) / self.segment.as_secs_f64()).ceil()
        } else {
            // Gigabytes to all readers together, whatever their number.
            let delivered = 0.25e9 * f64::from(seconds) / f64::from(self.readers);
            (delivered / self.segment_bytes as f64).ceil().max(4.0)
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let measured = measured as u64;
        self.warm_up + measured
    }
}

const fn small(name: &'static str, channels: u32) -> Load {
    Load {
        name,
        channels,
        readers: 1,
        segment_bytes: 64 << 10,
        write_bytes: 4 << 10,
        segment: Duration::from_secs(1),
        warm_up: 1,
    }
}

const fn bulk(name: &'static str, readers: u32) -> Load {
    Load {
        name,
        channels: 1,
        readers,
        segment_bytes: 16 << 20,
        write_bytes: 64 << 10,
        segment: Duration::ZERO,
        warm_up: 1,
    }
}

/// The loads of SPECIFICATION.md.
pub(super) const LOADS: [Load; 7] = [
    small("200 channels", 200),
    Load {
        segment_bytes: 64 << 10,
        write_bytes: 8 << 10,
        segment: Duration::from_millis(20),
        warm_up: 25,
        ..small("50 segments a second", 1)
    },
    Load {
        readers: 64,
        segment_bytes: 250_000,
        write_bytes: 31_250,
        segment: Duration::from_millis(200),
        warm_up: 5,
        ..small("64 readers", 1)
    },
    bulk("bulk, 1 reader", 1),
    bulk("bulk, 8 readers", 8),
    bulk("bulk, 64 readers", 64),
    small("800 channels", 800),
];
