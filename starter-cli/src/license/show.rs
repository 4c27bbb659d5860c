//! `tenantry license show`: a tenant's licences as the database has them, and the change that runs.
//! It does not ask Stripe.

use chrono::{DateTime, Utc};
use domain::ids::TenantId;
use domain::license::{Derived, LicenseRules};
use schemars::JsonSchema;
use serde::Serialize;
use store::{LicenseView, PriceView, SubscriptionView, Whose};

use super::change::Running;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::money::money;
use crate::output::{Output, Report, Rows, licences, time};
use crate::screen;
use crate::settings::lookup;
use crate::standing::Standing;
use crate::temporal::TemporalConfig;
use crate::tenant_show::{not_found, whose};

const HELP: &str = "\
Examples:
  tenantry license show cus_QXg1oyoEfW2bZ3
  tenantry license show 190f0b43-fe35-5e35-ba10-4f73c2b88e4d
  tenantry license show sub_1MowQVLkdIwHu7ix --output json

Shows what the database has; `license preview` asks Stripe.";

/// Whose.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tenant's id, its customer's or that of one of its subscriptions
    #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
    whose: Whose,
}

/// Looks it up.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let (database, _master) = super::database().await?;
    let temporal = TemporalConfig::from_env(lookup)?;
    let found = database.store.license_view(&args.whose).await.map_err(|error| database.failed(&error))?;
    let Some(view) = found else { return Err(not_found(&args.whose, &database.config.place())) };
    let client = temporal.connect().await?;
    let running = Running::find(&client, &temporal, TenantId::from(view.tenant.tenant)).await?;
    output.print(&Licenses::new(view, running, database.store.rules()));
    Ok(Exit::Done)
}

/// A tenant's licences.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Licenses {
    tenant_id: String,
    stripe_customer_id: Option<String>,
    /// `null` is no limit.
    licensed_user_count: Option<i32>,
    /// The subscription that counts, if one does.
    subscription: Option<Counting>,
    now: Standing,
    running: Option<Running>,
}

/// The subscription that counts.
#[derive(Debug, Serialize, JsonSchema)]
struct Counting {
    stripe_subscription_id: String,
    status: String,
    price_id: Option<String>,
    price: Option<Price>,
    current_period_end: Option<DateTime<Utc>>,
    cancel_at: Option<DateTime<Utc>>,
    cancel_at_period_end: bool,
}

/// What one licence costs.
#[derive(Debug, Serialize, JsonSchema)]
struct Price {
    /// In the currency's smallest unit; none for tiers.
    unit_amount: Option<i64>,
    currency: String,
    interval: Option<String>,
    interval_count: Option<i32>,
    /// As people say it.
    shown: String,
}

impl Licenses {
    fn new(view: LicenseView, running: Option<Running>, rules: &LicenseRules) -> Self {
        let now = Standing::new(&view.tenant, &view.derived, rules);
        let counting = match &view.derived {
            Derived::Count(_, Some(id)) => view.tenant.subscriptions.iter().find(|one| one.id == id.as_str()),
            Derived::Count(_, None) | Derived::Keep | Derived::Withheld(_) => None,
        };
        Self {
            tenant_id: view.tenant.tenant.to_string(),
            licensed_user_count: view.tenant.licensed_user_count,
            subscription: counting.map(|one| Counting::new(one, view.price)),
            stripe_customer_id: view.tenant.stripe_customer_id,
            now,
            running,
        }
    }
}

impl Counting {
    fn new(view: &SubscriptionView, price: Option<PriceView>) -> Self {
        Self {
            stripe_subscription_id: view.id.clone(),
            status: view.status.clone(),
            price_id: view.price.clone(),
            price: price.map(Price::from),
            current_period_end: view.current_period_end,
            cancel_at: view.cancel_at,
            cancel_at_period_end: view.cancel_at_period_end,
        }
    }

    fn line(&self) -> String {
        let ends = match (self.cancel_at, self.cancel_at_period_end) {
            (Some(at), _) => format!(", cancelled to {}", time(at)),
            (None, true) => ", cancelled to the end of its period".to_owned(),
            (None, false) => String::new(),
        };
        format!("{}, {}{ends}", self.stripe_subscription_id, self.status)
    }
}

impl From<PriceView> for Price {
    fn from(view: PriceView) -> Self {
        Self {
            shown: shown(&view),
            unit_amount: view.unit_amount,
            currency: view.currency,
            interval: view.interval,
            interval_count: view.interval_count,
        }
    }
}

/// `19.99 USD a month`, `50.00 EUR every 3 months`.
fn shown(price: &PriceView) -> String {
    let Some(amount) = price.unit_amount else { return "in tiers".to_owned() };
    let amount = money(amount, &price.currency);
    match (&price.interval, price.interval_count) {
        (Some(interval), Some(1) | None) => format!("{amount} a {interval}"),
        (Some(interval), Some(count)) => format!("{amount} every {count} {interval}s"),
        (None, _) => amount,
    }
}

impl Report for Licenses {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("tenant", &self.tenant_id);
        rows.push("customer", self.stripe_customer_id.as_deref().unwrap_or("none"));
        rows.push("licences", licences(self.licensed_user_count));
        match &self.subscription {
            Some(counting) => push_counting(&mut rows, counting),
            None => rows.push("subscription", "none that counts"),
        }
        rows.push("why", self.now.sentence(self.licensed_user_count));
        self.now.doubts().into_iter().for_each(|doubt| rows.push("", doubt));
        rows.push("waiting", self.now.waits().unwrap_or_else(|| "nothing".to_owned()));
        match &self.running {
            Some(running) => {
                rows.push("running", running.line());
                rows.push_some("", running.link());
            }
            None => rows.push("running", "nothing"),
        }
        rows.on(screen::width())
    }
}

fn push_counting(rows: &mut Rows, counting: &Counting) {
    rows.push("subscription", counting.line());
    rows.push_some("price", counting.price.as_ref().map(|price| format!("{} for each licence", price.shown)));
    rows.push_some("period ends", counting.current_period_end.map(time));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_said_with_how_often_it_is_paid() {
        let check = |unit_amount, interval_count, expected: &str| {
            let interval = Some("month".to_owned());
            let price = PriceView { unit_amount, currency: "usd".to_owned(), interval, interval_count };
            assert_eq!(shown(&price), expected);
        };
        check(Some(1_999), Some(1), "19.99 USD a month");
        check(Some(5_000), Some(3), "50.00 USD every 3 months");
        check(None, Some(1), "in tiers");
    }
}
