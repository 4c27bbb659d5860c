//! How far back to look, as a person says it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::duration;

/// Older than anything here, and still a moment that Postgres knows.
const SINCE_MAX: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// How long ago, or a moment.
pub(crate) fn since(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let wrong = "expected how long ago, such as 90s, 30m, 2h or 7d, or a moment such as 2026-11-22T08:00:00Z";
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = duration::parse(text).filter(|ago| *ago <= SINCE_MAX).ok_or(wrong)?;
    Ok(Utc::now() - ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_how_long_ago_or_a_moment() {
        let check = |text: &str, expected: Option<i64>| {
            let found = since(text).ok().map(|at| (Utc::now() - at).num_seconds());
            assert_eq!(found, expected, "{text:?}");
        };
        check("90s", Some(90));
        check("30m", Some(1800));
        check("2h", Some(7200));
        check("7d", Some(604_800));
        for wrong in ["", "2w", "yesterday", "36501d"] {
            check(wrong, None);
        }
        assert_eq!(
            since("2026-11-22T08:00:00+01:00").map(|at| at.to_rfc3339()),
            Ok("2026-11-22T07:00:00+00:00".into())
        );
    }
}
