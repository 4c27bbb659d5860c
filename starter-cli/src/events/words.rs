//! What a status means, in words for a person who has not read our documents.

use chrono::{DateTime, Utc};
use domain::event::EventStatus;

/// What it says about the event.
pub(super) fn meaning(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Pending => "it is stored safely, and its subscription has not been brought up to date for it yet",
        EventStatus::Completed => {
            "done: its subscription was read at Stripe after it came, and the tenant's rows say the same"
        }
        EventStatus::Superseded => "done: another event told of the same change, and that one was handled",
        EventStatus::Ignored => "nothing of ours changes by it",
        EventStatus::Parked => "its customer has no tenant yet, so there is nothing to bring up to date",
        EventStatus::Failed => "it could not be handled, and trying again by itself would not help",
    }
}

/// What happens to it from here on.
pub(super) fn next(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Pending => {
            "it is handed to Temporal again and again until it is settled; nobody has to do anything"
        }
        EventStatus::Completed | EventStatus::Superseded | EventStatus::Ignored => "nothing",
        EventStatus::Parked => "it becomes pending by itself as soon as its customer is onboarded",
        EventStatus::Failed => "correct what the reason names, then have it handled again",
    }
}

/// How long ago, in the two greatest units.
pub(crate) fn age(since: DateTime<Utc>) -> String {
    length((Utc::now() - since).num_seconds().max(0))
}

/// So many seconds, in the two greatest units.
pub(crate) fn length(secs: i64) -> String {
    let units = [("d", secs / 86_400), ("h", secs / 3600 % 24), ("min", secs / 60 % 60), ("s", secs % 60)];
    let first = units.iter().position(|(_, n)| *n > 0).unwrap_or(units.len() - 1);
    let said = units[first..].iter().take(2).filter(|(_, n)| *n > 0 || secs == 0);
    said.map(|(unit, n)| format!("{n} {unit}")).collect::<Vec<_>>().join(" ")
}

/// Of so many: `1 event`, `2 events`.
pub(super) fn events(count: usize) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn an_age_is_said_in_its_two_greatest_units() {
        let check = |secs: i64, expected: &str| assert_eq!(age(Utc::now() - TimeDelta::seconds(secs)), expected);
        check(0, "0 s");
        check(42, "42 s");
        check(3600, "1 h");
        check(3600 + 120, "1 h 2 min");
        check(2 * 86_400 + 7200 + 59, "2 d 2 h");
    }
}
