//! The activities of a walk: name, input and output of each.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

// The markers, as in `tenant_steps`.
pub use self::walk_steps::*;

use crate::ids::TenantId;
use crate::walk::{PageSize, WalkId, WalkKind, WalkPhase};

/// The steps of a walk. What is staged is for the steps that use it.
pub struct WalkSteps;

#[activity_definitions]
impl WalkSteps {
    /// Begins a walk, or takes up the one that was left open.
    #[activity(name = "openWalk")]
    pub fn open_walk(_: NewWalk) -> Result<OpenedWalk, ActivityError> {
        unimplemented!()
    }

    /// Reads the next page and stages it: one request, for a subscription with more items than the
    /// page holds one more.
    #[activity(name = "stagePage")]
    pub fn stage_page(_: WalkOf) -> Result<Staged, ActivityError> {
        unimplemented!()
    }

    /// Ends the walk: nothing takes it up again.
    #[activity(name = "closeWalk")]
    pub fn close_walk(_: WalkOf) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// What to walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWalk {
    /// What for.
    pub kind: WalkKind,
    /// Only what may concern this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Whether what is staged will only be looked at.
    #[serde(default)]
    pub dry_run: bool,
    /// How many objects to ask for at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<PageSize>,
    /// Whether to take up a walk like this one that was left open less than 24 hours ago.
    #[serde(default)]
    pub resume: bool,
}

/// The walk to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedWalk {
    /// The walk.
    pub walk: WalkId,
    /// Whether an earlier run had begun it.
    #[serde(default)]
    pub resumed: bool,
    /// When it was begun, in Unix milliseconds.
    pub started_at: u64,
    /// How far it is.
    #[serde(flatten)]
    pub staged: Staged,
}

/// Names a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkOf {
    /// The walk.
    pub walk: WalkId,
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// What is read next.
    pub phase: WalkPhase,
    /// Pages that were read.
    pub pages: u64,
    /// Objects on them.
    pub rows: u64,
    /// Whether nothing is left to read.
    pub done: bool,
}
