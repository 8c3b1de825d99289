//! What a stream's watcher is told of its input and its output, by what is counted: no picture for a while, segments that are
//! missing, a clock that jumps, a source that becomes another one, an output that nobody takes. Pure.

use std::time::Duration;

use framerill_worker::message::SourceInfo;

/// An input without a picture for this long is told.
const NO_PICTURE_AFTER: Duration = Duration::from_secs(5);
/// An input without a byte for this long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(2);
/// An output of which nothing is delivered is told again and again, this far apart.
const UNDELIVERED_EVERY: Duration = Duration::from_secs(10);
/// Counts of the same kind are told no closer together than this.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// Ticks of a second.
const TICKS: f64 = 90_000.0;

/// Counters of a stream since its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Pictures that were decoded, those beyond the rate too.
    pub(super) pictures: u64,
    pub(super) bytes_in: u64,
    pub(super) segments_missing: u64,
    pub(super) jumps: u64,
    /// What is added to the source's times now, in ticks of 1/90000 s.
    pub(super) offset: i64,
    pub(super) segments_out: u64,
    pub(super) segments_lost: u64,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By an event, and the log.
    Trouble(String),
    /// By the log alone.
    Over(String),
}

/// The machine of one stream.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    last: Counts,
    /// None before the first look.
    picture_at: Option<Duration>,
    byte_at: Duration,
    is_silence_told: bool,
    is_input_over: bool,
    missing: Counter,
    jumps: Counter,
    /// The offset when no jump was left to be told.
    offset: i64,
    /// The last delivery; none before the first look.
    delivered_at: Option<Duration>,
    undelivered_told: Option<Duration>,
    /// Segments that were lost when something was delivered last, and when that was told last.
    lost_before: u64,
    lost_told: u64,
    video: Option<(String, u32, u32)>,
    sound: Option<String>,
}

/// How much of a counter was told, and when.
#[derive(Debug, Default)]
struct Counter {
    told: u64,
    at: Option<Duration>,
}

impl Counter {
    /// What is to be told of it now; 0 is nothing.
    fn take(&mut self, now: Duration, count: u64) -> u64 {
        if count == self.told || self.at.is_some_and(|at| now < at + COUNTS_EVERY) {
            return 0;
        }
        self.at = Some(now);
        count.saturating_sub(std::mem::replace(&mut self.told, count))
    }
}

impl Troubles {
    /// Takes in how it stands.
    pub(super) fn look(&mut self, now: Duration, counts: Counts) -> Vec<Told> {
        let mut told = Vec::new();
        told.extend(self.input(now, counts));
        let missing = self.missing.take(now, counts.segments_missing);
        if missing > 0 {
            told.push(Told::Trouble(format!(
                "Error reading input: {missing} segments are skipped, the channel no longer has them; it goes on with the next one that is there"
            )));
        }
        // A track may jump to where the others are: then nothing is offset.
        let has_jumped = self.jumps.take(now, counts.jumps) > 0;
        if has_jumped && counts.offset != self.offset {
            told.push(Told::Trouble(jump(self.offset, counts.offset)));
        }
        if counts.jumps == self.jumps.told {
            self.offset = counts.offset;
        }
        told.extend(self.output(now, counts));
        self.last = counts;
        told
    }

    /// Nothing more comes in, which is told elsewhere.
    pub(super) fn input_is_over(&mut self) {
        self.is_input_over = true;
    }

    /// Whether nothing more comes in.
    pub(super) fn is_input_over(&self) -> bool {
        self.is_input_over
    }

    /// What the source is from here on. What is to be told, if it was another one before.
    pub(super) fn source(&mut self, it: &SourceInfo) -> Option<String> {
        let codec = it.video.clone().filter(|_| it.source_width > 0);
        let video = codec.map(|codec| (codec, it.source_width, it.source_height));
        let sound = it.audio.as_ref().map(|it| it.codec.clone());
        let mut changes = Vec::new();
        if let Some(new) = &video
            && let Some(old) = self.video.as_ref().filter(|old| *old != new)
        {
            let text = |(codec, width, height): &(String, u32, u32)| {
                format!("{codec} of {width}×{height}")
            };
            changes.push(format!("pictures from {} to {}", text(old), text(new)));
        }
        if let Some(new) = &sound
            && let Some(old) = self.sound.as_ref().filter(|old| *old != new)
        {
            changes.push(format!("sound from {old} to {new}"));
        }
        self.video = video.or(self.video.take());
        self.sound = sound.or(self.sound.take());
        (!changes.is_empty()).then(|| {
            format!(
                "Error reading input: the source changed, {}; the output goes on as it was",
                changes.join(" and ")
            )
        })
    }

