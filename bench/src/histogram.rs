//! Every measured time, to within 1 %, in a few kilobytes: so that a percentile is one of all
//! times and not of a sample.

use std::time::Duration;

/// Each power of two is cut into this many equal parts.
const PARTS: u64 = 128;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
/// Up to an hour in microseconds.
const BUCKETS: usize = 26 * PARTS as usize;

/// Counts of times by their length in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros).min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.longest = self.longest.max(time);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The time that `share` (0 to 1) of all times do not exceed; zero if nothing was recorded.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(longest_of(bucket)).min(self.longest);
            }
        }
        self.longest
    }
}

/// Exact below [`PARTS`] microseconds; above, the power of two and the part within it.
fn bucket(micros: u64) -> usize {
    let power = micros.max(1).ilog2();
    let shift = power.saturating_sub(PARTS_BITS);
    (u64::from(shift) * PARTS + (micros >> shift)) as usize
}

/// The longest time that falls into the bucket.
fn longest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / PARTS).saturating_sub(1);
    ((bucket - shift * PARTS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, bucket, longest_of};

    #[test]
    fn a_percentile_is_within_one_percent_of_the_sorted_times() {
        let mut times: Vec<u64> = (0..20_000).map(|n: u64| n * n % 7_919 * 97 + n).collect();
        let mut histogram = Histogram::default();
        times.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros)));
        times.sort_unstable();
        for share in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = times[((share * times.len() as f64).ceil() as usize).max(1) - 1] as f64;
            let said = histogram.percentile(share).as_micros() as f64;
            assert!((said - exact).abs() <= exact * 0.01 + 1.0, "{share}: {said}, exactly {exact}");
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut last = 0;
        for micros in 0..1_000_000_u64 {
            let found = bucket(micros);
            assert!(found == last || found == last + 1, "{micros} µs: {found} after {last}");
            assert!(longest_of(found) >= micros, "{micros} µs is longer than all of its bucket");
            last = found;
        }
    }

    #[test]
    fn nothing_recorded_is_zero_and_a_merge_holds_both() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.99), Duration::ZERO);
        let mut other = Histogram::default();
        histogram.record(Duration::from_micros(10));
        other.record(Duration::from_micros(30));
        histogram.merge(&other);
        assert_eq!((histogram.total(), histogram.percentile(0.5)), (2, Duration::from_micros(10)));
        assert_eq!(histogram.percentile(1.0), Duration::from_micros(30));
    }
}
