//! The clock that tests move, and calendar arithmetic for billing periods.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The system's clock, moved by an offset. It goes on running, unless it is frozen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    offset_secs: i64,
    #[serde(default)]
    frozen_at: Option<i64>,
}

impl Clock {
    pub(crate) fn now(self) -> i64 {
        self.frozen_at.unwrap_or_else(|| system_now() + self.offset_secs)
    }

    pub(crate) fn advance(&mut self, secs: i64) {
        self.set(self.now() + secs);
    }

    pub(crate) fn set(&mut self, unix: i64) {
        self.offset_secs = unix - system_now();
        self.frozen_at = self.frozen_at.map(|_| unix);
    }

    /// Stops it, so that all that happens shares a second, or lets it go on from there.
    pub(crate) fn freeze(&mut self, is_frozen: bool) {
        self.set(self.now());
        self.frozen_at = is_frozen.then(|| self.now());
    }

    pub(crate) fn offset_secs(self) -> i64 {
        self.offset_secs
    }

    pub(crate) fn is_frozen(self) -> bool {
        self.frozen_at.is_some()
    }
}

/// Seconds since 1970 by the system's clock.
pub(crate) fn system_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub(crate) const DAY: i64 = 86_400;

/// `2026-11-22T00:35:34.000Z`: how the API's second version writes a moment. The double's clock
/// has whole seconds.
pub(crate) fn rfc3339(unix: i64) -> String {
    let (year, month, day) = civil(unix.div_euclid(DAY));
    let second = unix.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// A moment `count` intervals after `from`. A month that is too short ends on its last day, as
/// Stripe bills (<https://docs.stripe.com/billing/subscriptions/billing-cycle>).
pub(crate) fn add_intervals(from: i64, interval: &str, count: i64) -> i64 {
    match interval {
        "day" => from + count * DAY,
        "week" => from + count * 7 * DAY,
        "year" => add_months(from, 12 * count),
        _month => add_months(from, count),
    }
}

fn add_months(from: i64, months: i64) -> i64 {
    let (year, month, day) = civil(from.div_euclid(DAY));
    let months_since = year * 12 + (month - 1) + months;
    let (year, month) = (months_since.div_euclid(12), months_since.rem_euclid(12) + 1);
    let day = day.min(days_in_month(year, month));
    days_since_epoch(year, month, day) * DAY + from.rem_euclid(DAY)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_since_epoch(next_year, next_month, 1) - days_since_epoch(year, month, 1)
}

/// Days since 1970-01-01 (<https://howardhinnant.github.io/date_algorithms.html>).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{Clock, add_intervals, rfc3339};

    #[test]
    fn a_frozen_clock_moves_only_when_it_is_moved() {
        let mut clock = Clock::default();
        clock.set(1_000);
        clock.freeze(true);
        let before = clock.now();
        clock.advance(5);
        assert_eq!((clock.now(), clock.is_frozen()), (before + 5, true));
        clock.freeze(false);
        assert!((before + 5..before + 10).contains(&clock.now()) && !clock.is_frozen());
    }

    #[test]
    fn a_moment_is_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56.000Z");
    }

    #[test]
    fn a_period_ends_on_the_same_day_or_the_months_last() {
        let check = |from, interval, count, until| assert_eq!(add_intervals(from, interval, count), until);
        check(1_704_067_200, "month", 1, 1_706_745_600); // 2024-01-01 → 2024-02-01
        check(1_706_659_200, "month", 1, 1_709_164_800); // 2024-01-31 → 2024-02-29
        check(1_709_164_800, "year", 1, 1_740_700_800); // 2024-02-29 → 2025-02-28
        check(1_704_067_200, "week", 2, 1_705_276_800);
        check(1_704_067_200, "day", 1, 1_704_153_600);
    }
}
