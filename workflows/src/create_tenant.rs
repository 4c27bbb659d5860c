//! A purchase becomes a tenant.

use domain::create_tenant::{CreateTenantInput, CreateTenantResult, CreateTenantState, Step};
use domain::ids::{StripeCustomerId, StripeSubscriptionId, TenantId};
use domain::steps::{
    CreatedTenant, CustomerOf, LicenseCountOf, LicensedUserCount, NewStripeCustomer, NewTenant, Purchase,
    SubscriptionOf, TenantSteps,
};
use domain::untrusted::Untrusted;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::common::search_attributes::SearchAttributeKey;
use temporalio_workflow::{
    ActivityExecutionError, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, workflows,
};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};
use crate::{details, patience};

/// `createTenantWorkflow`. Nothing here is undone when a step fails: failures go forward, by
/// a new run under the same id whose finished steps answer at once.
#[workflow]
pub struct CreateTenant {
    input: Untrusted<CreateTenantInput>,
    /// What it is about, in a line without a person's data.
    subject: String,
    state: CreateTenantState,
}

#[workflow_methods]
impl CreateTenant {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<CreateTenantInput>) -> Self {
        let subject = input.0.as_ref().map(CreateTenantInput::summary).unwrap_or_default();
        Self { input, subject, state: CreateTenantState::default() }
    }

    /// From purchase to tenant.
    #[run(name = "createTenantWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<CreateTenantResult> {
        match Self::onboard(ctx).await {
            Ok(result) => Ok(result),
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> CreateTenantState {
        self.state.clone()
    }

    async fn onboard(ctx: &mut WorkflowContext<Self>) -> Result<CreateTenantResult, Ending> {
        let input = ctx.state(|s| s.input.clone()).into_valid()?;
        Self::set_search_attributes(ctx, input.tenant_id, &input.stripe_customer_id, &input.stripe_subscription_id);
        let purchase = Self::resolve(ctx, &input).await?;
        let tenant = Self::create(ctx, &input, &purchase).await?;
        Self::insert_customer(ctx, &input, &purchase, tenant.tenant_id).await?;
        Self::import(ctx, &purchase, tenant.tenant_id).await?;
        let count = Self::count(ctx, &input, tenant.tenant_id).await?;
        Self::tag(ctx, &purchase, tenant.tenant_id).await?;
        Ok(result(purchase, tenant, count))
    }

    async fn resolve(ctx: &mut WorkflowContext<Self>, input: &CreateTenantInput) -> Result<Purchase, Ending> {
        Self::begin(ctx, Step::ResolvePurchase);
        let options = patience::stripe(format!("look at {}", input.summary()));
        let purchase = ctx.execute_activity(TenantSteps::resolve_purchase, input.clone(), options).await?;
        let tenant = Some(purchase.tenant_id);
        Self::set_search_attributes(ctx, tenant, &purchase.stripe_customer_id, &purchase.stripe_subscription_id);
        ctx.state_mut(|s| s.state.tenant_id = Some(purchase.tenant_id));
        Self::done(ctx, Step::ResolvePurchase);
        Ok(purchase)
    }

    async fn create(
        ctx: &mut WorkflowContext<Self>,
        input: &CreateTenantInput,
        purchase: &Purchase,
    ) -> Result<CreatedTenant, Ending> {
        Self::begin(ctx, Step::CreateTenant);
        let new = NewTenant {
            tenant_id: purchase.tenant_id,
            tenant_id_was_given: input.tenant_id.is_some(),
            client_name: input.client_name.clone(),
            email: input.email.clone(),
            stripe_customer_id: purchase.stripe_customer_id.clone(),
            count_follows: purchase.stripe_subscription_id.is_some() || input.initial_license_count.is_some(),
        };
        let options = patience::database(format!("make tenant {}", purchase.tenant_id));
        let tenant = ctx.execute_activity(TenantSteps::create_tenant, new, options).await?;
        if tenant.tenant_id != purchase.tenant_id {
            // Another onboarding had the customer first; this one goes on with its tenant.
            ctx.upsert_search_attributes([TENANT_ID.value_set(tenant.tenant_id.to_string())]);
            ctx.state_mut(|s| s.state.tenant_id = Some(tenant.tenant_id));
        }
        Self::done(ctx, Step::CreateTenant);
        Ok(tenant)
    }

    async fn insert_customer(
        ctx: &mut WorkflowContext<Self>,
        input: &CreateTenantInput,
        purchase: &Purchase,
        tenant_id: TenantId,
    ) -> Result<(), Ending> {
        let Some(stripe_customer_id) = purchase.stripe_customer_id.clone() else { return Ok(()) };
        Self::begin(ctx, Step::InsertStripeCustomer);
        let options = patience::database(format!("insert {stripe_customer_id}"));
        let new = NewStripeCustomer {
            tenant_id,
            stripe_customer_id,
            email: input.email.clone(),
            client_name: input.client_name.clone(),
        };
        ctx.execute_activity(TenantSteps::insert_stripe_customer, new, options).await?;
        Self::done(ctx, Step::InsertStripeCustomer);
        Ok(())
    }

    async fn import(ctx: &mut WorkflowContext<Self>, purchase: &Purchase, tenant_id: TenantId) -> Result<(), Ending> {
        let Some(stripe_subscription_id) = purchase.stripe_subscription_id.clone() else { return Ok(()) };
        Self::begin(ctx, Step::ImportSubscription);
        let options = patience::stripe(format!("import {stripe_subscription_id}"));
        let of = SubscriptionOf { tenant_id, stripe_subscription_id };
        ctx.execute_activity(TenantSteps::import_subscription, of, options).await?;
        Self::done(ctx, Step::ImportSubscription);
        Ok(())
    }

    async fn count(
        ctx: &mut WorkflowContext<Self>,
        input: &CreateTenantInput,
        tenant_id: TenantId,
    ) -> Result<LicensedUserCount, Ending> {
        Self::begin(ctx, Step::SetLicensedUserCount);
        let options = patience::database(format!("count the licences of {tenant_id}"));
        let of = LicenseCountOf { tenant_id, initial_license_count: input.initial_license_count };
        let count = ctx.execute_activity(TenantSteps::set_licensed_user_count, of, options).await?;
        Self::done(ctx, Step::SetLicensedUserCount);
        Ok(count)
    }

    /// Both tags at once: neither needs the other. When one fails for good the other is not waited
    /// for, which could take days.
    async fn tag(ctx: &mut WorkflowContext<Self>, purchase: &Purchase, tenant_id: TenantId) -> Result<(), Ending> {
        let Some(stripe_customer_id) = purchase.stripe_customer_id.clone() else { return Ok(()) };
        let both = ctx.cancellation_token().child_token();
        let options = patience::ended_by(&both, patience::stripe(format!("tag {stripe_customer_id}")));
        let of_customer = CustomerOf { tenant_id, stripe_customer_id };
        let Some(stripe_subscription_id) = purchase.stripe_subscription_id.clone() else {
            Self::begin(ctx, Step::TagCustomer);
            ctx.execute_activity(TenantSteps::tag_customer, of_customer, options).await?;
            Self::done(ctx, Step::TagCustomer);
            return Ok(());
        };
        Self::begin(ctx, Step::TagSubscription);
        let customer = ctx.execute_activity(TenantSteps::tag_customer, of_customer, options);
        let options = patience::ended_by(&both, patience::stripe(format!("tag {stripe_subscription_id}")));
        let of_subscription = SubscriptionOf { tenant_id, stripe_subscription_id };
        let subscription = ctx.execute_activity(TenantSteps::tag_subscription, of_subscription, options);
        let (customer, subscription) =
            workflows::join!(cancelling_the_other(customer, &both), cancelling_the_other(subscription, &both));
        // Both are noted before either ends the run: what was done is done.
        for (step, tagged) in [(Step::TagSubscription, &subscription), (Step::TagCustomer, &customer)] {
            if tagged.is_ok() {
                Self::done(ctx, step);
            }
        }
        failure_of_either(subscription, customer)
    }

    /// Sets the attributes that are known and not set yet. The store's call sets none, and a run
    /// that waits or fails at its first step is looked for too.
    fn set_search_attributes(
        ctx: &WorkflowContext<Self>,
        tenant: Option<TenantId>,
        customer: &Option<StripeCustomerId>,
        subscription: &Option<StripeSubscriptionId>,
    ) {
        let known = [
            (TENANT_ID, tenant.map(String::from)),
            (STRIPE_CUSTOMER_ID, customer.clone().map(String::from)),
            (STRIPE_SUBSCRIPTION_ID, subscription.clone().map(String::from)),
        ];
        let set = ctx.search_attributes();
        let is_news = |name: &SearchAttributeKey<String>, value: &String| set.get(name).as_ref() != Some(value);
        let news: Vec<_> = known
            .into_iter()
            .filter_map(|(name, value)| value.filter(|value| is_news(&name, value)).map(|value| name.value_set(value)))
            .collect();
        if !news.is_empty() {
            ctx.upsert_search_attributes(news);
        }
    }

    fn begin(ctx: &mut WorkflowContext<Self>, step: Step) {
        ctx.state_mut(|s| s.state.step = Some(step));
        Self::describe(ctx);
    }

    fn done(ctx: &mut WorkflowContext<Self>, step: Step) {
        ctx.state_mut(|s| {
            s.state.step = None;
            s.state.done.push(step);
        });
        Self::describe(ctx);
    }

    fn record(ctx: &mut WorkflowContext<Self>, ending: &Ending) {
        let error = ending.told("cancelled; what was done stays, so start it again to go on from there");
        ctx.upsert_search_attributes([FAILURE_KIND.value_set(error.kind.clone())]);
        ctx.state_mut(|s| {
            s.state.step = None;
            s.state.error = Some(error);
        });
        Self::describe(ctx);
    }

    /// The markdown that stands on the run's page in the Temporal UI.
    fn describe(ctx: &WorkflowContext<Self>) {
        let page = details::Page::of(ctx, "not fixed yet");
        let details = ctx.state(|s| details::create_tenant::of(page, &s.subject, &s.state));
        ctx.set_current_details(details);
    }
}

