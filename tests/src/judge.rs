//! Compares what came out with what was drawn. Pure: a recording and a reference go in, a report comes out.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    mark::Mark,
    recording::{Picture, Recording, Sound},
    reference::{Reference, beep_of},
    timeline::SECONDS_EPSILON,
};

/// Examples in one line about a fault.
const EXAMPLES: usize = 5;

/// What is known about the output beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Exactly these counters are missing.
    pub missing: BTreeSet<u32>,
    /// Any counters may be missing; they are only told.
    pub allow_missing: bool,
    /// At a source's pts, an older picture or one that was not processed may stand in, and then nothing is missing.
    pub allow_filler: bool,
    /// The output begins and ends anywhere within the source.
    pub partial: bool,
    /// There is no sound, although the source has some.
    pub no_sound: bool,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// No picture at all.
    Empty,
    /// The decoder complained.
    Damaged,
    /// No mark in a picture.
    Unreadable,
    /// A picture of another source.
    Foreign,
    /// A counter that did not come.
    Missing,
    /// A counter that came, although it should be missing.
    NotMissing,
    /// A counter that came twice.
    Duplicated,
    /// A counter after a higher one.
    OutOfOrder,
    /// A picture whose black and white are not like the others'.
    Polarity,
    /// A flash that is lit or dark at the wrong counter.
    Flash,
    /// A pts that is not above the one before it, or is no pts.
    PtsOrder,
    /// A pts that is not the source's pts of this picture.
    PtsWrong,
    /// There should be sound.
    NoSound,
    /// A flash without its beep.
    BeepMissing,
    /// A beep without a flash.
    BeepExtra,
    /// Sound more than a picture away from its picture.
    SoundShifted,
}

/// One kind of fault in an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// How often.
    pub count: usize,
    /// A line for people, with the first examples.
    pub text: String,
}

/// Distance of sound and picture; positive: sound is late.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SoundOffset {
    /// Flashes whose beep was found.
    pub beeps: usize,
    /// The largest distance, with its sign, in milliseconds, less the source's own.
    pub max_ms: f64,
    /// The median distance, less the source's own.
    pub median_ms: f64,
    /// The median distance as it is heard.
    pub heard_median_ms: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Whether there is no fault.
    pub green: bool,
    /// Pictures decoded.
    pub frames: usize,
    /// Pictures with a readable mark.
    pub readable: usize,
    /// Lowest and highest counter.
    pub counters: Option<(u32, u32)>,
    /// Counters that did not come and that nothing stood in for.
    pub missing: Vec<u32>,
    /// Counters that came again.
    pub duplicated: Vec<u32>,
    /// Counters that came after a higher one.
    pub out_of_order: Vec<u32>,
    /// Positions in the output of pictures without a mark.
    pub unreadable: Vec<usize>,
    /// Positions in the output of pictures that stood in.
    pub fillers: Vec<usize>,
    /// Whether most pictures are negatives.
    pub inverted: bool,
    /// Constant distance of output and source pts, in seconds.
    pub offset_seconds: f64,
    /// A pts may be so far off.
    pub tolerance_seconds: f64,
    /// Counters with a pts that is not the source's, and how far it is off, in seconds.
    pub wrong_pts: Vec<(u32, f64)>,
    /// Positions in the output of pts that do not rise.
    pub pts_not_rising: Vec<usize>,
    /// If there is sound and a beep was found.
    pub sound: Option<SoundOffset>,
    /// One entry a kind.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether there is a fault of that kind.
    #[must_use]
    pub fn has(&self, kind: FaultKind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }

    /// Of a file that no decoder opens.
    #[must_use]
    pub fn undecodable(said: &str) -> Self {
        let mut report = Self::default();
        report.plain_fault(FaultKind::Empty, said);
        report
    }

    fn fault<T>(&mut self, kind: FaultKind, what: &str, cases: &[T], show: impl Fn(&T) -> String) {
        if cases.is_empty() {
            return;
        }
        let mut examples: Vec<_> = cases.iter().take(EXAMPLES).map(show).collect();
        if cases.len() > EXAMPLES {
            examples.push("…".to_owned());
        }
        let count = cases.len();
        let text = format!("{count} {what}: {}", examples.join(", "));
        self.faults.push(Fault { kind, count, text });
    }

    fn plain_fault(&mut self, kind: FaultKind, text: impl Into<String>) {
        let text = text.into();
        self.faults.push(Fault {
            kind,
            count: 1,
            text,
        });
    }
}

