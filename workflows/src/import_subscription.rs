//! One subscription is taken over for a tenant that exists.

use domain::import_subscription::{
    ImportStep, ImportSubscriptionInput, ImportSubscriptionResult, ImportSubscriptionState,
};
use domain::steps::{
    ImportSubscriptionSteps, ImportToSettle, ResolvedImport, SettledImport, SubscriptionOf, TenantSteps,
};
use domain::untrusted::Untrusted;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::outcome::{Ending, termination};
use crate::search_attributes::{FAILURE_KIND, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};
use crate::{details, patience};

/// `importSubscriptionWorkflow`. The subscription is tagged, its customer is not: `onboarded=true`
/// would say of it what no onboarding did, and its row says whose it is.
#[workflow]
pub struct ImportSubscription {
    input: Untrusted<ImportSubscriptionInput>,
    state: ImportSubscriptionState,
}

#[workflow_methods]
impl ImportSubscription {
    /// Takes whatever came.
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: Untrusted<ImportSubscriptionInput>) -> Self {
        Self { input, state: ImportSubscriptionState::default() }
    }

    /// From a subscription at Stripe to rows, count and tag.
    #[run(name = "importSubscriptionWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ImportSubscriptionResult> {
        match Self::take_over(ctx).await {
            Ok(result) => Ok(result),
            Err(ending) => {
                Self::record(ctx, &ending);
                Err(termination(ending))
            }
        }
    }

    /// Where it stands.
    #[query(name = "state")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> ImportSubscriptionState {
        self.state.clone()
    }

    async fn take_over(ctx: &mut WorkflowContext<Self>) -> Result<ImportSubscriptionResult, Ending> {
        let ImportSubscriptionInput { tenant_id, stripe_subscription_id } =
            ctx.state(|s| s.input.clone()).into_valid()?;
        ctx.upsert_search_attributes([
            TENANT_ID.value_set(tenant_id.to_string()),
            STRIPE_SUBSCRIPTION_ID.value_set(stripe_subscription_id.to_string()),
        ]);
        let of = SubscriptionOf { tenant_id, stripe_subscription_id };
        let resolved = Self::resolve(ctx, &of).await?;
        Self::import(ctx, &of).await?;
        let settled = Self::settle(ctx, &of, &resolved).await?;
        Self::tag(ctx, &of).await?;
        Ok(result(of, resolved, settled))
    }

    async fn resolve(ctx: &mut WorkflowContext<Self>, of: &SubscriptionOf) -> Result<ResolvedImport, Ending> {
        Self::begin(ctx, ImportStep::ResolveImport);
        let options = patience::stripe(format!("look at {}", of.stripe_subscription_id));
        let resolved = ctx.execute_activity(ImportSubscriptionSteps::resolve_import, of.clone(), options).await?;
        ctx.upsert_search_attributes([STRIPE_CUSTOMER_ID.value_set(resolved.stripe_customer_id.to_string())]);
        Self::done(ctx, ImportStep::ResolveImport);
        Ok(resolved)
    }

    async fn import(ctx: &mut WorkflowContext<Self>, of: &SubscriptionOf) -> Result<(), Ending> {
        Self::begin(ctx, ImportStep::ImportSubscription);
        let options = patience::stripe(format!("import {}", of.stripe_subscription_id));
        ctx.execute_activity(TenantSteps::import_subscription, of.clone(), options).await?;
        Self::done(ctx, ImportStep::ImportSubscription);
        Ok(())
    }

    async fn settle(
        ctx: &mut WorkflowContext<Self>,
        of: &SubscriptionOf,
        resolved: &ResolvedImport,
    ) -> Result<SettledImport, Ending> {
        Self::begin(ctx, ImportStep::SettleImport);
        let import = ImportToSettle {
            tenant_id: of.tenant_id,
            stripe_subscription_id: of.stripe_subscription_id.clone(),
            stripe_customer_id: resolved.stripe_customer_id.clone(),
            email: resolved.email.clone(),
            name: resolved.name.clone(),
        };
        let options = patience::database(format!("count the licences of {}", of.tenant_id));
        let settled = ctx.execute_activity(ImportSubscriptionSteps::settle_import, import, options).await?;
        Self::done(ctx, ImportStep::SettleImport);
        Ok(settled)
    }

    async fn tag(ctx: &mut WorkflowContext<Self>, of: &SubscriptionOf) -> Result<(), Ending> {
        Self::begin(ctx, ImportStep::TagSubscription);
        let options = patience::stripe(format!("tag {}", of.stripe_subscription_id));
        ctx.execute_activity(TenantSteps::tag_subscription, of.clone(), options).await?;
        Self::done(ctx, ImportStep::TagSubscription);
        Ok(())
    }

    fn begin(ctx: &mut WorkflowContext<Self>, step: ImportStep) {
        ctx.state_mut(|s| s.state.step = Some(step));
        Self::describe(ctx);
    }

    fn done(ctx: &mut WorkflowContext<Self>, step: ImportStep) {
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
        let page = details::Page::of(ctx, "not readable");
        let details = ctx.state(|s| details::import_subscription::of(page, &s.state));
        ctx.set_current_details(details);
    }
}

fn result(of: SubscriptionOf, resolved: ResolvedImport, settled: SettledImport) -> ImportSubscriptionResult {
    ImportSubscriptionResult {
        tenant_id: of.tenant_id,
        stripe_customer_id: resolved.stripe_customer_id,
        stripe_subscription_id: of.stripe_subscription_id,
        status: settled.status,
        quantity: settled.quantity,
        licensed_user_count_before: resolved.licensed_user_count,
        licensed_user_count: settled.licensed_user_count,
    }
}
