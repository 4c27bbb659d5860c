//! `tenantry tenant show`: a tenant as the database has it. It does not ask Stripe.

use chrono::{DateTime, Utc};
use domain::ids::IdError;
use schemars::JsonSchema;
use serde::Serialize;
use store::{LicenseChangeView, SubscriptionView, TenantView, Whose};

use crate::database::Database;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report, Rows, licences, time};
use crate::settings::{self, lookup};
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry tenant show 190f0b43-fe35-5e35-ba10-4f73c2b88e4d
  tenantry tenant show cus_QXg1oyoEfW2bZ3
  tenantry tenant show sub_1MowQVLkdIwHu7ix --output json";

/// Which tenant.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tenant's id, its customer's or that of one of its subscriptions
    #[arg(value_name = "TENANT|cus_…|sub_…", value_parser = whose)]
    whose: Whose,
}

/// The one whose name that is.
pub(crate) fn whose(text: &str) -> Result<Whose, String> {
    let parsed = match text.get(..4) {
        Some("cus_") => text.parse().map(Whose::Customer),
        Some("sub_") => text.parse().map(Whose::Subscription),
        Some(_) | None => text.parse().map(Whose::Tenant),
    };
    parsed.map_err(|error| match error {
        IdError::Uuid => "expected a tenant's UUID, cus_… or sub_…".to_owned(),
        IdError::Prefix(_) | IdError::Letters(_) => error.to_string(),
    })
}

/// Looks it up.
pub(crate) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let database = Database::from_env(settings::master()?)?;
    let temporal = TemporalConfig::from_env(lookup)?;
    database.refuse_old_schema().await?;
    let found = database.store.show(&args.whose).await.map_err(|error| database.failed(&error))?;
    let Some(view) = found else { return Err(not_found(&args.whose, &database.config.place())) };
    output.print(&Tenant::new(view, &temporal));
    Ok(Exit::Done)
}

/// There is no such tenant here.
pub(crate) fn not_found(whose: &Whose, place: &str) -> Failure {
    let (what, next) = match whose {
        Whose::Tenant(tenant) => (format!("tenant {tenant}"), "correct the id".to_owned()),
        Whose::Customer(customer) => {
            (format!("tenant of {customer}"), format!("onboard it: tenantry start tenant --customer {customer} …"))
        }
        Whose::Subscription(subscription) => (
            format!("tenant of {subscription}"),
            format!("onboard it: tenantry start tenant --subscription {subscription} …"),
        ),
    };
    let next = format!("{next}; or set DATABASE_URL to the database that has it");
    Failure::new(Exit::NotFound, format!("no {what} in the database at {place}"), next)
}

/// A tenant.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tenant {
    tenant_id: String,
    client_name: String,
    email: String,
    /// `null` is no limit.
    licensed_user_count: Option<i32>,
    created_at: DateTime<Utc>,
    created_by_workflow: Option<String>,
    created_by_run: Option<String>,
    link: Option<String>,
    stripe_customer_id: Option<String>,
    subscriptions: Vec<Subscription>,
    last_change: Option<Change>,
}

/// One of its subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
struct Subscription {
    stripe_subscription_id: String,
    status: String,
    quantity: Option<i32>,
    price_id: Option<String>,
    current_period_end: Option<DateTime<Utc>>,
    cancel_at: Option<DateTime<Utc>>,
    cancel_at_period_end: bool,
    is_add_on: bool,
}

/// What last changed its count.
#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    from: Option<i32>,
    to: i32,
    cause: String,
    changed_at: DateTime<Utc>,
    workflow_id: String,
    run_id: String,
    link: Option<String>,
}

impl Tenant {
    fn new(view: TenantView, temporal: &TemporalConfig) -> Self {
        let maker = view.created_by_workflow.as_deref().zip(view.created_by_run.as_deref());
        let link = maker.and_then(|(workflow, run)| temporal.link(workflow, run));
        Self {
            tenant_id: view.tenant.to_string(),
            client_name: view.client_name,
            email: view.email,
            licensed_user_count: view.licensed_user_count,
            created_at: view.created_at,
            created_by_workflow: view.created_by_workflow,
            created_by_run: view.created_by_run,
            link,
            stripe_customer_id: view.stripe_customer_id,
            subscriptions: view.subscriptions.into_iter().map(Subscription::from).collect(),
            last_change: view.last_change.map(|change| Change::new(change, temporal)),
        }
    }
}