/// Ends the other one too when this one fails.
async fn cancelling_the_other(
    tag: impl Future<Output = Result<(), ActivityExecutionError>>,
    both: &WorkflowCancellationToken,
) -> Result<(), Ending> {
    let tagged = tag.await;
    if tagged.is_err() {
        both.cancel();
    }
    Ok(tagged?)
}

/// Of two endings the one that says why: the other was cancelled because of it.
fn failure_of_either(one: Result<(), Ending>, other: Result<(), Ending>) -> Result<(), Ending> {
    match (one, other) {
        (Err(Ending::Failed(error)), _) | (_, Err(Ending::Failed(error))) => Err(Ending::Failed(error)),
        (Err(Ending::Cancelled), _) | (_, Err(Ending::Cancelled)) => Err(Ending::Cancelled),
        (Ok(()), Ok(())) => Ok(()),
    }
}

fn result(purchase: Purchase, tenant: CreatedTenant, count: LicensedUserCount) -> CreateTenantResult {
    CreateTenantResult {
        tenant_id: tenant.tenant_id,
        tenant: tenant.tenant_id,
        created: tenant.created,
        licensed_user_count: count.licensed_user_count,
        stripe_customer_id: purchase.stripe_customer_id,
        stripe_subscription_id: purchase.stripe_subscription_id,
        warnings: [purchase.warnings, tenant.warnings, count.warnings].concat(),
    }
}
