//! What a test orders for the deliveries to come: held back, sent twice, dropped, late.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::spread;

/// How events are delivered until another order is given; the default is as Stripe means it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Policy {
    /// Collected, and delivered when they are released.
    hold: Option<Selection>,
    /// Delivered twice.
    duplicate: Option<Selection>,
    /// Never delivered, though the event can be read.
    drop: Option<Selection>,
    /// Not even made: some events are never generated.
    lose: Option<Selection>,
    delay: Option<Delay>,
    /// The wait before a failed delivery is tried again, instead of the configured one.
    pub(crate) retry_ms: Option<u64>,
    /// Added to the time that is signed: below -300 a receiver must take it for a replay.
    pub(crate) skew_secs: i64,
}

/// Which of them. Everything, unless it is narrowed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Selection {
    /// `*` stands for any text, as in `invoice.*`.
    types: Vec<String>,
    /// An endpoint's or a destination's id. Where no endpoint is in question, it selects nothing.
    endpoint: Option<String>,
    /// The nth, the 2nth and so on.
    every: Option<NonZeroU64>,
    /// Each with this chance, the same ones for the same seed.
    one_in: Option<NonZeroU64>,
    seed: u64,
    /// How many it has been asked about.
    seen: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Delay {
    ms: u64,
    of: Selection,
}

/// What becomes of one event on its way to one endpoint.
pub(crate) struct Fate {
    pub(crate) is_dropped: bool,
    pub(crate) is_held: bool,
    pub(crate) copies: usize,
    pub(crate) delay_ms: u64,
}

impl Policy {
    /// No event is made of anything.
    pub(crate) fn silent() -> Self {
        Self { lose: Some(Selection::default()), ..Self::default() }
    }

    /// Whether the event is to be made at all.
    pub(crate) fn generates(&mut self, kind: &str) -> bool {
        !picks(&mut self.lose, kind, None)
    }

    pub(crate) fn fate(&mut self, kind: &str, endpoint: &str) -> Fate {
        let endpoint = Some(endpoint);
        let is_late = self.delay.as_mut().is_some_and(|delay| delay.of.picks(kind, endpoint));
        Fate {
            is_dropped: picks(&mut self.drop, kind, endpoint),
            is_held: picks(&mut self.hold, kind, endpoint),
            copies: if picks(&mut self.duplicate, kind, endpoint) { 2 } else { 1 },
            delay_ms: self.delay.as_ref().filter(|_| is_late).map_or(0, |delay| delay.ms),
        }
    }
}

fn picks(selection: &mut Option<Selection>, kind: &str, endpoint: Option<&str>) -> bool {
    selection.as_mut().is_some_and(|selection| selection.picks(kind, endpoint))
}

impl Selection {
    fn picks(&mut self, kind: &str, endpoint: Option<&str>) -> bool {
        let is_of_type = self.types.is_empty() || self.types.iter().any(|pattern| matches_glob(pattern, kind));
        if !is_of_type || self.endpoint.is_some() && self.endpoint.as_deref() != endpoint {
            return false;
        }
        self.seen += 1;
        match (self.every, self.one_in) {
            (Some(every), _) => self.seen % every == 0,
            (None, Some(one_in)) => spread(self.seed, self.seen) % one_in == 0,
            (None, None) => true,
        }
    }
}

/// Whether the text fits a pattern in which `*` is any text.
pub(crate) fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut tail) = text.strip_prefix(start) else { return false };
    loop {
        if matches_glob(rest, tail) {
            return true;
        }
        let mut letters = tail.chars();
        if letters.next().is_none() {
            return false;
        }
        tail = letters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Policy, matches_glob};

    fn dropped(policy: serde_json::Value, kinds: &[&str]) -> Vec<bool> {
        let mut policy: Policy = serde_json::from_value(policy).expect("a policy");
        kinds.iter().map(|kind| policy.fate(kind, "we_1").is_dropped).collect()
    }

    #[test]
    fn a_selection_narrows_and_then_counts() {
        let kinds = ["invoice.paid", "customer.created", "invoice.created", "invoice.paid", "invoice.paid"];
        let check = |selection, expected: [bool; 5]| {
            assert_eq!(dropped(json!({"drop": selection}), &kinds), expected);
        };
        check(json!({}), [true; 5]);
        check(json!({"types": ["invoice.*"]}), [true, false, true, true, true]);
        check(json!({"types": ["invoice.*"], "every": 2}), [false, false, true, false, true]);
        check(json!({"endpoint": "we_2"}), [false; 5]);
    }

    #[test]
    fn a_seed_picks_the_same_ones_again_and_about_as_many_as_ordered() {
        let kinds = vec!["x"; 1_000];
        let picks = |seed: u64| dropped(json!({"drop": {"one_in": 4, "seed": seed}}), &kinds);
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
        let count = picks(7).into_iter().filter(|is_dropped| *is_dropped).count();
        assert!((180..320).contains(&count), "{count}");
    }

    #[test]
    fn a_star_is_any_text() {
        let check = |pattern, path, fits| assert_eq!(matches_glob(pattern, path), fits, "{pattern} {path}");
        check("/v1/subscriptions/*", "/v1/subscriptions/sub_1", true);
        check("/v1/subscriptions/*", "/v1/subscriptions", false);
        check("/v1/subscriptions", "/v1/subscriptions", true);
        check("*", "/v1/customers", true);
        check("/v1/*/cancel", "/v1/subscriptions/sub_1/cancel", true);
        check("/v1/*/cancel", "/v1/subscriptions/sub_1", false);
    }
}
