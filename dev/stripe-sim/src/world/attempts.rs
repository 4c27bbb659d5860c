//! Work that is taken back: a refused request's, and all of what is only tried out.

use super::deliveries::Mark;
use super::policy::Policy;
use super::{Refusal, World};

/// Where the world stood.
struct Before {
    drawn: u64,
    revision: u64,
    owed: Mark,
    policy: Policy,
    /// How much of `written` is older.
    written: usize,
    /// Whether it is within other work that may be taken back too.
    is_inner: bool,
}

impl World {
    /// Does all of it, or nothing of it when it is refused; a payment that was tried stays tried.
    pub(crate) fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let before = self.before();
        let outcome = work(self);
        if outcome.as_ref().is_err_and(|refusal| !refusal.keeps_effects()) {
            self.drawn = before.drawn;
            self.go_back(&before);
        }
        self.leave(&before);
        outcome
    }

    /// Says what the work would come to. Nothing of it stays, but what it drew is not drawn again:
    /// an id that was shown is nobody else's.
    pub(crate) fn pretend<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.before();
        let outcome = work(self);
        self.go_back(&before);
        self.leave(&before);
        outcome
    }

    fn before(&mut self) -> Before {
        Before {
            drawn: self.drawn,
            revision: self.revision,
            owed: self.deliveries.mark(),
            policy: self.policy.clone(),
            is_inner: self.written.is_some(),
            written: self.written.get_or_insert_default().len(),
        }
    }

    fn go_back(&mut self, before: &Before) {
        let written = self.written.as_mut().map(|written| written.split_off(before.written)).unwrap_or_default();
        for (kind, undo) in written.into_iter().rev() {
            self.tables.entry(kind).or_default().take_back(undo);
        }
        self.deliveries.rewind(&before.owed);
        self.policy = before.policy.clone();
        self.revision = before.revision;
    }

    fn leave(&mut self, before: &Before) {
        if !before.is_inner {
            self.written = None;
        }
    }
}
