//! The harness of the live tests sees what it must see: a relay stands where the runner will stand, and each of its lies
//! is told to it here.

use std::{sync::Arc, time::Duration};

use framerill_media::Track;
use framerill_tests::{
    live::{
        camera::{Camera, Options, Sent},
        channels::Channels,
        clip::{Clip, Piece, distance, pieces_of},
        rewrite::Rewriter,
        verdict::{Kind, Look, Verdict},
        viewer::{Viewer, Watched},
    },
    source::Source,
};
use framerill_trickle::{
    http::client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions},
    subscriber::{Event, Join},
    wire::Seq,
};
use rustix::time::{ClockId, clock_gettime};

/// Everything here is over within this.
const SOON: Duration = Duration::from_secs(30);

/// What becomes of a segment: of its number and its pieces.
type Lie = fn(u64, &mut Vec<(Piece, u64)>);

/// What the relay does.
#[derive(Clone, Copy)]
enum Relay {
    /// Passes bytes on as they come, so much later.
    Bytes(Duration),
    /// Passes segments on, each after a lie.
    Segments(Lie),
}

/// A scene that was played to its end.
struct Played {
    watched: Watched,
    sent: Vec<Sent>,
    clip: Arc<Clip>,
}

impl Played {
    fn verdict(&self) -> Verdict {
        self.verdict_of(Look::Same)
    }

    fn verdict_of(&self, look: Look) -> Verdict {
        Verdict::of(&self.watched, &self.sent, self.clip.source.size, look)
    }
}

fn source() -> Source {
    Source {
        seconds: 4.0,
        size: (320, 240),
        ..Clip::half_minute()
    }
}

/// Four seconds through a relay; `direct` the camera while it publishes.
fn play(relay: Relay, options: &Options, direct: impl FnOnce(&Camera)) -> Option<Played> {
    let clip = Clip::of(&source())?;
    let channels = Channels::start();
    for name in ["in", "out"] {
        channels.create(name, "video/MP2T");
    }
    let (from, to) = (channels.url("in"), channels.url("out"));
    let relaying = channels
        .handle()
        .spawn(async move { pass(&from, &to, relay).await });
    let viewer = Viewer::start(&channels, "out");
    let camera = Camera::start(&channels, "in", &clip, options);
    direct(&camera);
    assert!(viewer.ends(SOON), "{:?}", camera.ended());
    channels
        .handle()
        .block_on(relaying)
        .expect("the relay works");
    assert_eq!(camera.ended().as_deref(), Some("closed"));
    Some(Played {
        watched: viewer.watched(),
        sent: camera.sent(),
        clip,
    })
}

fn once() -> Options {
    Options {
        endless: false,
        ..Options::default()
    }
}

fn relayed(relay: Relay) -> Option<Played> {
    play(relay, &once(), |_| {})
}

fn lied(lie: Lie) -> Option<Played> {
    relayed(Relay::Segments(lie))
}

async fn pass(from: &str, to: &str, relay: Relay) {
    let mut options = SubscriberOptions::default();
    options.config.join = Join::At(Seq::ZERO);
    let mut subscriber = Subscriber::connect(from, options).expect("an URL");
    let mut publisher = Publisher::connect(to, PublisherOptions::default()).expect("an URL");
    let (mut segment, mut whole, mut rewriter) = (None, Vec::new(), Rewriter::new());
    while let Some(event) = subscriber.next().await.expect("the channel is there") {
        match event {
            Event::Begin { .. } => segment = Some(publisher.segment().await.expect("it is taken")),
            Event::Bytes(bytes) => match relay {
                Relay::Bytes(late) => {
                    tokio::time::sleep(late).await;
                    let open = segment.as_mut().expect("it began");
                    open.write(bytes).await.expect("it is taken");
                }
                Relay::Segments(_) => whole.extend_from_slice(&bytes),
            },
            Event::End { seq, .. } => {
                let mut open = segment.take().expect("it began");
                if let Relay::Segments(lie) = relay {
                    let stream = std::mem::take(&mut whole);
                    // A publisher closes its channel behind an empty segment.
                    let pieces = pieces_of(&stream).map_or_else(Vec::new, |(_, pieces)| pieces);
                    let mut pieces: Vec<_> = pieces.into_iter().map(|it| (it, 0)).collect();
                    lie(seq.get(), &mut pieces);
                    for (piece, ticks) in pieces {
                        let mut bytes = stream[piece.bytes].to_vec();
                        rewriter.rewrite(&mut bytes, ticks);
                        open.write(bytes).await.expect("it is taken");
                    }
                }
                open.finish().await.expect("it is taken");
            }
            _ => {}
        }
    }
    publisher.close().await.expect("it ends");
}

