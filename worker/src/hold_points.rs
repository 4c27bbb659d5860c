//! The worker's hold points: before and after each step.

use futures::FutureExt;
use service::hold_points::HoldPoints;
use temporalio_sdk::interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next};

/// Holds steps.
#[derive(Clone)]
pub(crate) struct HeldSteps(pub(crate) HoldPoints);

impl ActivityInboundInterceptor for HeldSteps {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let info = input.activity_info();
        let kind = info.activity_type.clone();
        let step = format!("{} {}", info.workflow_run_id.as_deref().unwrap_or_default(), info.activity_id);
        async move {
            self.0.hold_try(&format!("before:{kind}"), &step).await;
            let result = next.run(input).await;
            self.0.hold_try(&format!("after:{kind}"), &step).await;
            result
        }
        .boxed()
    }
}
