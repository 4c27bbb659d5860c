//! Hold points: a program stops where a test tells it to, and the test decides what happens then.
//!
//! `TENANTRY_HOLD_AT=after:createTenant` and `TENANTRY_HOLD_DIR=/some/folder` make it stop once
//! at that place: it writes `held`, naming the place, into the folder and waits there until
//! `released` appears beside it. A test kills the program meanwhile, with a real SIGKILL, or lets
//! something else overtake it. The file outlives the program, so the next one passes. A step that
//! Temporal gives up meanwhile and tries again is held again by the same program, as long as the
//! first try is. Refused unless Stripe is a double on this machine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The place to stop at, if there is one.
#[derive(Clone, Debug)]
pub struct HoldPoints(Option<Arc<HoldPoint>>);

#[derive(Debug)]
struct HoldPoint {
    place: String,
    dir: PathBuf,
    /// The step that stopped here first.
    held: OnceLock<String>,
}

/// A setting of the hold points that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Stripe may be the real one.
    #[error("TENANTRY_HOLD_AT is for tests and needs STRIPE_API_BASE on loopback")]
    NotATest,
    /// There is nowhere to say that it holds.
    #[error("TENANTRY_HOLD_AT needs TENANTRY_HOLD_DIR")]
    DirMissing,
    /// Not a place.
    #[error("TENANTRY_HOLD_AT is not before:STEP or after:STEP")]
    PlaceWrong,
}

/// How often the release is looked for.
const LOOK: Duration = Duration::from_millis(20);

impl HoldPoints {
    /// The hold point that `lookup` knows of; `is_test` where Stripe is a double on this machine.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>, is_test: bool) -> Result<Self, HoldError> {
        let Some(place) = lookup("TENANTRY_HOLD_AT") else { return Ok(Self(None)) };
        if !is_test {
            return Err(HoldError::NotATest);
        }
        if !matches!(place.split_once(':'), Some(("before" | "after", _))) {
            return Err(HoldError::PlaceWrong);
        }
        let dir = lookup("TENANTRY_HOLD_DIR").ok_or(HoldError::DirMissing)?.into();
        tracing::warn!(place, "hold points are switched on: this program stops where a test tells it to");
        Ok(Self(Some(Arc::new(HoldPoint { place, dir, held: OnceLock::new() }))))
    }

    /// Whether there is a place to stop at.
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Stops here, if this is the place and nobody stopped there before.
    pub async fn hold(&self, place: &str) {
        let Some(point) = self.at(place) else { return };
        if claim(&point.dir.join("held"), place) {
            point.wait_for_release().await;
        }
    }

    /// The same for a try of a step, which `step` tells from every other.
    pub async fn hold_try(&self, place: &str, step: &str) {
        let Some(point) = self.at(place) else { return };
        if claim(&point.dir.join("held"), place) {
            point.held.get_or_init(|| step.to_owned());
        }
        if point.held.get().is_some_and(|held| held == step) {
            point.wait_for_release().await;
        }
    }

    fn at(&self, place: &str) -> Option<&HoldPoint> {
        self.0.as_deref().filter(|point| point.place == place)
    }
}

impl HoldPoint {
    async fn wait_for_release(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_test: bool, settings: &[(&str, &str)], expected: Result<bool, HoldError>) {
        let lookup = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(HoldPoints::from_env(lookup, is_test).map(|held| held.are_on()), expected, "{settings:?}");
    }

    #[test]
    fn a_hold_point_is_for_tests_and_needs_a_place_and_a_folder() {
        let (at, dir) = (("TENANTRY_HOLD_AT", "after:x"), ("TENANTRY_HOLD_DIR", "/tmp"));
        check(true, &[], Ok(false));
        check(true, &[at, dir], Ok(true));
        check(true, &[at], Err(HoldError::DirMissing));
        check(true, &[("TENANTRY_HOLD_AT", "createTenant"), dir], Err(HoldError::PlaceWrong));
        check(false, &[], Ok(false));
        check(false, &[at, dir], Err(HoldError::NotATest));
    }
}