/// A readable picture of the output.
#[derive(Clone, Copy)]
struct Shown {
    position: usize,
    at_seconds: f64,
    mark: Mark,
    /// The source's time of this counter.
    own_seconds: f64,
}

/// Judges an output.
#[must_use]
pub fn judge(output: &Recording, reference: &Reference, expected: &Expectation) -> Report {
    let mut report = Report {
        frames: output.pictures.len(),
        ..Report::default()
    };
    if output.pictures.is_empty() {
        report.plain_fault(FaultKind::Empty, "no picture could be decoded");
        return report;
    }
    let (errors, words) = &output.complaints;
    if *errors > 0 && !expected.partial {
        let last = words.last().cloned().unwrap_or_default();
        report.plain_fault(
            FaultKind::Damaged,
            format!("the decoder complained {errors} times: {last}"),
        );
    }
    let shown = readable(output, reference, &mut report);
    rising(&output.pictures, &mut report);

    let tick = output.tick_seconds.max(reference.tick_seconds);
    let tolerance = tick / 2.0 + SECONDS_EPSILON;
    report.tolerance_seconds = tolerance;
    report.offset_seconds = constant_offset(&shown, tolerance);
    let negatives = shown.iter().filter(|one| one.mark.inverted).count();
    report.inverted = 2 * negatives > shown.len();

    let real = correspondence(&shown, reference, expected, &mut report);
    sequence(&real, reference, expected, &mut report);
    gaps(&shown, &real, reference, expected, &mut report);
    hear(
        &real,
        output.sound.as_ref(),
        reference,
        expected,
        &mut report,
    );
    report.green = report.faults.is_empty();
    report
}

fn number(counter: &u32) -> String {
    counter.to_string()
}

fn position(position: &usize) -> String {
    format!("at {position}")
}

/// Pictures whose mark is one of this source.
fn readable(output: &Recording, reference: &Reference, report: &mut Report) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut foreign = Vec::new();
    for (position, picture) in output.pictures.iter().enumerate() {
        let Some(mark) = picture.mark else {
            report.unreadable.push(position);
            continue;
        };
        report.readable += 1;
        match reference.time_of(mark.counter) {
            Some(own_seconds) if mark.tag == reference.tag => shown.push(Shown {
                position,
                at_seconds: picture.at_seconds,
                mark,
                own_seconds,
            }),
            _ => foreign.push((position, mark)),
        }
    }
    let counters = shown.iter().map(|one| one.mark.counter);
    report.counters = counters.clone().min().zip(counters.max());
    let unreadable = report.unreadable.clone();
    report.fault(
        FaultKind::Unreadable,
        "pictures without a mark",
        &unreadable,
        position_of,
    );
    report.fault(
        FaultKind::Foreign,
        "pictures of another source",
        &foreign,
        |(at, mark)| format!("at {at} tag {} counter {}", mark.tag, mark.counter),
    );
    shown
}

fn position_of(at: &usize) -> String {
    position(at)
}

fn rising(pictures: &[Picture], report: &mut Report) {
    let mut last = None;
    for (position, picture) in pictures.iter().enumerate() {
        if picture.pts.is_none() || last.is_some_and(|last| picture.pts <= Some(last)) {
            report.pts_not_rising.push(position);
        }
        last = picture.pts.or(last);
    }
    let positions = report.pts_not_rising.clone();
    report.fault(
        FaultKind::PtsOrder,
        "pts that do not rise",
        &positions,
        position_of,
    );
}