fn is_video(piece: &(Piece, u64)) -> bool {
    piece.0.track == Track::Video
}

#[test]
fn an_honest_relay_is_green_to_the_last_picture() {
    let Some(played) = lied(|_, _| {}) else {
        return;
    };
    let verdict = played.verdict();
    assert_eq!(verdict.faults(), [""; 0]);
    assert_eq!(verdict.count(Kind::Finished), 120);
    assert_eq!(verdict.fillers(), []);
    assert_eq!(verdict.size, (320, 240));
    let sound = verdict.sound(&played.clip).sound.expect("sound");
    assert_eq!(sound.beeps, 4);
    assert!(sound.max_ms.abs() < 3.0, "{sound:?}");
}

#[test]
fn a_picture_that_is_dropped_is_missed() {
    let Some(played) = lied(|seq, pieces| {
        if seq == 0 {
            let last = pieces.iter().rposition(is_video).expect("pictures");
            pieces.remove(last);
        }
    }) else {
        return;
    };
    let verdict = played.verdict();
    assert_eq!(verdict.missing, [played.sent[59].pts]);
    assert_eq!(verdict.faults().len(), 1, "{:?}", verdict.faults());
}

#[test]
fn a_picture_that_comes_twice_does_not_rise() {
    let Some(played) = lied(|seq, pieces| {
        if seq == 0 {
            let last = pieces.iter().rposition(is_video).expect("pictures");
            pieces.insert(last, pieces[last].clone());
        }
    }) else {
        return;
    };
    assert_eq!(played.verdict().not_rising, [60]);
}

#[test]
fn pictures_between_those_that_were_sent_are_unsent() {
    let Some(played) = lied(|seq, pieces| {
        if seq == 1 {
            let last = pieces.iter().rposition(is_video).expect("pictures");
            pieces[last].1 = 1500;
        }
    }) else {
        return;
    };
    let verdict = played.verdict();
    assert_eq!(verdict.count(Kind::Unsent), 1);
    assert!(!verdict.faults().is_empty());
}

#[test]
fn older_pictures_stand_in_and_newer_ones_are_early() {
    let late: Lie = |_, pieces| pieces.iter_mut().for_each(|it| it.1 = 3000);
    let Some(played) = lied(late) else { return };
    let verdict = played.verdict();
    // The last one's pts was not sent.
    assert_eq!(verdict.count(Kind::Held), 119);
    assert_eq!(verdict.fillers().len(), 1);
    let early: Lie = |_, pieces| {
        let clock = framerill_media::TRANSPORT_CLOCK;
        pieces.iter_mut().for_each(|it| it.1 = clock - 3000);
    };
    let verdict = lied(early).expect("it went before").verdict();
    assert_eq!(verdict.count(Kind::Early), 119);
    assert!(verdict.shown.iter().all(|it| it.moved_ticks == Some(-3000)));
}

#[test]
fn sound_that_is_late_is_measured() {
    let Some(played) = lied(|_, pieces| {
        let sounds = pieces.iter_mut().filter(|it| !is_video(it));
        sounds.for_each(|it| it.1 = 60 * 90);
    }) else {
        return;
    };
    let report = played.verdict().sound(&played.clip);
    let sound = report.sound.expect("sound");
    assert!((sound.median_ms - 60.0).abs() < 3.0, "{sound:?}");
}

#[test]
fn a_segment_that_begins_in_the_middle_is_told() {
    let Some(played) = lied(|seq, pieces| {
        if seq == 1 {
            let first = pieces.iter().position(is_video).expect("pictures");
            pieces.remove(first);
        }
    }) else {
        return;
    };
    assert_eq!(played.verdict().segments.len(), 1);
}