    fn input(&mut self, now: Duration, counts: Counts) -> Option<Told> {
        if counts.bytes_in != self.last.bytes_in {
            self.byte_at = now;
        }
        let since = *self.picture_at.get_or_insert(now);
        let lasts = now.saturating_sub(since);
        if counts.pictures != self.last.pictures {
            self.picture_at = Some(now);
            return std::mem::take(&mut self.is_silence_told).then(|| {
                Told::Over(format!(
                    "the input is back: the first picture for {} s",
                    lasts.as_secs()
                ))
            });
        }
        if self.is_input_over || self.is_silence_told || lasts < NO_PICTURE_AFTER {
            return None;
        }
        self.is_silence_told = true;
        let lasts = lasts.as_secs();
        let is_silent = now.saturating_sub(self.byte_at) >= SILENT_AFTER || counts.bytes_in == 0;
        Some(Told::Trouble(if is_silent {
            format!(
                "Error reading input: nothing came for {lasts} s; it is waited for, and ends the stream after a minute: see whether its publisher sends"
            )
        } else {
            format!(
                "Error reading input: no picture could be decoded for {lasts} s, though bytes come; send MPEG-TS with H.264 or HEVC that begins at a keyframe"
            )
        }))
    }

    fn output(&mut self, now: Duration, counts: Counts) -> Option<Told> {
        let since = *self.delivered_at.get_or_insert(now);
        if counts.segments_out != self.last.segments_out {
            self.delivered_at = Some(now);
            self.lost_before = counts.segments_lost;
            self.lost_told = counts.segments_lost;
            let lasts = now.saturating_sub(since).as_secs();
            return self.undelivered_told.take().map(|_| {
                Told::Over(format!(
                    "the output is taken again, after {lasts} s without a segment"
                ))
            });
        }
        let last = self.undelivered_told.unwrap_or(since);
        if counts.segments_lost == self.lost_told || now < last + UNDELIVERED_EVERY {
            return None;
        }
        self.undelivered_told = Some(now);
        self.lost_told = counts.segments_lost;
        Some(Told::Trouble(format!(
            "Error writing output: nothing could be delivered for {} s, {} segments of it are lost; it is tried again: see whether the server of `publish_url` runs and takes segments",
            now.saturating_sub(since).as_secs(),
            counts.segments_lost.saturating_sub(self.lost_before)
        )))
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a clock that wraps")]
fn jump(before: i64, offset: i64) -> String {
    let by = before.saturating_sub(offset) as f64 / TICKS;
    let (ahead, by) = if by < 0.0 {
        ("back", -by)
    } else {
        ("ahead", by)
    };
    let offset = offset as f64 / TICKS;
    format!(
        "Error reading input: the source's clock jumped {ahead} by {by:.3} s; the output's times run on, {offset:+.3} s from the source's"
    )
}

#[cfg(test)]
mod tests {
    use framerill_worker::message::SourceAudio;
    use proptest::prelude::*;

    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What is told while every quarter of a second so much more of everything is counted.
    struct Stream {
        troubles: Troubles,
        counts: Counts,
        now: u64,
        told: Vec<(u64, Told)>,
    }

    impl Stream {
        fn new() -> Self {
            let mut it = Self {
                troubles: Troubles::default(),
                counts: Counts::default(),
                now: 0,
                told: Vec::new(),
            };
            it.run(1, |_| {});
            it
        }

        fn run(&mut self, seconds: u64, mut grow: impl FnMut(&mut Counts)) {
            for _ in 0..4 * seconds {
                self.now += 250;
                grow(&mut self.counts);
                let told = self.troubles.look(at(self.now), self.counts);
                self.told.extend(told.into_iter().map(|it| (self.now, it)));
            }
        }

        fn troubles(&self) -> Vec<&str> {
            let troubles = self.told.iter().filter_map(|(_, it)| match it {
                Told::Trouble(what) => Some(what.as_str()),
                Told::Over(_) => None,
            });
            troubles.collect()
        }
    }

    fn flows(it: &mut Counts) {
        it.pictures += 6;
        it.bytes_in += 9000;
    }

    #[test]
    fn an_input_that_never_speaks_is_told_once_after_five_seconds() {
        let mut stream = Stream::new();
        stream.run(50, |_| {});
        assert_eq!(stream.troubles().len(), 1);
        assert_eq!(stream.told[0].0, 250 + 5000);
        assert!(stream.troubles()[0].starts_with("Error reading input: nothing came for 5 s;"));
    }

    #[test]
    fn silence_and_bytes_without_a_picture_are_told_apart_and_their_end_is_logged() {
        let mut stream = Stream::new();
        stream.run(3, flows);
        stream.run(9, |_| {});
        stream.run(3, flows);
        stream.run(9, |it| it.bytes_in += 100);
        stream.run(3, flows);
        let troubles = stream.troubles();
        assert_eq!(troubles.len(), 2, "{troubles:?}");
        assert!(troubles[0].contains("nothing came"), "{troubles:?}");
        assert!(
            troubles[1].contains("no picture could be decoded"),
            "{troubles:?}"
        );
        let over = stream
            .told
            .iter()
            .filter(|(_, it)| matches!(it, Told::Over(_)));
        assert_eq!(over.count(), 2);
    }

    #[test]
    fn the_end_of_an_input_is_no_silence() {
        let mut stream = Stream::new();
        stream.run(3, flows);
        stream.troubles.input_is_over();
        stream.run(30, |_| {});
        assert_eq!(stream.told, []);
    }

    #[test]
    fn segments_that_are_missing_are_counted_and_told_once_a_second() {
        let mut stream = Stream::new();
        stream.run(4, |it| {
            flows(it);
            it.segments_missing += 2;
        });
        stream.run(3, flows);
        let told = stream.troubles();
        assert_eq!(told.len(), 5, "{told:?}");
        let counts = told.iter().map(|it| {
            let digits: String = it.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap()
        });
        assert_eq!(counts.sum::<u64>(), stream.counts.segments_missing);
    }

    #[test]
    fn a_jump_of_the_clock_is_told_with_its_offset_and_a_wrap_is_not() {
        let mut stream = Stream::new();
        stream.run(1, flows);
        // One that offsets nothing is none.
        stream.counts.jumps += 1;
        stream.run(2, flows);
        stream.counts.jumps += 1;
        stream.counts.offset = -3600 * 90_000;
        stream.run(2, flows);
        stream.counts.offset += 1 << 33;
        stream.run(2, flows);
        stream.counts.jumps += 1;
        stream.run(2, flows);
        let told = stream.troubles();
        assert_eq!(
            told,
            [
                "Error reading input: the source's clock jumped ahead by 3600.000 s; the output's times run on, -3600.000 s from the source's"
            ]
        );
    }

    #[test]
    fn another_codec_or_size_is_told_and_what_was_only_not_known_yet_is_not() {
        let source = |video: &str, width, audio: &str, rate| SourceInfo {
            video: Some(video.to_owned()),
            source_width: width,
            source_height: 360,
            audio: Some(SourceAudio {
                codec: audio.to_owned(),
                rate,
                channels: 1,
            }),
            ..SourceInfo::default()
        };
        let mut troubles = Troubles::default();
        for it in [
            SourceInfo::default(),
            source("h264", 0, "aac", 0),
            source("h264", 640, "aac", 0),
            source("h264", 640, "aac", 48_000),
            SourceInfo::default(),
        ] {
            assert_eq!(troubles.source(&it), None, "{it:?}");
        }
        let told = troubles
            .source(&source("hevc", 1280, "mp2", 48_000))
            .unwrap();
        assert_eq!(
            told,
            "Error reading input: the source changed, pictures from h264 of 640×360 to hevc of 1280×360 and sound from aac to mp2; the output goes on as it was"
        );
    }

    #[test]
    fn an_output_that_nobody_takes_is_told_every_ten_seconds_with_what_is_lost() {
        let mut stream = Stream::new();
        let mut looks = 0;
        let mut refused = |it: &mut Counts| {
            flows(it);
            looks += 1;
            it.segments_lost += u64::from(looks % 8 == 0);
        };
        stream.run(45, &mut refused);
        let told = stream.troubles();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].contains("for 10 s, 4 segments"), "{told:?}");
        assert!(told[3].contains("for 40 s, 19 segments"), "{told:?}");
        stream.counts.segments_out += 1;
        stream.run(5, &mut refused);
        assert!(matches!(stream.told.last(), Some((_, Told::Over(_)))));
    }

