//! Hold points: a step stops where a test tells it to, and the test decides what happens then.
//!
//! `TENANTRY_HOLD_AT=after:createTenant` and `TENANTRY_HOLD_DIR=/some/folder` make the worker
//! stop once at that place: it writes `held`, naming the place, into the folder and waits
//! there until `released` appears beside it. A test kills the worker meanwhile, with a real
//! SIGKILL, or lets something else overtake the step. The file outlives the worker, so the
//! next one passes. Refused unless Stripe is a double on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::FutureExt;
use stripe_gateway::ApiBase;
use temporalio_sdk::interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next};

/// The place to stop at.
pub(crate) struct HoldPoints {
    place: String,
    dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
    #[error("TENANTRY_HOLD_AT is for tests and needs STRIPE_API_BASE on loopback")]
    NotATest,
    #[error("TENANTRY_HOLD_AT needs TENANTRY_HOLD_DIR")]
    DirMissing,
    #[error("TENANTRY_HOLD_AT is not before:STEP or after:STEP")]
    PlaceWrong,
}

/// How often the release is looked for.
const LOOK: Duration = Duration::from_millis(20);

impl HoldPoints {
    /// The hold point that `lookup` knows of, if any.
    pub(crate) fn from_env(lookup: impl Fn(&str) -> Option<String>, base: &ApiBase) -> Result<Option<Self>, HoldError> {
        let Some(place) = lookup("TENANTRY_HOLD_AT") else { return Ok(None) };
        if !base.is_loopback() {
            return Err(HoldError::NotATest);
        }
        if !matches!(place.split_once(':'), Some(("before" | "after", _))) {
            return Err(HoldError::PlaceWrong);
        }
        let dir = lookup("TENANTRY_HOLD_DIR").ok_or(HoldError::DirMissing)?.into();
        Ok(Some(Self { place, dir }))
    }

    async fn hold(&self, place: &str) {
        if place != self.place || !claim(&self.dir.join("held"), place) {
            return;
        }
        while !self.dir.join("released").exists() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether this is the first to stop here: the file is made once.
fn claim(held: &Path, place: &str) -> bool {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(held);
    made.is_ok_and(|mut file| std::io::Write::write_all(&mut file, place.as_bytes()).is_ok())
}

impl ActivityInboundInterceptor for HoldPoints {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let step = input.activity_info().activity_type.clone();
        async move {
            self.hold(&format!("before:{step}")).await;
            let result = next.run(input).await;
            self.hold(&format!("after:{step}")).await;
            result
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stripe_gateway::StripeConfig;

    fn check(base: &str, settings: &[(&str, &str)], expected: Result<bool, &str>) {
        let lookup = |name: &str| match name {
            "STRIPE_SECRET_KEY" => Some("sk_test_1".to_owned()),
            "STRIPE_API_BASE" => Some(base.to_owned()),
            _ => settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()),
        };
        let base = StripeConfig::from_env(lookup).expect("right settings").base;
        let found = HoldPoints::from_env(lookup, &base).map(|held| held.is_some()).map_err(|e| e.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_hold_point_needs_a_double_on_this_machine() {
        let (double, at, dir) =
            ("http://127.0.0.1:12111", ("TENANTRY_HOLD_AT", "after:x"), ("TENANTRY_HOLD_DIR", "/tmp"));
        check(double, &[], Ok(false));
        check(double, &[at, dir], Ok(true));
        check(double, &[at], Err("TENANTRY_HOLD_AT needs TENANTRY_HOLD_DIR"));
        let elsewhere = "TENANTRY_HOLD_AT is for tests and needs STRIPE_API_BASE on loopback";
        check("https://api.stripe.com", &[at, dir], Err(elsewhere));
        check("http://stripe-sim:12111", &[at, dir], Err(elsewhere));
        let place = "TENANTRY_HOLD_AT is not before:STEP or after:STEP";
        check(double, &[("TENANTRY_HOLD_AT", "createTenant"), dir], Err(place));
    }
}
