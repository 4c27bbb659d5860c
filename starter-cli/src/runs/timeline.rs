//! A run's steps as a person reads them.

use chrono::{DateTime, TimeDelta, Utc};

use super::history::{Outcome, Step};
use super::wire::FailedWith;
use crate::events::length;
use crate::table::Table;

impl Outcome {
    /// In a word or two.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waits for a worker",
            Self::Running => "under way",
            Self::Retrying => "waits",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "gave up",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "left undone",
        }
    }
}

impl Step {
    /// How long all of its tries took, or have taken so far.
    pub(super) fn took(&self) -> Option<String> {
        let until = match self.outcome {
            Outcome::Waiting | Outcome::Running | Outcome::Retrying => Some(Utc::now()),
            Outcome::Done | Outcome::Failed | Outcome::TimedOut | Outcome::Cancelled | Outcome::Abandoned => {
                self.ended_at
            }
        };
        Some(spell(until? - self.scheduled_at?))
    }

    /// Where it stands, and why it does not stand further.
    pub(super) fn stands_at(&self) -> String {
        let next = self.next_try_at.map_or_else(String::new, |at| format!(" until {}", at.format("%H:%M:%SZ")));
        let error = match self.outcome {
            Outcome::Done | Outcome::Waiting | Outcome::Running => None,
            Outcome::Retrying | Outcome::Failed | Outcome::TimedOut | Outcome::Cancelled | Outcome::Abandoned => {
                self.last_error.as_ref()
            }
        };
        let error = error.map_or_else(String::new, |error| format!(": {}", error.line()));
        format!("{}{next}{error}", self.outcome.as_str())
    }

    /// Its name, and what it is about.
    pub(super) fn named(&self) -> String {
        let about = self.about.as_ref().map_or_else(String::new, |about| format!(" ({about})"));
        format!("{}{about}", self.name)
    }
}

impl FailedWith {
    /// Its type and its words.
    pub(super) fn line(&self) -> String {
        match &self.kind {
            Some(kind) => format!("{kind}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

/// All steps, one to a line.
pub(super) fn table(steps: &[Step]) -> Table {
    let mut table = Table::new(&["begun", "step", "about", "tries", "took", "outcome"]).status(5);
    for step in steps {
        table.push(vec![
            step.scheduled_at.map(clock).unwrap_or_default(),
            step.name.clone(),
            step.about.clone().unwrap_or_default(),
            if step.tries > 0 { step.tries.to_string() } else { String::new() },
            step.took().unwrap_or_default(),
            step.stands_at(),
        ]);
    }
    table
}

/// The time of a day, which the run's own rows name.
pub(super) fn clock(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%SZ").to_string()
}

/// A length of time, which for a step is often less than a second.
pub(super) fn spell(took: TimeDelta) -> String {
    let ms = took.num_milliseconds().max(0);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => length(ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_as_fine_as_it_is_short() {
        for (ms, expected) in
            [(0, "0 ms"), (999, "999 ms"), (1250, "1.2 s"), (60_000, "1 min"), (3_725_000, "1 h 2 min")]
        {
            assert_eq!(spell(TimeDelta::milliseconds(ms)), expected);
        }
    }
}