    #[test]
    fn an_output_that_is_slow_or_has_nothing_to_deliver_is_no_trouble() {
        let mut stream = Stream::new();
        stream.run(60, flows);
        stream.run(60, |it| {
            flows(it);
            it.segments_out += 1;
            it.segments_lost += 1;
        });
        assert_eq!(stream.told, []);
    }

    proptest! {
        #[test]
        fn whatever_is_counted_each_kind_is_told_no_more_than_once_a_second(
            steps in proptest::collection::vec((0u64..2000, 0u64..2, 0u64..3, 0u64..2, -9i64..9, 0u64..2, 0u64..3), 0..200),
        ) {
            let (mut troubles, mut counts, mut now) = (Troubles::default(), Counts::default(), 0);
            let mut times = std::collections::BTreeMap::<String, u64>::new();
            for (pause, pictures, missing, jumps, offset, out, lost) in steps {
                now += pause;
                counts.pictures += pictures;
                counts.segments_missing += missing;
                counts.jumps += jumps;
                counts.offset += offset * 90_000;
                counts.segments_out += out;
                counts.segments_lost += lost;
                for told in troubles.look(at(now), counts) {
                    let Told::Trouble(what) = told else { continue };
                    // Up to its first number a text is its kind.
                    let kind: String = what.chars().take_while(|it| !it.is_ascii_digit()).collect();
                    if let Some(before) = times.insert(kind, now) {
                        prop_assert!(now - before >= 1000, "{what}");
                    }
                }
            }
        }
    }
}
