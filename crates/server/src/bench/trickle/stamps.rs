//! Times inside the bytes: when a write was made is read from the write itself.

/// Bytes of a stamp.
const STAMP: usize = 8;

/// Writes a stamp, in nanoseconds, to the front of a write.
pub(super) fn stamp(write: &mut [u8], now_ns: u64) {
    write[..STAMP].copy_from_slice(&now_ns.to_le_bytes());
}

/// Finds the stamps in a stream of writes of one size.
pub(super) struct Stamps {
    write_bytes: usize,
    at: usize,
    partial: [u8; STAMP],
}

impl Stamps {
    pub(super) fn new(write_bytes: usize) -> Self {
        Self {
            write_bytes,
            at: 0,
            partial: [0; STAMP],
        }
    }

    /// Takes bytes as they come and names the stamp of each write that became readable with them.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut found: impl FnMut(u64)) {
        while !bytes.is_empty() {
            let of_stamp = STAMP.saturating_sub(self.at).min(bytes.len());
            let of_rest = (self.write_bytes - self.at).min(bytes.len());
            if of_stamp > 0 {
                self.partial[self.at..self.at + of_stamp].copy_from_slice(&bytes[..of_stamp]);
                self.at += of_stamp;
                bytes = &bytes[of_stamp..];
                if self.at == STAMP {
                    found(u64::from_le_bytes(self.partial));
                }
            } else {
                self.at = (self.at + of_rest) % self.write_bytes;
                bytes = &bytes[of_rest..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_however_the_bytes_are_cut() {
        let writes: Vec<u8> = (1..=3_u64)
            .flat_map(|n| n.to_le_bytes().into_iter().chain([9; 13]))
            .collect();
        for cut in 1..writes.len() {
            let mut stamps = Stamps::new(21);
            let mut found = Vec::new();
            for piece in writes.chunks(cut) {
                stamps.take(piece, |stamp| found.push(stamp));
            }
            assert_eq!(found, [1, 2, 3]);
        }
    }
}
