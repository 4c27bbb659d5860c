//! What goes into `reconcileWorkflow`, what comes out, and what it says meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::create_tenant::RunError;
use crate::ids::{StripeSubscriptionId, TenantId};
use crate::refusal::Refusal;
use crate::walk::WalkId;

/// The workflow id of a whole one, by schedule and by hand: one runs at a time.
pub const WORKFLOW_ID: &str = "reconcile";

/// What to compare, and whether to repair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReconcileInput {
    /// This tenant alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Repair what was found. Without it, it is reported only.
    #[serde(default)]
    pub apply: bool,
    /// Repair also when many tenants would lose all their licences by it.
    #[serde(default)]
    pub force: bool,
    /// How far earlier runs of the same chain came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

impl ReconcileInput {
    /// The workflow id under which it runs.
    pub fn workflow_id(&self) -> String {
        match self.tenant_id {
            None => WORKFLOW_ID.to_owned(),
            Some(tenant) => format!("{WORKFLOW_ID}-{tenant}"),
        }
    }

    /// What the Temporal UI says of it.
    pub fn summary(&self) -> String {
        let what = if self.apply { "compare and repair" } else { "compare" };
        self.tenant_id.map_or_else(|| format!("{what} all"), |tenant| format!("{what} {tenant}"))
    }
}

/// Where a run stands, and what it did that no row tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Where the pages of Stripe's lists are staged, and what was found.
    #[serde(default)]
    pub walk: Option<WalkId>,
    /// What to do next.
    #[serde(default)]
    pub place: Place,
    /// Why repairing was refused, if it was.
    #[serde(default)]
    pub refused: Option<MassFall>,
    /// Events that the inbox lacked.
    #[serde(default)]
    pub events_fed: u32,
    /// Settled events that were too old to keep.
    #[serde(default)]
    pub events_pruned: u32,
}

/// What a run does next, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Opening the walk.
    #[default]
    Open,
    /// Staging Stripe's lists, page by page.
    Stage,
    /// Reading what we have and the lists lack, one by one.
    ReadAlone,
    /// Comparing subscriptions, those after this one.
    Subscriptions(Option<StripeSubscriptionId>),
    /// Comparing counts, those of the tenants after this one.
    Counts(Option<TenantId>),
    /// Judging what was found.
    Weigh,
    /// Repairing it, one by one.
    Repair,
    /// Feeding the inbox what it lacks.
    Events,
    /// Deleting what is too old to keep.
    Prune,
    /// Closing the walk.
    Close,
    /// Nothing more.
    Done,
}

impl Place {
    /// In words, for a person who waits.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Open | Self::Stage => "reading Stripe's lists",
            Self::ReadAlone => "reading what no list had",
            Self::Subscriptions(_) => "comparing subscriptions",
            Self::Counts(_) | Self::Weigh => "comparing counts",
            Self::Repair => "repairing",
            Self::Events => "feeding the inbox what it lacks",
            Self::Prune => "deleting what is too old",
            Self::Close | Self::Done => "nothing more",
        }
    }
}

/// The kinds of drift. The names stand in `reconcile_findings.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// A live subscription of a tenant of ours has no row.
    MissingRow,
    /// A row says something else than Stripe.
    StaleRow,
    /// A licence count is not the one that follows from what Stripe says.
    WrongCount,
    /// A row is of a subscription that Stripe does not know.
    NotAtStripe,
    /// A live licence subscription is nobody's here.
    Orphan,
    /// A live subscription of a tenant of ours does not carry the tenant's id.
    Untagged,
}

impl DriftKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::MissingRow, Self::StaleRow, Self::WrongCount, Self::NotAtStripe, Self::Orphan, Self::Untagged];

    /// The name on the wire and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingRow => "missing_row",
            Self::StaleRow => "stale_row",
            Self::WrongCount => "wrong_count",
            Self::NotAtStripe => "not_at_stripe",
            Self::Orphan => "orphan",
            Self::Untagged => "untagged",
        }
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DriftKind {
    type Err = UnknownDriftKind;

    fn from_str(text: &str) -> Result<Self, UnknownDriftKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownDriftKind)
    }
}

/// Not a kind of drift that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of drift that is known here")]
pub struct UnknownDriftKind;

/// How much drift there is, by kind; a kind without any is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// What was found.
    #[serde(default)]
    #[schemars(schema_with = "by_kind")]
    pub found: BTreeMap<DriftKind, u32>,
    /// What was repaired of it.
    #[serde(default)]
    #[schemars(schema_with = "by_kind")]
    pub repaired: BTreeMap<DriftKind, u32>,
}

fn by_kind(generator: &mut SchemaGenerator) -> Schema {
    let kinds = generator.subschema_for::<DriftKind>();
    json_schema!({"type": "object", "propertyNames": kinds, "additionalProperties": {"type": "integer", "minimum": 1}})
}

impl Drift {
    /// What was found and not repaired.
    pub fn left(&self) -> u32 {
        self.found.values().sum::<u32>().saturating_sub(self.repaired.values().sum())
    }
}

/// How many tenants would lose all their licences by a repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MassFall {
    /// They would fall to 0.
    pub falling: u32,
    /// Of all that have a licence now.
    pub licensed: u32,
}

impl MassFall {
    /// More than one in twenty falls: it is likelier that Stripe was asked the wrong question than
    /// that so many left at once. A single tenant may always fall, else an installation of fewer
    /// than twenty would refuse its every cancellation.
    pub fn is_suspicious(self) -> bool {
        self.falling > 1 && u64::from(self.falling) * 20 > u64::from(self.licensed)
    }

    /// Why nothing was repaired.
    pub fn refusal(self) -> Refusal {
        Refusal::MassFall(self)
    }
}

/// The workflow's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReconcileResult {
    /// Under which the findings are kept; none where another run was under way and this one did
    /// nothing.
    #[serde(default)]
    pub walk: Option<WalkId>,
    /// How much was found and repaired.
    #[serde(flatten)]
    pub drift: Drift,
    /// Events that the inbox lacked and now has.
    #[serde(default)]
    pub events_fed: u32,
    /// Settled events that were too old to keep.
    #[serde(default)]
    pub events_pruned: u32,
}

impl ReconcileResult {
    /// Of a run that did nothing, because another was under way.
    pub fn of_another() -> Self {
        Self { walk: None, drift: Drift::default(), events_fed: 0, events_pruned: 0 }
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileState {
    /// Where it stands.
    pub progress: Progress,
    /// Pages of Stripe's lists, by this run.
    pub pages: u64,
    /// What was found, once it was judged.
    pub drift: Drift,
    /// What ended the run.
    pub error: Option<RunError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_may_fall_and_one_alone_always() {
        for (falling, licensed, expected) in
            [(0, 0, false), (1, 1, false), (2, 2, true), (2, 40, false), (2, 39, true), (5, 100, false), (6, 100, true)]
        {
            assert_eq!(MassFall { falling, licensed }.is_suspicious(), expected, "{falling} of {licensed}");
        }
    }

    #[test]
    fn the_input_of_a_schedule_may_be_empty() {
        let input: ReconcileInput = serde_json::from_str("{}").expect("nothing is required");
        assert_eq!((input.workflow_id().as_str(), input.apply), ("reconcile", false));
    }
}
