//! The beeps of a test source: drawn, and found again.
//!
//! A beep begins exactly when its flash does. Its pitch says which second it belongs to, modulo [`PITCHES_HZ`]'s length,
//! so that sound which is late by more than half a second is not taken for the next second's sound.

use std::f64::consts::TAU;

use crate::timeline::Flash;

/// Samples a second that are drawn.
pub(crate) const DRAWN_RATE_HZ: u32 = 48_000;
/// Pitch by second.
pub(crate) const PITCHES_HZ: [f64; 4] = [700.0, 1100.0, 1700.0, 2600.0];
const BEEP_SECONDS: f64 = 0.1;
/// Of full scale.
const BEEP_LEVEL: f64 = 0.5;
const HUM_LEVEL: f64 = 0.01;
const HUM_HZ: f64 = 110.0;

/// Draws the sound of a source, sample by sample.
#[derive(Debug)]
pub(crate) struct Beeper {
    flashes: std::vec::IntoIter<Flash>,
    /// First sample of the beep that comes next or sounds now, and its pitch.
    next: Option<(u64, f64)>,
    sample: u64,
}

impl Beeper {
    pub(crate) fn new(flashes: Vec<Flash>) -> Self {
        let mut beeper = Self {
            flashes: flashes.into_iter(),
            next: None,
            sample: 0,
        };
        beeper.advance();
        beeper
    }

    fn advance(&mut self) {
        self.next = self
            .flashes
            .next()
            .map(|flash| (samples_in(flash.at_seconds), pitch(flash.second)));
    }

    /// The next sample.
    pub(crate) fn draw(&mut self) -> i16 {
        let now = self.sample;
        self.sample += 1;
        let mut level = HUM_LEVEL * (TAU * HUM_HZ * seconds_at(now)).sin();
        if let Some((start, pitch)) = self.next
            && now >= start
        {
            let within = seconds_at(now - start);
            if within < BEEP_SECONDS {
                level += BEEP_LEVEL * (TAU * pitch * within).cos();
            } else {
                self.advance();
            }
        }
        quantized(level)
    }
}

/// How many samples a drawn sound of that length has.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and shorter than a million years"
)]
pub(crate) fn samples_in(seconds: f64) -> u64 {
    (seconds.max(0.0) * f64::from(DRAWN_RATE_HZ)).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 samples")]
fn seconds_at(sample: u64) -> f64 {
    sample as f64 / f64::from(DRAWN_RATE_HZ)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast of a float saturates"
)]
fn quantized(level: f64) -> i16 {
    (level * f64::from(i16::MAX)) as i16
}

fn pitch(second: u32) -> f64 {
    match second % 4 {
        0 => PITCHES_HZ[0],
        1 => PITCHES_HZ[1],
        2 => PITCHES_HZ[2],
        _ => PITCHES_HZ[3],
    }
}

/// A beep that was heard.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Beep {
    /// When it begins, in seconds.
    pub at_seconds: f64,
    /// Which second it belongs to, modulo 4.
    pub phase: u32,
}

/// Sound louder than this, of full scale, may begin a beep.
const LOUD: f64 = 0.25;
/// Sound below this is silence.
const QUIET: f64 = 0.06;
/// So many quiet milliseconds come before a beep.
const QUIET_MILLIS: u32 = 100;
/// The pitch is measured on so many milliseconds.
const LISTEN_MILLIS: usize = 50;

/// Finds beeps in blocks of a millisecond.
#[derive(Debug)]
pub(crate) struct Listener {
    rate_hz: f64,
    block: usize,
    samples: Vec<f64>,
    /// When the first sample of `samples` is heard.
    block_at: f64,
    quiet_millis: u32,
    /// A beep that has begun, and what was heard of it.
    heard: Option<(f64, Vec<f64>)>,
    beeps: Vec<Beep>,
}

impl Listener {
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz: f64::from(rate_hz),
            block: usize::try_from(rate_hz / 1000).unwrap_or(1).max(1),
            samples: Vec::new(),
            block_at: 0.0,
            quiet_millis: QUIET_MILLIS,
            heard: None,
            beeps: Vec::new(),
        }
    }

    /// Takes one sample, -1 to 1, and when it is heard.
    pub(crate) fn hear(&mut self, at_seconds: f64, sample: f64) {
        if self.samples.is_empty() {
            self.block_at = at_seconds;
        }
        self.samples.push(sample);
        if self.samples.len() >= self.block {
            let block = std::mem::take(&mut self.samples);
            self.take(&block);
        }
    }

    fn take(&mut self, block: &[f64]) {
        let peak = block
            .iter()
            .fold(0.0_f64, |peak, sample| peak.max(sample.abs()));
        if let Some((at_seconds, heard)) = &mut self.heard {
            heard.extend_from_slice(block);
            if heard.len() >= self.block * LISTEN_MILLIS {
                let phase = phase_of(heard, self.rate_hz);
                self.beeps.push(Beep {
                    at_seconds: *at_seconds,
                    phase,
                });
                self.heard = None;
            }
        } else if peak >= LOUD && self.quiet_millis >= QUIET_MILLIS {
            self.heard = Some((self.block_at, block.to_vec()));
        }
        self.quiet_millis = if peak < QUIET {
            self.quiet_millis.saturating_add(1)
        } else if peak >= LOUD {
            0
        } else {
            self.quiet_millis
        };
    }

    /// All beeps, in the order of the samples.
    pub(crate) fn finish(self) -> Vec<Beep> {
        self.beeps
    }
}

/// The pitch with the most power.
fn phase_of(samples: &[f64], rate_hz: f64) -> u32 {
    let powers = PITCHES_HZ.map(|pitch| {
        let coefficient = 2.0 * (TAU * pitch / rate_hz).cos();
        let (a, b) = samples.iter().fold((0.0, 0.0), |(last, before), sample| {
            (sample + coefficient * last - before, last)
        });
        a * a + b * b - coefficient * a * b
    });
    let mut best = 0;
    for phase in 1..4 {
        if powers[phase] > powers[best] {
            best = phase;
        }
    }
    u32::try_from(best).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Timeline;

    #[test]
    fn drawn_beeps_are_heard_when_and_as_they_were_drawn() {
        let timeline = Timeline::new(6.0, "30".parse().expect("a rate"), true);
        let flashes = timeline.flashes();
        let mut beeper = Beeper::new(flashes.clone());
        let mut listener = Listener::new(DRAWN_RATE_HZ);
        for sample in 0..samples_in(6.0) {
            listener.hear(seconds_at(sample), f64::from(beeper.draw()) / 32768.0);
        }
        let beeps = listener.finish();
        assert_eq!(beeps.len(), flashes.len());
        for (beep, flash) in beeps.iter().zip(flashes) {
            assert!((beep.at_seconds - flash.at_seconds).abs() < 0.002);
            assert_eq!(beep.phase, flash.second % 4);
        }
    }
}
