//! `tenantry runs why`: one paragraph and one command. What failed, whether trying again can help,
//! what to do.

use domain::advice::word;
use schemars::JsonSchema;
use serde::Serialize;

use super::explanation::Again;
use super::found::{FoundRun, describe};
use super::history::History;
use super::resolve::Which;
use super::verdict::{Verdict, judge};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::run::STATUSES;
use crate::screen;
use crate::settings::lookup;
use crate::temporal::TemporalConfig;

const HELP: &str = "\
Examples:
  tenantry runs why create-tenant-cus_QXg1oyoEfW2bZ3
  tenantry runs why sync-subscription-sub_1Mow
  tenantry runs why create-tenant-cus_QXg1oyoEfW2bZ3 --output json

An id may be given by its beginning. A run that waits, runs or is done is explained too.";

/// Which one.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

/// Explains it.
pub(super) async fn run(args: Args, output: Output) -> Result<Exit, Failure> {
    let temporal = TemporalConfig::from_env(lookup)?;
    let client = temporal.connect().await?;
    let described = args.which.resolve(&client, &temporal).await?;
    let history = History::read(&client, &temporal, &described).await?;
    let run = FoundRun::new(&described, &temporal).since(history.undecided_since);
    let mut verdict = judge(&run, &history);
    if args.which.run.is_some()
        && let Some(latest) = describe(&client, &temporal, &run.workflow_id, None).await?
        && latest.run_id() != run.run_id
    {
        verdict.overtake(&FoundRun::new(&latest, &temporal));
    }
    output.print(&Why::new(run, verdict));
    Ok(Exit::Done)
}

/// Why a run stands where it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Why {
    workflow_id: String,
    run_id: String,
    #[schemars(extend("enum" = STATUSES))]
    status: &'static str,
    failure_kind: Option<String>,
    /// The step that failed, or that it does not get past.
    step: Option<String>,
    /// What that step is about.
    about: Option<String>,
    /// A paragraph.
    explanation: String,
    /// Whether starting it again can help.
    again: Again,
    /// The command to run next. `…` stands for what a person has to fill in.
    next: String,
    link: Option<String>,
}

impl Why {
    fn new(run: FoundRun, verdict: Verdict) -> Self {
        let (step, about) = verdict.step.map_or((None, None), |step| (Some(step.name), step.about));
        Self {
            workflow_id: run.workflow_id,
            run_id: run.run_id,
            status: run.status,
            failure_kind: run.failure_kind,
            step,
            about,
            explanation: verdict.sentences.join(" "),
            again: verdict.again,
            next: verdict.next,
            link: run.link,
        }
    }
}

impl Report for Why {
    fn text(&self) -> String {
        let paragraph = screen::fold(&self.explanation, screen::width()).join("\n");
        let link = self.link.as_ref().map_or_else(String::new, |link| format!("\n{link}"));
        format!("{paragraph}\n\n{}{link}", self.next)
    }
}

impl Verdict {
    /// There is a newer run of the workflow id, and what holds is what that one says.
    fn overtake(&mut self, latest: &FoundRun) {
        let said =
            format!("This run is not the latest: {}, run {}, is {}.", latest.workflow_id, latest.run_id, latest.status);
        self.sentences.push(said);
        self.again = Again::NotNeeded;
        self.next = format!("tenantry runs why {}", word(&latest.workflow_id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_as_before() {
        let explanation = "This onboarding failed at its first step, resolvePurchase: sub_1Lost does not exist at \
                           Stripe in TEST mode. Started again as it was, it would fail again.";
        let next = "tenantry runs replay create-tenant-cus_QXg1oyoEfW2bZ3 --set stripe_subscription_id=sub_…";
        let why = Why {
            workflow_id: "create-tenant-cus_QXg1oyoEfW2bZ3".to_owned(),
            run_id: "01a20041-fdac-77da-a6da-f7d0748a14ac".to_owned(),
            status: "failed",
            failure_kind: Some("StripeNotFound".to_owned()),
            step: Some("resolvePurchase".to_owned()),
            about: None,
            explanation: explanation.to_owned(),
            again: Again::OnceCorrected,
            next: next.to_owned(),
            link: Some("http://127.0.0.1:8233/namespaces/default/workflows/w/r/history".to_owned()),
        };
        snapshot::check("runs_why", &why);
    }
}