#[test]
fn a_late_relay_is_measured_to_the_millisecond() {
    let median = |relay: Relay| {
        let played = relayed(relay)?;
        let mut delays = played.verdict().delays(&played.sent);
        delays.sort();
        assert_eq!(delays.len(), 120);
        Some(delays[60])
    };
    let Some(honest) = median(Relay::Bytes(Duration::ZERO)) else {
        return;
    };
    assert!(honest < Duration::from_millis(10), "{honest:?}");
    let late = median(Relay::Bytes(Duration::from_millis(8))).expect("it went before");
    let more = late.saturating_sub(honest);
    assert!((8..16).contains(&more.as_millis()), "{more:?}");
}

#[test]
fn a_picture_that_was_not_processed_stands_in() {
    let Some(played) = lied(|_, _| {}) else {
        return;
    };
    let verdict = played.verdict_of(Look::Negative);
    assert_eq!(verdict.count(Kind::Held), 120);
}

#[test]
fn pictures_of_another_source_are_foreign() {
    let Some(mut played) = lied(|_, _| {}) else {
        return;
    };
    for it in &mut played.sent[30..40] {
        it.tag = 9;
    }
    let verdict = played.verdict();
    assert_eq!(verdict.count(Kind::Foreign), 10);
    assert!(!verdict.faults().is_empty());
}

#[test]
fn a_camera_goes_over_the_end_of_the_clock_and_jumps_as_told() {
    let clock = framerill_media::TRANSPORT_CLOCK;
    let options = Options {
        first_pts: clock - 90_000,
        endless: true,
    };
    let Some(played) = play(Relay::Segments(|_, _| {}), &options, |camera| {
        camera.until_more(70);
        camera.jump(3600 * 90_000);
        camera.until_more(120);
        camera.close();
    }) else {
        return;
    };
    let steps: Vec<_> = played
        .sent
        .windows(2)
        .map(|two| distance(two[0].pts, two[1].pts))
        .collect();
    let odd: Vec<_> = steps.iter().filter(|&&it| it != 3000).collect();
    assert_eq!(odd, [&(3000 + 3600 * 90_000)]);
    assert!(played.sent.iter().any(|it| it.pts < 90_000));
    // Round after round, the numbers begin again.
    assert_eq!(played.sent[120].counter, 0);
    let verdict = played.verdict();
    assert_eq!(verdict.count(Kind::Finished), played.sent.len());
}

#[test]
fn a_camera_is_silent_shows_another_clip_and_leaves_pictures_out_as_told() {
    let small = Source {
        size: (160, 120),
        tag: 5,
        ..source()
    };
    let Some(small) = Clip::of(&small) else {
        return;
    };
    let options = Options::default();
    let Some(played) = play(Relay::Bytes(Duration::ZERO), &options, |camera| {
        camera.until_more(10);
        camera.silence();
        camera.resume();
        camera.until_more(10);
        camera.show(&small);
        camera.until_more(10);
        camera.raw(b"<html>");
        camera.only_sound(true);
        camera.only_sound(false);
        camera.until_more(10);
        camera.close();
    }) else {
        return;
    };
    let first = played.sent.iter().position(|it| it.tag == 5);
    let first = first.expect("the other clip is shown");
    assert_eq!(
        (played.sent[first].counter, played.sent[first].keyframe),
        (0, true)
    );
    // The silence lasted until the next keyframe.
    let steps = played
        .sent
        .windows(2)
        .map(|two| two[1].counter.abs_diff(two[0].counter));
    assert!(steps.filter(|&it| it > 1).count() >= 2);
    assert_eq!(played.verdict().size, (160, 120));
}

#[test]
fn a_camera_with_its_server_costs_less_than_a_fifth_of_a_core() {
    let seconds = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(
            time.tv_sec.cast_unsigned(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    };
    let hd = Source {
        size: (1280, 720),
        ..source()
    };
    let Some(clip) = Clip::of(&hd) else { return };
    let channels = Channels::start();
    channels.create("in", "video/MP2T");
    let camera = Camera::start(&channels, "in", &clip, &Options::default());
    camera.until_more(10);
    let (before, began) = (seconds(), framerill_tests::live::now());
    camera.until_more(90);
    let share = (seconds() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    assert!(share < 0.2, "{share:.3} of a core");
    // In real time.
    let sent = camera.sent();
    let took = sent[99].at - sent[9].at;
    assert!((2900..3100).contains(&took.as_millis()), "{took:?}");
}
