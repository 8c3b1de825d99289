//! Counts in sentences.

/// A count with its word: `1 video`, `2 videos`.
///
/// ```
/// # use framerill_media::counted;
/// assert_eq!(counted(1, "frame was lost", "frames were lost"), "1 frame was lost");
/// assert_eq!(counted(0, "video", "videos"), "0 videos");
/// ```
#[must_use]
pub fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
