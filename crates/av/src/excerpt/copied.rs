//! A clip whose packets are those of the file.

use framerill_media::Pts;
use framerill_worker::message::{ClipPlan, ExcerptStats};

use super::{Job, described, find::SAME};
use crate::{
    error::AvError,
    ffi::{Fault, Interrupt, Io, Muxer, Packet},
    source::take_fd,
    turn::Turn,
};

/// Compressed bytes that are held while the end of a clip is looked for.
const MOST_BYTES: usize = 256 << 20;
/// What mp4 holds and players take.
const CODECS: [&str; 4] = ["h264", "hevc", "av1", "mpeg4"];

/// Whether it has to be neither drawn into nor turned, and mp4 takes it as it is.
pub(super) fn is_possible(job: &Job, plan: &ClipPlan) -> bool {
    let codec = job.source.video().parameters.codec_name();
    let is_upright = job.traits.turn == Turn::None;
    plan.boxes.is_empty() && is_upright && CODECS.contains(&codec.as_str())
}

/// Cuts from the keyframe before the clip's beginning to its end.
pub(super) fn make(mut job: Job, plan: &ClipPlan) -> Result<ExcerptStats, AvError> {
    let into = take_fd(&mut job.fds, plan.fd, "the clip")?;
    let base = job.source.time_base();
    let at = plan.at.seconds.unwrap_or(0.0);
    let from = base.at((at - plan.before).max(0.0)).0;
    let to = base.at(at + plan.after + SAME).0;
    let packets = collect(&mut job, from, to)?;
    let times: Vec<i64> = packets.iter().filter_map(time).collect();
    let said: Vec<Option<i64>> = packets.iter().map(Packet::dts).collect();
    let decoded = decode_times(&times, &said);
    let Some(first) = times.first().copied() else {
        return Err(AvError::SourceEmpty {
            name: job.name.clone(),
            what: "has no picture at the time that was asked for",
        });
    };
    let before = times
        .iter()
        .filter(|time| base.seconds(Pts(**time)) + SAME < at);
    let stats = ExcerptStats {
        seconds: Some(at),
        frame: plan.at.frame,
        frames: times.len() as u64,
        before: before.count() as u64,
        is_copied: true,
        ..described(&job, job.traits.upright())
    };
    let failed = |fault: Fault| AvError::SinkWrite {
        name: "the clip".to_owned(),
        fault,
    };
    let io = Io::writer(into, &Interrupt::default());
    let mut muxer = Muxer::create(io, "mp4").map_err(failed)?;
    let video = job.source.video();
    let own = (base.num(), base.den());
    let stream = muxer
        .add_stream(&video.parameters, own, video.average_rate)
        .map_err(failed)?;
    let options = [("movflags", "faststart")];
    muxer.write_header(&options).map_err(failed)?;
    for (mut packet, (pts, dts)) in packets.into_iter().zip(times.iter().zip(decoded)) {
        let moved = |time: i64| Some(time.saturating_sub(first));
        packet.set_times(moved(*pts), moved(dts));
        packet.rescale(own, muxer.time_base(stream));
        muxer.write(&mut packet, stream).map_err(failed)?;
    }
    muxer.finish().map_err(failed)?;
    Ok(stats)
}

fn time(packet: &Packet) -> Option<i64> {
    packet.pts().or(packet.dts())
}

/// When packets are decoded: as the file says where it says so throughout, else as early as their order needs. After a jump
/// into a file, a demuxer that works these times out itself has none for the first packets.
fn decode_times(shown: &[i64], said: &[Option<i64>]) -> Vec<i64> {
    let own: Option<Vec<i64>> = said.iter().copied().collect();
    let holds = |own: &Vec<i64>| {
        own.is_sorted_by(|one, two| one < two) && own.iter().zip(shown).all(|(dts, pts)| dts <= pts)
    };
    own.filter(holds).unwrap_or_else(|| {
        let mut sorted = shown.to_vec();
        sorted.sort_unstable();
        let late = sorted
            .iter()
            .zip(shown)
            .map(|(place, pts)| place.saturating_sub(*pts));
        let delay = late.max().unwrap_or(0);
        sorted
            .iter()
            .map(|place| place.saturating_sub(delay))
            .collect()
    })
}

/// The packets from the last keyframe at or before `from` (else the first one) to those that are decoded by `to`.
fn collect(job: &mut Job, from: i64, to: i64) -> Result<Vec<Packet>, AvError> {
    let mut packets: Vec<Packet> = Vec::new();
    let mut bytes = 0;
    while let Some(packet) = job.source.next_packet()? {
        let Some(time) = time(&packet) else { continue };
        if packet.is_keyframe() && (time <= from || packets.is_empty()) {
            packets.clear();
            bytes = 0;
        } else if packets.is_empty() {
            continue;
        }
        if packet.dts().unwrap_or(time) > to {
            break;
        }
        let first = packets.first().and_then(self::time).unwrap_or(time);
        // Shown before the keyframe, and made of pictures that are not in the clip.
        if time < first {
            continue;
        }
        bytes += packet.bytes();
        if bytes > MOST_BYTES {
            return Err(AvError::Plan(format!(
                "a clip out of `{}` would be larger than {} MB",
                job.name,
                MOST_BYTES >> 20
            )));
        }
        packets.push(packet);
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_file_says_holds_where_it_can() {
        let shown = [10, 40, 20, 30];
        let said = [0, 10, 20, 30].map(Some);
        assert_eq!(decode_times(&shown, &said), [0, 10, 20, 30]);
        let some = [None, None, Some(20), Some(30)];
        assert_eq!(decode_times(&shown, &some), [0, 10, 20, 30]);
        let late = [Some(11), Some(12), Some(20), Some(30)];
        assert_eq!(decode_times(&shown, &late), [0, 10, 20, 30]);
    }

    proptest! {
        #[test]
        fn nothing_is_decoded_after_it_is_shown_and_all_in_order(
            shown in proptest::collection::hash_set(-1000i64..1000, 0..40),
            said in proptest::collection::vec(proptest::option::of(-1000i64..1000), 40),
        ) {
            let shown: Vec<i64> = shown.into_iter().collect();
            let times = decode_times(&shown, &said[..shown.len()]);
            prop_assert_eq!(times.len(), shown.len());
            prop_assert!(times.is_sorted_by(|one, two| one < two));
            prop_assert!(times.iter().zip(&shown).all(|(dts, pts)| dts <= pts));
        }
    }
}
