//! Whether Temporal is thought to take events. Calls that find out otherwise close the gate; the
//! relay, which probes, opens it again.
//!
//! One workflow may be out of reach while all others are not, so silence about one closes nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::ids::StripeSubscriptionId;

/// So many workflows without an answer, and none with one between them, are no coincidence.
const UNANSWERED_MAX: usize = 3;

/// All copies are the same gate. It is closed until there is a connection.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    is_open: AtomicBool,
    /// Why it is closed, as was said last; a gate that was never open was not talked about.
    said: Mutex<Option<&'static str>>,
    /// Whose calls got no answer since the last one that did.
    unanswered: Mutex<BTreeSet<StripeSubscriptionId>>,
}

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }

    /// Closes it for this reason; whether that is news.
    pub(crate) fn close(&self, why: &'static str) -> bool {
        self.0.is_open.store(false, Ordering::Relaxed);
        locked(&self.0.said).replace(why) != Some(why)
    }

    pub(crate) fn open(&self) {
        if !self.0.is_open.swap(true, Ordering::Relaxed) {
            *locked(&self.0.said) = None;
            tracing::info!("Temporal answers; events are handed over");
        }
    }

    /// A call was answered, well or not.
    pub(crate) fn answered(&self) {
        locked(&self.0.unanswered).clear();
    }

    /// A call about this subscription got no answer; whether there were too many of them in a row.
    pub(crate) fn not_answered(&self, subscription: &StripeSubscriptionId) -> bool {
        let mut unanswered = locked(&self.0.unanswered);
        unanswered.insert(subscription.clone());
        unanswered.len() >= UNANSWERED_MAX
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_it_is_closed_is_said_once_and_again_when_it_changes() {
        let gate = Gate::default();
        assert!(gate.close("away") && !gate.close("away") && gate.close("unprepared"));
        gate.open();
        assert!(gate.close("unprepared"));
    }

    #[test]
    fn silence_is_everybodys_when_three_workflows_in_a_row_met_it() {
        let gate = Gate::default();
        let too_many = |subscription: &str| gate.not_answered(&subscription.parse().expect("an id"));
        assert!(!(0..10).any(|_| too_many("sub_a")), "one workflow is not everybody");
        assert!(!too_many("sub_b"));
        gate.answered();
        assert!(!too_many("sub_a") && !too_many("sub_b") && too_many("sub_c"));
    }
}