/// The distance of output and source pts that most pictures agree about.
fn constant_offset(shown: &[Shown], tolerance: f64) -> f64 {
    let mut distances: Vec<_> = shown
        .iter()
        .map(|one| one.at_seconds - one.own_seconds)
        .filter(|distance| distance.is_finite())
        .collect();
    distances.sort_by(f64::total_cmp);
    let (mut first, mut most, mut best) = (0, 0, 0.0);
    for (last, distance) in distances.iter().enumerate() {
        while distance - distances[first] > 2.0 * tolerance {
            first += 1;
        }
        if last + 1 - first > most {
            most = last + 1 - first;
            best = f64::midpoint(distances[first], *distance);
        }
    }
    best
}

/// Takes out fillers, and notes every other picture whose pts is not its own.
fn correspondence(
    shown: &[Shown],
    reference: &Reference,
    expected: &Expectation,
    report: &mut Report,
) -> Vec<Shown> {
    // Exactly half a tick off is not wrong, however the sums are rounded.
    let tolerance = report.tolerance_seconds + SECONDS_EPSILON;
    let mut real = Vec::new();
    let mut polarity = Vec::new();
    for one in shown {
        let source_time = one.at_seconds - report.offset_seconds;
        let off = source_time - one.own_seconds;
        let on_time = off.abs() <= tolerance;
        let usual = one.mark.inverted == report.inverted;
        if expected.allow_filler && !(on_time && usual) {
            let place = reference.shown_at(source_time, tolerance);
            if place.is_some_and(|place| place >= one.mark.counter) {
                report.fillers.push(one.position);
                continue;
            }
        }
        if !usual {
            polarity.push(one.mark.counter);
        }
        if !on_time {
            report.wrong_pts.push((one.mark.counter, off));
        }
        real.push(*one);
    }
    report.fault(
        FaultKind::Polarity,
        "pictures unlike the others in polarity",
        &polarity,
        number,
    );
    let wrong = report.wrong_pts.clone();
    report.fault(
        FaultKind::PtsWrong,
        "pts that are not the source's",
        &wrong,
        |(counter, off)| format!("{counter} off by {:+.3} ms", off * 1e3),
    );
    let dark_or_lit: Vec<_> = real
        .iter()
        .filter(|one| {
            let index = usize::try_from(one.mark.counter).unwrap_or(usize::MAX);
            reference.lit.get(index) != Some(&one.mark.flash)
        })
        .map(|one| one.mark.counter)
        .collect();
    report.fault(
        FaultKind::Flash,
        "flashes at the wrong picture",
        &dark_or_lit,
        number,
    );
    real
}

/// Order and duplicates.
fn sequence(real: &[Shown], reference: &Reference, expected: &Expectation, report: &mut Report) {
    let mut seen = vec![false; reference.at_seconds.len()];
    let mut highest = None;
    for one in real {
        let counter = one.mark.counter;
        let index = usize::try_from(counter).unwrap_or(usize::MAX);
        let Some(seen) = seen.get_mut(index) else {
            continue;
        };
        if std::mem::replace(seen, true) {
            report.duplicated.push(counter);
        } else if highest.is_some_and(|highest| counter < highest) {
            report.out_of_order.push(counter);
        }
        highest = highest.max(Some(counter));
    }
    let came: Vec<_> = expected
        .missing
        .iter()
        .copied()
        .filter(|counter| {
            let index = usize::try_from(*counter).unwrap_or(usize::MAX);
            seen.get(index) == Some(&true)
        })
        .collect();
    let (duplicated, disordered) = (report.duplicated.clone(), report.out_of_order.clone());
    report.fault(
        FaultKind::Duplicated,
        "pictures duplicated",
        &duplicated,
        number,
    );
    report.fault(
        FaultKind::OutOfOrder,
        "pictures out of order",
        &disordered,
        number,
    );
    report.fault(
        FaultKind::NotMissing,
        "pictures came although they should be missing",
        &came,
        number,
    );
}

