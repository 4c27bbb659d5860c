//! How fast the double is, to order: the time that every answer takes, and how many requests a
//! second are let in (<https://docs.stripe.com/rate-limits>).

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

/// The answer time as it is ordered and shown.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    ms: u64,
}

/// A limit as it is ordered: so many requests in any second; none for no limit.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    per_second: Option<NonZeroUsize>,
}

/// The limit and what became of the requests since it was ordered.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Limit {
    per_second: Option<NonZeroUsize>,
    admitted: u64,
    /// How many were answered 429.
    refused: u64,
    /// The most that came within one second, the refused ones left out.
    peak: usize,
}

/// How fast the double is now.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    latency: Duration,
    limit: Limit,
    /// When those of the last second were let in.
    recent: VecDeque<Instant>,
}

impl Pace {
    pub(crate) fn new(latency: Duration) -> Self {
        Self { latency, ..Self::default() }
    }

    pub(crate) fn latency(&self) -> Duration {
        self.latency
    }

    pub(crate) fn shown_latency(&self) -> Latency {
        Latency { ms: u64::try_from(self.latency.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn set_latency(&mut self, Latency { ms }: Latency) {
        self.latency = Duration::from_millis(ms);
    }

    pub(crate) fn limit(&self) -> Limit {
        self.limit
    }

    /// Counts anew from here on.
    pub(crate) fn set_limit(&mut self, order: Order) {
        self.limit = Limit { per_second: order.per_second, ..Limit::default() };
        self.recent.clear();
    }

    /// Whether a request that comes now is within the limit. A refused one counts for nobody.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|then| now.duration_since(*then) >= SECOND) {
            self.recent.pop_front();
        }
        if self.limit.per_second.is_some_and(|most| self.recent.len() >= most.get()) {
            self.limit.refused += 1;
            return false;
        }
        self.recent.push_back(now);
        self.limit.admitted += 1;
        self.limit.peak = self.limit.peak.max(self.recent.len());
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Order, Pace};

    #[test]
    fn a_second_lets_in_as_many_as_ordered() {
        let mut pace = Pace::default();
        pace.set_limit(Order { per_second: 2.try_into().ok() });
        let start = Instant::now();
        let admitted = [0, 400, 500, 999, 1000, 1399, 1400].map(|ms| pace.admits(start + Duration::from_millis(ms)));
        assert_eq!(admitted, [true, true, false, false, true, false, true]);
        let limit = pace.limit();
        assert_eq!((limit.admitted, limit.refused, limit.peak), (4, 3, 2));
    }
}
