//! What is asked for: whose licences, how many, from when.

use clap::{ValueEnum, builder::PossibleValue};
use domain::change_license::{ChangeLicenseInput, Effective, LicenseQuantity, Requester};
use domain::ids::TenantId;
use domain::words::{LicenseCount, WordError};
use store::Whose;

use crate::tenant_show::whose;

/// A number of licences.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// The tenant's id, its customer's or that of one of its subscriptions
    #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
    pub(super) whose: Whose,
    /// How many licences there shall be, 1 to 100000
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub(super) quantity: LicenseQuantity,
    /// From when on; without it an increase holds now, and a decrease when the paid period ends
    #[arg(long, value_enum, value_name = "WHEN")]
    effective: Option<When>,
    /// How many there are, as far as you know: where Stripe has another number, nothing is changed
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(super) from: Option<LicenseCount>,
}

/// From when on a number holds.
#[derive(Clone, Copy, Debug)]
struct When(Effective);

impl ValueEnum for When {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Effective::Now), Self(Effective::PeriodEnd)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = PossibleValue::new(word(self.0));
        Some(match self.0 {
            Effective::Now => value.help("At once: an increase is charged, a decrease is credited and not paid back"),
            Effective::PeriodEnd => value.help("When the period ends that is paid for"),
        })
    }
}

/// How `--effective` says it.
pub(super) fn word(effective: Effective) -> &'static str {
    match effective {
        Effective::Now => "now",
        Effective::PeriodEnd => "period-end",
    }
}

fn count(text: &str) -> Result<LicenseCount, WordError> {
    text.parse::<i64>().map_err(|_| WordError::LicenseCount)?.try_into()
}

impl Wanted {
    /// The change of that tenant's licences.
    pub(super) fn of(&self, tenant_id: TenantId, requested_by: Option<Requester>) -> ChangeLicenseInput {
        ChangeLicenseInput {
            tenant_id,
            quantity: self.quantity,
            from: self.from,
            effective: self.effective.map(|When(effective)| effective),
            requested_by,
        }
    }
}