impl Tenant {
    fn changed_by_run(&self) -> Option<&String> {
        self.last_change.as_ref().map(|change| &change.run_id)
    }
}

impl From<SubscriptionView> for Subscription {
    fn from(view: SubscriptionView) -> Self {
        Self {
            stripe_subscription_id: view.id,
            status: view.status,
            quantity: view.quantity,
            price_id: view.price,
            current_period_end: view.current_period_end,
            cancel_at: view.cancel_at,
            cancel_at_period_end: view.cancel_at_period_end,
            is_add_on: view.is_add_on,
        }
    }
}

impl Change {
    fn new(view: LicenseChangeView, temporal: &TemporalConfig) -> Self {
        Self {
            from: view.from_count,
            to: view.to_count,
            cause: view.cause,
            changed_at: view.changed_at,
            link: temporal.link(&view.workflow_id, &view.run_id),
            workflow_id: view.workflow_id,
            run_id: view.run_id,
        }
    }
}

impl Report for Tenant {
    fn text(&self) -> String {
        let mut rows = Rows::default();
        rows.push("tenant", &self.tenant_id);
        rows.push("name", &self.client_name);
        rows.push("e-mail", &self.email);
        rows.push("licences", licences(self.licensed_user_count));
        rows.push("customer", self.stripe_customer_id.as_deref().unwrap_or("none"));
        let none = self.subscriptions.is_empty().then_some("none");
        rows.push_some("subscription", none);
        self.subscriptions.iter().for_each(|subscription| rows.push("subscription", subscription.line()));
        rows.push("last change", self.last_change.as_ref().map_or_else(|| "none".to_owned(), Change::line));
        if let Some(change) = &self.last_change {
            rows.push("", format!("by {}, run {}", change.workflow_id, change.run_id));
            rows.push_some("", change.link.as_ref());
        }
        let same_run = self.created_by_run.is_some() && self.created_by_run.as_ref() == self.changed_by_run();
        if same_run {
            rows.push("made", format!("{}, by the same run", time(self.created_at)));
        } else {
            rows.push("made", time(self.created_at));
            rows.push_some("", self.maker());
            rows.push_some("", self.link.as_ref());
        }
        rows.to_string()
    }
}

impl Tenant {
    fn maker(&self) -> Option<String> {
        let (workflow, run) = self.created_by_workflow.as_ref().zip(self.created_by_run.as_ref())?;
        Some(format!("by {workflow}, run {run}"))
    }
}

impl Subscription {
    fn line(&self) -> String {
        let quantity = self.quantity.map_or_else(|| "no quantity".to_owned(), |n| format!("quantity {n}"));
        let parts = [
            Some(self.stripe_subscription_id.clone()),
            Some(self.status.clone()),
            self.is_add_on.then(|| "add-on".to_owned()),
            Some(quantity),
            self.price_id.clone(),
            self.current_period_end.map(|at| format!("period ends {}", time(at))),
            self.cancel_at_period_end.then(|| "cancelled to the end of its period".to_owned()),
            self.cancel_at.map(|at| format!("cancelled to {}", time(at))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Change {
    fn line(&self) -> String {
        format!("{} -> {}, {} ({})", licences(self.from), self.to, time(self.changed_at), self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let found = whose(text).map(|whose| match whose {
            Whose::Tenant(_) => "tenant",
            Whose::Customer(_) => "customer",
            Whose::Subscription(_) => "subscription",
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn a_tenant_has_three_kinds_of_name() {
        check("190f0b43-fe35-5e35-ba10-4f73c2b88e4d", Ok("tenant"));
        check("cus_1", Ok("customer"));
        check("sub_1", Ok("subscription"));
        check("ann@example.com", Err("expected a tenant's UUID, cus_… or sub_…"));
        check("…", Err("expected a tenant's UUID, cus_… or sub_…"));
        check("cus_", Err("expected `cus_` followed by letters and digits, at most 255 characters in all"));
    }
}
