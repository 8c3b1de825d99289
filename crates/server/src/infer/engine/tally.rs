//! A stream's counters over all of its media processes: each of them counts from nothing, and the stream's never fall. Pure.

use framerill_worker::message::MediaStats;

/// What a stream's media processes counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Of those that are gone.
    before: MediaStats,
    /// Of all.
    whole: MediaStats,
}

impl Tally {
    /// New counters of the media process that runs.
    pub(super) fn take(&mut self, now: MediaStats) {
        self.whole = joined(&self.before, now);
    }

    /// It is gone: the next one begins anew.
    pub(super) fn media_lost(&mut self) {
        self.whole = joined(&self.whole, MediaStats::default());
        self.before = self.whole.clone();
    }

    /// Of all of them together; what is no counter is the newest one's.
    pub(super) fn whole(&self) -> &MediaStats {
        &self.whole
    }
}

fn joined(before: &MediaStats, now: MediaStats) -> MediaStats {
    let sum = |it: fn(&MediaStats) -> u64| it(before).saturating_add(it(&now));
    MediaStats {
        decoded: sum(|it| it.decoded),
        delivered: sum(|it| it.delivered),
        answered: sum(|it| it.answered),
        encoded: sum(|it| it.encoded),
        dropped: sum(|it| it.dropped),
        skipped: sum(|it| it.skipped),
        late: sum(|it| it.late),
        filler: sum(|it| it.filler),
        held: sum(|it| it.held),
        failed: sum(|it| it.failed),
        dropped_latest: sum(|it| it.dropped_latest),
        dropped_unseen: sum(|it| it.dropped_unseen),
        dropped_order: sum(|it| it.dropped_order),
        capped: sum(|it| it.capped),
        damaged: sum(|it| it.damaged),
        jumps: sum(|it| it.jumps),
        picture_gaps: sum(|it| it.picture_gaps),
        sound_gaps: sum(|it| it.sound_gaps),
        sound_dropped: sum(|it| it.sound_dropped),
        decoded_seconds: now.decoded_seconds.max(before.decoded_seconds),
        encoded_seconds: now.encoded_seconds.max(before.encoded_seconds),
        // A new process knows its offset with its first picture, and what it wrote with the first one written.
        offset: if now.decoded > 0 {
            now.offset
        } else {
            before.offset
        },
        written_pts: now.written_pts.or(before.written_pts),
        waiting: now.waiting,
        fps: now.fps,
        finished: now.finished,
        latency_ms: now.latency_ms,
        av_offset_ms: now.av_offset_ms,
        held_seconds: now.held_seconds,
        reader: now.reader,
        excerpt: now.excerpt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(decoded: u64, offset: i64, written_pts: Option<i64>) -> MediaStats {
        MediaStats {
            decoded,
            answered: decoded / 2,
            dropped_latest: 1,
            waiting: 3,
            offset,
            written_pts,
            ..MediaStats::default()
        }
    }

    #[test]
    fn counters_go_on_over_two_deaths_of_media_and_no_frame_id_comes_twice() {
        let mut tally = Tally::default();
        let mut first_ids = Vec::new();
        for _ in 0..3 {
            first_ids.push(tally.whole().decoded);
            for decoded in [0, 40, 100] {
                let before = tally.whole().clone();
                tally.take(counted(decoded, 0, None));
                let now = tally.whole();
                assert!(now.decoded >= before.decoded && now.answered >= before.answered);
            }
            tally.media_lost();
        }
        assert_eq!(first_ids, [0, 100, 200]);
        let whole = tally.whole();
        assert_eq!(
            (whole.decoded, whole.answered, whole.dropped_latest),
            (300, 150, 3)
        );
    }

    #[test]
    fn between_two_media_processes_nothing_waits() {
        let mut tally = Tally::default();
        tally.take(counted(10, 0, None));
        assert_eq!(tally.whole().waiting, 3);
        tally.media_lost();
        assert_eq!(tally.whole().waiting, 0);
    }

    #[test]
    fn a_media_process_that_dies_before_its_first_picture_leaves_the_streams_time_as_it_was() {
        let mut tally = Tally::default();
        tally.take(counted(10, 90_000, Some(1 << 40)));
        tally.media_lost();
        tally.take(counted(0, 0, None));
        tally.media_lost();
        let whole = tally.whole();
        assert_eq!((whole.offset, whole.written_pts), (90_000, Some(1 << 40)));
    }

    #[test]
    fn a_process_that_lies_about_its_counts_breaks_nothing() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.take(counted(u64::MAX, 0, None));
            tally.media_lost();
        }
        assert_eq!(tally.whole().decoded, u64::MAX);
    }
}
