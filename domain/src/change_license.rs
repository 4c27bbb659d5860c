//! What goes into `changeLicenseCountWorkflow`, what comes out, and what it says meanwhile.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::create_tenant::RunError;
use crate::ids::TenantId;
use crate::words::{LicenseCount, WordError};

/// A number of licences to have. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeLicenseInput {
    /// Whose licences.
    pub tenant_id: TenantId,
    /// How many there shall be.
    pub quantity: LicenseQuantity,
    /// How many there were when it was decided. Where Stripe has another number, nothing is
    /// changed. Left out, it is what the first read finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LicenseCount>,
    /// When; left out, an increase is made now and a decrease at the period's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// Who asked for it, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Requester>,
}

impl ChangeLicenseInput {
    /// The workflow id under which one change of this tenant's licences runs at a time.
    pub fn workflow_id(&self) -> String {
        workflow_id(self.tenant_id)
    }

    /// The one line that stands under the run in the Temporal UI, e.g. `to 15 licences, now`.
    pub fn summary(&self) -> String {
        let from = self.from.map(|from| format!("from {from} ")).unwrap_or_default();
        let when = self.effective.map(|effective| format!(", {effective}")).unwrap_or_default();
        format!("{from}to {} licences{when}", self.quantity)
    }
}

/// The id of the workflow that changes the licences of that tenant.
pub fn workflow_id(tenant: TenantId) -> String {
    format!("change-license-count-{tenant}")
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effective {
    /// At once. A decrease is credited by Stripe's proration, and nothing is paid back.
    Now,
    /// When the paid period ends.
    PeriodEnd,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "now",
            Self::PeriodEnd => "at the period's end",
        })
    }
}

/// What a change of licences came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeLicenseResult {
    /// In a word.
    pub outcome: Outcome,
    /// How many licences there were when it was decided.
    pub from: LicenseCount,
    /// How many there are, or will be.
    pub to: LicenseCount,
    /// When `to` holds, in Unix seconds; none where nothing changes.
    #[serde(default)]
    pub effective_at: Option<i64>,
    /// The number of a waiting change that was taken back on the way, if one waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<LicenseCount>,
}

/// What a change of licences came to, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The number is another one now.
    Changed,
    /// The number will be another one when the period ends.
    Scheduled,
    /// The number stays. A change that waited was taken back.
    Unchanged,
}

impl Outcome {
    /// The name on the wire, and in `license_requests.outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Scheduled => "scheduled",
            Self::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The steps of a change of licences, in the order in which any of them may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LicenseStep {
    /// Look at Stripe and decide what there is to do.
    ResolveLicenseChange,
    /// Take back the change that waits.
    ReleaseSchedule,
    /// Set the number now.
    SetLicenseQuantity,
    /// Put the subscription under a schedule.
    AttachSchedule,
    /// Write the number that is to come into the schedule.
    WriteSchedule,
    /// Read what Stripe has, and write it.
    ImportLicenseChange,
    /// Note what came of it.
    CloseLicenseRequest,
}

impl LicenseStep {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ResolveLicenseChange,
        Self::ReleaseSchedule,
        Self::SetLicenseQuantity,
        Self::AttachSchedule,
        Self::WriteSchedule,
        Self::ImportLicenseChange,
        Self::CloseLicenseRequest,
    ];

    /// The name of its activity.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResolveLicenseChange => "resolveLicenseChange",
            Self::ReleaseSchedule => "releaseSchedule",
            Self::SetLicenseQuantity => "setLicenseQuantity",
            Self::AttachSchedule => "attachSchedule",
            Self::WriteSchedule => "writeSchedule",
            Self::ImportLicenseChange => "importLicenseChange",
            Self::CloseLicenseRequest => "closeLicenseRequest",
        }
    }
}

/// The answer to the query `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeLicenseState {
    /// The step under way.
    pub step: Option<LicenseStep>,
    /// The steps that are done.
    pub done: Vec<LicenseStep>,
    /// Whose licences.
    pub tenant_id: Option<TenantId>,
    /// The number that it was decided on, once that is known. A replay takes it as its `from`.
    pub from: Option<LicenseCount>,
    /// How many there shall be.
    pub to: Option<LicenseCount>,
    /// What ended the run.
    pub error: Option<RunError>,
}

/// A number of licences that can be asked for: 1 to 100,000. Who wants none cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(inline, extend("minimum" = Self::MIN, "maximum" = Self::MAX))]
pub struct LicenseQuantity(i32);

impl LicenseQuantity {
    /// The fewest.
    pub const MIN: i32 = 1;
    /// The most.
    pub const MAX: i32 = 100_000;

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for LicenseQuantity {
    type Error = WordError;

    fn try_from(quantity: i64) -> Result<Self, WordError> {
        let fitting = i32::try_from(quantity).ok().filter(|quantity| (Self::MIN..=Self::MAX).contains(quantity));
        fitting.map(Self).ok_or(WordError::LicenseQuantity)
    }
}

impl FromStr for LicenseQuantity {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        text.parse::<i64>().map_err(|_| WordError::LicenseQuantity)?.try_into()
    }
}

impl From<LicenseQuantity> for i64 {
    fn from(quantity: LicenseQuantity) -> Self {
        quantity.0.into()
    }
}

impl From<LicenseQuantity> for LicenseCount {
    fn from(quantity: LicenseQuantity) -> Self {
        Self::of(quantity)
    }
}

impl fmt::Display for LicenseQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who asked for a change: a login, a program. 1 to 255 characters, and no control ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = r"\S", "maxLength" = REQUESTER_LENGTH_MAX))]
pub struct Requester(String);

impl Requester {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const REQUESTER_LENGTH_MAX: usize = 255;

impl TryFrom<String> for Requester {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, WordError> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= REQUESTER_LENGTH_MAX;
        if fits && !text.contains(char::is_control) { Ok(Self(text.to_owned())) } else { Err(WordError::Requester) }
    }
}

impl From<Requester> for String {
    fn from(requester: Requester) -> Self {
        requester.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_1_to_100_000() {
        let check = |number: i64, fits: bool| {
            assert_eq!(LicenseQuantity::try_from(number).is_ok(), fits, "{number}");
            assert_eq!(number.to_string().parse::<LicenseQuantity>().is_ok(), fits, "{number}");
        };
        for (number, fits) in [(-1, false), (0, false), (1, true), (100_000, true), (100_001, false), (1 << 40, false)]
        {
            check(number, fits);
        }
        assert!("ten".parse::<LicenseQuantity>().is_err());
    }

    #[test]
    fn a_step_is_named_as_it_is_serialized() {
        for step in LicenseStep::ALL {
            assert_eq!(serde_json::json!(step), step.as_str());
        }
    }
}
