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
        let step = input.activity_info().activity_type.clone();
        async move {
            self.0.hold(&format!("before:{step}")).await;
            let result = next.run(input).await;
            self.0.hold(&format!("after:{step}")).await;
            result
        }
        .boxed()
    }
}
