//! How long a step is tried.
//!
//! Transient trouble is waited out: Stripe, the network and Postgres come back. One try is
//! short, so that a killed worker costs seconds. Whether a failure is permanent is decided
//! beside each error, not here.
//!
//! A step's summary stands beside its name in the Temporal UI. It names what the step is about, so it
//! is made and never a literal: six hundred that say the same say nothing.

use std::time::Duration;

use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

const SEVEN_DAYS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Stripe forgets a key after a day, so what was sent under it must not be sent again later.
const TWENTY_HOURS: Duration = Duration::from_secs(20 * 60 * 60);
const ONE_HOUR: Duration = Duration::from_secs(60 * 60);
/// Of a step that asks Stripe, or Postgres many times.
const ONE_TRY: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A step that asks Postgres.
pub(crate) fn database(summary: String) -> ActivityOptions {
    patient(Duration::from_secs(5), SEVEN_DAYS, summary)
}

/// A step that asks Postgres many times.
pub(crate) fn long_database(summary: String) -> ActivityOptions {
    patient(ONE_TRY, SEVEN_DAYS, summary)
}

/// A step that asks Stripe.
pub(crate) fn stripe(summary: String) -> ActivityOptions {
    stripe_after(Duration::ZERO, summary)
}

/// The same, where an earlier run has tried for so long already.
pub(crate) fn stripe_after(tried: Duration, summary: String) -> ActivityOptions {
    patient(ONE_TRY, SEVEN_DAYS.saturating_sub(tried).max(ONE_TRY), summary)
}

/// A step that writes at Stripe what must not happen twice, where others before it have taken some
/// of the time that all of them have.
pub(crate) fn stripe_write(spent: Duration, summary: String) -> ActivityOptions {
    patient(ONE_TRY, TWENTY_HOURS.saturating_sub(spent).max(ONE_TRY), summary)
}

/// A step that asks Stripe so that the end of a run can say what is there.
pub(crate) fn last_look(summary: String) -> ActivityOptions {
    patient(ONE_TRY, ONE_HOUR, summary)
}

/// The same, ended when `token` is cancelled too.
pub(crate) fn ended_by(token: &WorkflowCancellationToken, options: ActivityOptions) -> ActivityOptions {
    let mut options = options;
    options.cancellation_token = Some(token.clone());
    options
}

fn patient(one_try: Duration, all_tries: Duration, summary: String) -> ActivityOptions {
    let timeouts =
        ActivityCloseTimeouts::ScheduleAndStartToClose { schedule_to_close: all_tries, start_to_close: one_try };
    let retry = RetryPolicy::builder()
        .initial_interval(FIRST_PAUSE)
        .backoff_coefficient(2.0)
        .maximum_interval(LONGEST_PAUSE)
        .build();
    ActivityOptions::with_close_timeouts(timeouts)
        .retry_policy(retry)
        // A cancelled run ends between steps: the one under way is waited for, so that what it
        // did to the world is known.
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .summary(summary)
        .build()
}
