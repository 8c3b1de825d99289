//! Latencies in fixed memory: buckets that are 1/16 of an octave wide, from 1 µs to over an hour.

/// How often which latency was seen.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
}

const PER_OCTAVE: usize = 16;
const OCTAVES: usize = 32;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; PER_OCTAVE * OCTAVES],
            count: 0,
        }
    }
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record_ns(&mut self, ns: u64) {
        self.count += 1;
        let bucket = &mut self.buckets[bucket_of(ns)];
        *bucket = bucket.saturating_add(1);
    }

    /// The latency in ms that a share of all is at or below, within 5 %; 0 when none was seen.
    #[must_use]
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among counts that fit 2^53"
        )]
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if count > 0 && seen >= rank {
                return middle_ms(bucket);
            }
        }
        0.0
    }

    /// p50, p90 and p99 in ms.
    #[must_use]
    pub(crate) fn percentiles_ms(&self) -> [f64; 3] {
        [0.5, 0.9, 0.99].map(|share| self.quantile_ms(share))
    }
}

fn bucket_of(ns: u64) -> usize {
    let us = (ns / 1000).max(1);
    let octave = us.ilog2() as usize;
    let within = if octave >= 4 {
        (us >> (octave - 4)) & 15
    } else {
        (us << (4 - octave)) & 15
    };
    let bucket = octave * PER_OCTAVE + usize::try_from(within).expect("below 16");
    bucket.min(PER_OCTAVE * OCTAVES - 1)
}

fn middle_ms(bucket: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (octave, within) = ((bucket / PER_OCTAVE) as f64, (bucket % PER_OCTAVE) as f64);
    octave.exp2() * (1.0 + (within + 0.5) / 16.0) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_seen_is_zero() {
        assert_eq!(Histogram::default().percentiles_ms(), [0.0; 3]);
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_five_percent(us in 16u64..1_000_000_000) {
            let mut histogram = Histogram::default();
            histogram.record_ns(us * 1000);
            let ms = histogram.quantile_ms(0.5);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let exact = us as f64 / 1000.0;
            prop_assert!((ms / exact - 1.0).abs() < 0.05, "{ms} for {exact}");
        }

        #[test]
        fn any_latency_has_a_bucket(ns: u64) {
            Histogram::default().record_ns(ns);
        }
    }
}
