//! What segments hold: a function of the segment and of the place in it, so that a byte that is missing, repeated or out
//! of place shows.

use bytes::Bytes;

/// No segment but the empty one is shorter; the first bytes tell which it is.
pub(crate) const LEAST: u64 = 8;

/// Bytes `from..from + len` of the caller's segment `index`.
pub(crate) fn piece(index: u64, from: u64, len: usize) -> Bytes {
    (from..).take(len).map(|at| byte(index, at)).collect()
}

/// Which segment begins like this.
pub(crate) fn index_of(beginning: &[u8]) -> Option<u64> {
    let index = beginning.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*index))
}

/// Where `bytes` first differ from what stands at `from` in the segment.
pub(crate) fn difference(index: u64, from: u64, bytes: &[u8]) -> Option<u64> {
    let mut expected = (from..).map(|at| (at, byte(index, at)));
    let found = bytes
        .iter()
        .zip(&mut expected)
        .find(|(is, (_, be))| *is != be);
    found.map(|(_, (at, _))| at)
}

fn byte(index: u64, at: u64) -> u8 {
    let word = match at / 8 {
        0 => index,
        word => (index << 24 | word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .swap_bytes(),
    };
    word.to_le_bytes()[usize::try_from(at % 8).unwrap_or_default()]
}