/// What did not come, and that nothing stood in for.
fn gaps(
    shown: &[Shown],
    real: &[Shown],
    reference: &Reference,
    expected: &Expectation,
    report: &mut Report,
) {
    let mut covered: BTreeSet<u32> = real.iter().map(|one| one.mark.counter).collect();
    if expected.allow_filler {
        let tolerance = report.tolerance_seconds + SECONDS_EPSILON;
        let fillers: BTreeSet<_> = report.fillers.iter().copied().collect();
        let places = shown
            .iter()
            .filter(|one| fillers.contains(&one.position))
            .filter_map(|one| {
                reference.shown_at(one.at_seconds - report.offset_seconds, tolerance)
            });
        covered.extend(places);
    }
    let range = match (expected.partial, covered.first(), covered.last()) {
        (true, Some(&first), Some(&last)) => first..last + 1,
        _ => 0..reference.frames(),
    };
    report.missing = range.filter(|counter| !covered.contains(counter)).collect();
    if expected.allow_missing {
        return;
    }
    let unexpected: Vec<_> = report
        .missing
        .iter()
        .copied()
        .filter(|counter| !expected.missing.contains(counter))
        .collect();
    report.fault(FaultKind::Missing, "pictures missing", &unexpected, number);
}

/// Compares each flash with its beep.
fn hear(
    real: &[Shown],
    sound: Option<&Sound>,
    reference: &Reference,
    expected: &Expectation,
    report: &mut Report,
) {
    let Some(own_late) = &reference.late_seconds else {
        return;
    };
    if expected.no_sound {
        return;
    }
    let Some(sound) = sound else {
        report.plain_fault(
            FaultKind::NoSound,
            "the source has sound, the output has none",
        );
        return;
    };
    let (mut late, mut heard, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let mut used = BTreeSet::new();
    let mut all_seen = true;
    for (flash, own_late) in reference.flashes.iter().zip(own_late) {
        let Some(at_seconds) = seen_at(flash.counter, real, reference) else {
            all_seen = false;
            continue;
        };
        let Some(own_late) = own_late else { continue };
        match beep_of(flash.second, at_seconds, &sound.beeps) {
            Some((index, distance)) => {
                used.insert(index);
                heard.push(distance);
                late.push((flash.second, distance - own_late));
            }
            None if expected.partial && !within(at_seconds, sound) => {}
            None => silent.push(flash.second),
        }
    }
    report.sound = offsets(&late, heard);
    let interval = reference.interval_seconds + SECONDS_EPSILON;
    late.retain(|(_, distance)| distance.abs() > interval);
    report.fault(
        FaultKind::SoundShifted,
        "beeps more than a picture away from their flash",
        &late,
        |(second, distance)| format!("second {second} by {:+.1} ms", distance * 1e3),
    );
    report.fault(
        FaultKind::BeepMissing,
        "flashes without a beep",
        &silent,
        |second| format!("second {second}"),
    );
    if all_seen && silent.is_empty() {
        let extra: Vec<_> = (0..sound.beeps.len())
            .filter(|index| !used.contains(index))
            .collect();
        report.fault(
            FaultKind::BeepExtra,
            "beeps without a flash",
            &extra,
            |index| format!("{:.3} s", sound.beeps[*index].at_seconds),
        );
    }
}

/// When a flash began in the output, by the first of its pictures that came.
fn seen_at(first: u32, real: &[Shown], reference: &Reference) -> Option<f64> {
    let began = reference.time_of(first)?;
    let lit = |counter: u32| {
        let index = usize::try_from(counter).unwrap_or(usize::MAX);
        reference.lit.get(index) == Some(&true)
    };
    let last = (first..).take_while(|&counter| lit(counter)).last()?;
    real.iter()
        .filter(|one| (first..=last).contains(&one.mark.counter) && one.mark.flash)
        .map(|one| one.at_seconds - (one.own_seconds - began))
        .next()
}

fn within(at_seconds: f64, sound: &Sound) -> bool {
    (sound.from_seconds..sound.to_seconds - 0.1).contains(&at_seconds)
}

fn offsets(late: &[(u32, f64)], mut heard: Vec<f64>) -> Option<SoundOffset> {
    let mut distances: Vec<_> = late.iter().map(|(_, distance)| *distance).collect();
    let max = distances
        .iter()
        .copied()
        .max_by(|one, other| one.abs().total_cmp(&other.abs()))?;
    Some(SoundOffset {
        beeps: distances.len(),
        max_ms: max * 1e3,
        median_ms: median(&mut distances) * 1e3,
        heard_median_ms: median(&mut heard) * 1e3,
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
