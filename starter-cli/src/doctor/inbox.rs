//! Is every event of Stripe's accounted for, and does one wait that should not?

use chrono::{TimeDelta, Utc};
use domain::event::EventStatus;
use store::OldestEvent;

use super::check::{Check, in_time};
use crate::database::Database;
use crate::events::{age, judge_accounting};

const PARKED: &str = "parked events";
const FAILED: &str = "failed events";
const ACCOUNTING: &str = "accounting";

/// Every check of the inbox.
pub(super) const NAMES: [&str; 3] = [PARKED, FAILED, ACCOUNTING];

/// An onboarding takes seconds, and a stranded one minutes.
const PARKED_MAX: TimeDelta = TimeDelta::hours(1);

/// Asks the database; its schema is as this build expects it.
pub(super) async fn look(database: &Database) -> Vec<Check> {
    let of = [EventStatus::Parked, EventStatus::Failed];
    let oldest = in_time(PARKED, database.store.oldest_events(&of)).await;
    let oldest = oldest.and_then(|found| found.map_err(|error| Check::failed(PARKED, &database.failed(&error))));
    let [parked, failed] = match &oldest {
        Ok(oldest) => {
            let of =
                |status| oldest.iter().filter(|event| event.status == status).min_by_key(|event| event.received_at);
            [parked(of(EventStatus::Parked)), failed(of(EventStatus::Failed))]
        }
        Err(red) => [red.clone(), Check::skipped(FAILED, PARKED)],
    };
    vec![parked, failed, accounting(database).await]
}

fn parked(oldest: Option<&OldestEvent>) -> Check {
    let Some(event) = oldest else { return Check::ok(PARKED, "none waits for a tenant") };
    let found = format!("the oldest, {}, has waited {} for its customer's tenant", event.id, age(event.received_at));
    if Utc::now() - event.received_at < PARKED_MAX {
        return Check::ok(PARKED, found);
    }
    Check::warning(PARKED, found, format!("tenantry events show {}", event.id))
}

fn failed(oldest: Option<&OldestEvent>) -> Check {
    let Some(event) = oldest else { return Check::ok(FAILED, "none") };
    let found = format!("there are some, the oldest of them {}, {} ago", event.id, age(event.received_at));
    Check::warning(FAILED, found, "tenantry events list --status failed")
}

/// A large inbox takes longer to count than a person waits here.
async fn accounting(database: &Database) -> Check {
    let counting = async { Ok((database.store.accounting().await?, database.store.stuck_events().await?)) };
    let command = "tenantry events accounting";
    match in_time(ACCOUNTING, counting).await {
        Err(_) => Check::warning(ACCOUNTING, "not looked at: counting takes too long here", command),
        Ok(Err(error)) => Check::failed(ACCOUNTING, &database.failed(&error)),
        Ok(Ok((types, stuck))) => match judge_accounting(&types, &stuck).as_slice() {
            [] => Check::ok(ACCOUNTING, "every event that was received is accounted for"),
            findings => Check::red(ACCOUNTING, findings.join("; "), command),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    fn event(minutes: i64) -> OldestEvent {
        let received_at = Utc::now() - TimeDelta::minutes(minutes);
        OldestEvent { event_type: "a.b".to_owned(), status: EventStatus::Parked, id: "evt_1".to_owned(), received_at }
    }

    #[test]
    fn an_event_that_was_parked_for_an_hour_is_looked_at() {
        let check = |oldest: Option<OldestEvent>, expected| assert_eq!(parked(oldest.as_ref()).verdict, expected);
        check(None, Verdict::Ok);
        check(Some(event(59)), Verdict::Ok);
        check(Some(event(61)), Verdict::Warning);
    }
}
