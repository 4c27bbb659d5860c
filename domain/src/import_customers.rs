//! What goes into `syncStripeCustomersWorkflow`, what comes out, and what it says meanwhile.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::create_tenant::RunError;
use crate::ids::TenantId;
use crate::walk::{PageSize, UnknownWord, WalkId};

/// The workflow id of the import of all tenants; one at a time.
const WORKFLOW_ID: &str = "sync-stripe-customers";

/// Whose customers to import, and how. Unknown fields are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncStripeCustomersInput {
    /// Only this one; without it, every tenant but the master billing tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Finds out what would happen, and writes nothing but that.
    #[serde(default)]
    pub dry_run: bool,
    /// How many objects to ask Stripe for at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<PageSize>,
    /// Goes on with the import that was stopped, if that began less than 24 hours ago.
    #[serde(default)]
    pub resume: bool,
    /// What the earlier run of the same chain did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<Box<ImportState>>,
}

impl SyncStripeCustomersInput {
    /// The workflow id under which one such import runs at a time.
    pub fn workflow_id(&self) -> String {
        match self.tenant_id {
            Some(tenant) => format!("{WORKFLOW_ID}-{tenant}"),
            None => WORKFLOW_ID.to_owned(),
        }
    }

    /// The one line that stands under the run in the Temporal UI.
    pub fn summary(&self) -> String {
        let whose = self.tenant_id.map_or_else(|| "all tenants".to_owned(), |tenant| format!("tenant {tenant}"));
        if self.dry_run { format!("{whose}, dry run") } else { whose }
    }
}

/// The signal `stop`: end, so that it can be resumed. It says nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {}

/// What became of a tenant. Each has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Rows were missing and are there now.
    Imported,
    /// All rows were there before; they say what Stripe says.
    Already,
    /// Stripe has no customer with its e-mail.
    NoCustomer,
    /// Several customers or tenants share the e-mail, and nothing tells them apart.
    Ambiguous,
    /// Its customer has no licence subscription that is live.
    NoLiveSubscription,
    /// Something contradicts itself; the reason says what.
    Failed,
}

impl Outcome {
    /// Every outcome, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Imported, Self::Already, Self::NoCustomer, Self::Ambiguous, Self::NoLiveSubscription, Self::Failed];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Already => "already",
            Self::NoCustomer => "no_customer",
            Self::Ambiguous => "ambiguous",
            Self::NoLiveSubscription => "no_live_subscription",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(UnknownWord)
    }
}

/// How many tenants had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// See [`Outcome::Imported`].
    #[serde(default)]
    pub imported: u64,
    /// See [`Outcome::Already`].
    #[serde(default)]
    pub already: u64,
    /// See [`Outcome::NoCustomer`].
    #[serde(default)]
    pub no_customer: u64,
    /// See [`Outcome::Ambiguous`].
    #[serde(default)]
    pub ambiguous: u64,
    /// See [`Outcome::NoLiveSubscription`].
    #[serde(default)]
    pub no_live_subscription: u64,
    /// See [`Outcome::Failed`].
    #[serde(default)]
    pub failed: u64,
}

impl Totals {
    /// The number of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Imported => self.imported,
            Outcome::Already => self.already,
            Outcome::NoCustomer => self.no_customer,
            Outcome::Ambiguous => self.ambiguous,
            Outcome::NoLiveSubscription => self.no_live_subscription,
            Outcome::Failed => self.failed,
        }
    }

    /// The same with that many more of one outcome.
    pub fn with(mut self, outcome: Outcome, more: u64) -> Self {
        *match outcome {
            Outcome::Imported => &mut self.imported,
            Outcome::Already => &mut self.already,
            Outcome::NoCustomer => &mut self.no_customer,
            Outcome::Ambiguous => &mut self.ambiguous,
            Outcome::NoLiveSubscription => &mut self.no_live_subscription,
            Outcome::Failed => &mut self.failed,
        } += more;
        self
    }

    /// Tenants that have an outcome.
    pub fn sum(&self) -> u64 {
        Outcome::ALL.iter().map(|outcome| self.of(*outcome)).sum()
    }
}

/// What an import is doing, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Looking for what there is to go on with.
    #[default]
    Opening,
    /// Reading Stripe's lists: `pages` and `rows` grow. How many there are is not known before.
    Reading,
    /// Finding each tenant's customer: `judged` grows to `tenants`.
    Judging,
    /// Writing what belongs to each: the sum of `totals` grows to `tenants`.
    Writing,
    /// Tagging at Stripe, and reading once more what changed meanwhile: `follow_ups` shrinks to 0.
    FollowingUp,
    /// Everything was done.
    Done,
}

impl ImportPhase {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Reading => "reading",
            Self::Judging => "judging",
            Self::Writing => "writing",
            Self::FollowingUp => "following_up",
            Self::Done => "done",
        }
    }
}

/// How far the tenants are, as the database has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantProgress {
    /// Tenants in all.
    #[serde(default)]
    pub tenants: u64,
    /// Those whose customer has been looked for.
    #[serde(default)]
    pub judged: u64,
    /// Those that have an outcome, by outcome. A tag or a second read may still make one `failed`.
    #[serde(default)]
    pub totals: Totals,
    /// Subscriptions that are still to be tagged, or read once more.
    #[serde(default)]
    pub follow_ups: u64,
    /// Subscriptions that were tagged.
    #[serde(default)]
    pub tagged: u64,
    /// Subscriptions that were read once more.
    #[serde(default)]
    pub read_again: u64,
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportState {
    /// What it is doing.
    #[serde(default)]
    pub phase: ImportPhase,
    /// Under which its outcomes stand in `import_outcomes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<WalkId>,
    /// Whether it goes on with what an earlier import had begun.
    #[serde(default)]
    pub resumed: bool,
    /// Whether it was told to stop, and will after the step under way.
    #[serde(default)]
    pub stopping: bool,
    /// When the reading began, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    /// Pages that were read from Stripe.
    #[serde(default)]
    pub pages: u64,
    /// Objects on them.
    #[serde(default)]
    pub rows: u64,
    /// How far the tenants are.
    #[serde(flatten)]
    pub progress: TenantProgress,
    /// What ended the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RunError>,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncStripeCustomersResult {
    /// Under which its outcomes stand in `import_outcomes`.
    pub walk: WalkId,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether it went on with what an earlier import had begun.
    pub resumed: bool,
    /// Whether it was stopped before its end, so that `resume` can go on with it.
    pub resumable: bool,
    /// Pages that were read from Stripe.
    pub pages: u64,
    /// Objects on them.
    pub rows: u64,
    /// How far the tenants are: where it is not resumable, every one has an outcome.
    #[serde(flatten)]
    pub progress: TenantProgress,
}
