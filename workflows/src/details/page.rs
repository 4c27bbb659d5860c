//! What every page says in the same way: whose run it is, where it stands, what failed and which
//! command mends it.

use std::fmt::Display;

use domain::advice::{self, word};
use domain::create_tenant::RunError;
use domain::failure::FailureKind;
use domain::names::search_attribute;
use temporalio_workflow::WorkflowContext;

use super::links;
use crate::search_attributes::{STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID, TENANT_ID};

/// A page, top to bottom: the failure, the commands, the facts, the links.
///
/// The facts are a list. The UI shows each line of a paragraph on a line of its own, and another
/// renderer of markdown would not; both show a list as one.
pub(crate) struct Page {
    namespace: String,
    workflow_id: String,
    known: [Option<String>; 3],
    failure: Option<RunError>,
    mend: Option<String>,
    suggested: Option<String>,
    facts: Vec<String>,
}

/// The objects that a run is found by, as [`Page::of`] reads them.
const OBJECTS: [(&str, &str); 3] = [
    ("Tenant", search_attribute::TENANT_ID),
    ("Customer", search_attribute::STRIPE_CUSTOMER_ID),
    ("Subscription", search_attribute::STRIPE_SUBSCRIPTION_ID),
];

impl Page {
    /// The page of this run, with what its search attributes say by now. `no_tenant` stands where they
    /// name none.
    pub(crate) fn of<W>(ctx: &WorkflowContext<W>, no_tenant: &str) -> Self {
        let set = ctx.search_attributes();
        let known = [TENANT_ID, STRIPE_CUSTOMER_ID, STRIPE_SUBSCRIPTION_ID].map(|name| set.get(&name));
        Self::about(ctx.namespace(), ctx.workflow_id(), known, no_tenant)
    }

    pub(super) fn about(namespace: &str, workflow_id: &str, known: [Option<String>; 3], no_tenant: &str) -> Self {
        let (namespace, workflow_id) = (namespace.to_owned(), workflow_id.to_owned());
        let page =
            Self { namespace, workflow_id, known, failure: None, mend: None, suggested: None, facts: Vec::new() };
        let page = if page.known[0].is_none() { page.fact("Tenant", no_tenant) } else { page };
        page.with_objects()
    }

    fn with_objects(mut self) -> Self {
        for ((word, attribute), value) in OBJECTS.into_iter().zip(&self.known) {
            let link = |value: &String| links::to_runs(&format!("`{value}`"), &self.namespace, attribute, value);
            self.facts.extend(value.as_ref().map(|value| format!("**{word}** {}", link(value))));
        }
        self
    }

    /// `cus_…`, once that is known.
    pub(super) fn customer(&self) -> Option<&str> {
        self.known[1].as_deref()
    }

    /// `sub_…`, once that is known.
    pub(super) fn subscription(&self) -> Option<&str> {
        self.known[2].as_deref()
    }

    /// One more line of the list.
    pub(super) fn fact(mut self, word: &str, what: impl Display) -> Self {
        self.facts.push(format!("**{word}** {what}"));
        self
    }

    /// What is done, what is under way, and what comes then.
    pub(super) fn steps(self, done: &[&str], under_way: Option<&str>, next: &[&str]) -> Self {
        let page = self.fact("Done", or(done, "nothing yet"));
        let page = match under_way {
            Some(step) => page.fact("Under way", step),
            None => page,
        };
        page.fact("Next", or(next, "nothing"))
    }

    /// What a person may do about a run that did not fail.
    pub(super) fn suggested(mut self, command: Option<String>) -> Self {
        self.suggested = command;
        self
    }

    /// What ended the run, with the command that takes it up again once the cause is mended.
    pub(super) fn failed(mut self, error: Option<&RunError>, mend: Option<String>) -> Self {
        self.failure = error.cloned();
        self.mend = mend;
        self
    }

    /// The same run once more, with the same input or, where that would end in the same way, with
    /// another value for what the failure is about.
    pub(super) fn replay(&self, error: Option<&RunError>) -> String {
        let correction = error.and_then(|error| self.correction(error)).unwrap_or_default();
        format!("tenantry runs replay {}{correction}", word(&self.workflow_id))
    }

    /// On a line of its own: the UI's column is narrow and cuts off what is longer.
    fn correction(&self, RunError { kind, message }: &RunError) -> Option<String> {
        let is_of_the_input = [FailureKind::ValidationError, FailureKind::StripeNotFound];
        is_of_the_input.iter().find(|of| kind == of.as_str())?;
        let ids = [("stripe_subscription_id", self.subscription()), ("stripe_customer_id", self.customer())];
        Some(format!(" \\\n    {}", advice::correction(message, ids)?))
    }

    /// What a batch has not started yet.
    pub(super) fn resume(&self) -> String {
        format!("tenantry runs batch resume {}", word(&self.workflow_id))
    }

    /// The whole page.
    pub(super) fn markdown(self) -> String {
        let facts: Vec<_> = self.facts.iter().map(|fact| format!("- {fact}")).collect();
        let facts = facts.join("\n");
        let Some(RunError { kind, message }) = &self.failure else {
            let command = self.suggested.map(|command| format!("\n\n```\n{command}\n```"));
            return facts + &command.unwrap_or_default();
        };
        let why = format!("tenantry runs why {}", word(&self.workflow_id));
        let commands: Vec<_> = [Some(why), self.mend].into_iter().flatten().collect();
        let same = format!("All runs that ended in {kind}");
        [
            format!("**{kind}** {}", plain(message)),
            format!("```\n{}\n```", commands.join("\n")),
            facts,
            links::to_runs(&same, &self.namespace, search_attribute::FAILURE_KIND, kind),
        ]
        .join("\n\n")
    }
}

fn or(words: &[&str], none: &str) -> String {
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

/// A text of others, with nothing in it that markdown would take for its own.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\`*[]<>|".contains(c) {
            plain.push('\\');
        }
        plain.push(if c.is_control() { ' ' } else { c });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(workflow_id: &str, known: [Option<&str>; 3]) -> Page {
        Page::about("default", workflow_id, known.map(|id| id.map(str::to_owned)), "not fixed yet")
    }

    #[test]
    fn what_is_known_links_to_its_runs() {
        let shown = page("w", [None, Some("cus_1"), None]).steps(&[], Some("look"), &["make", "tag"]).markdown();
        assert_eq!(
            shown,
            "- **Tenant** not fixed yet\n\
             - **Customer** [`cus_1`](/namespaces/default/workflows?query=%60StripeCustomerId%60%3D%22cus_1%22)\n\
             - **Done** nothing yet\n- **Under way** look\n- **Next** make, tag"
        );
    }

    #[test]
    fn a_failure_stands_first_with_the_commands_and_leads_to_those_like_it() {
        let error = RunError::new(FailureKind::ConflictError, "correct one of the two");
        let failed = page("import-subscription-sub_1", [None, None, None]);
        let replay = failed.replay(Some(&error));
        assert_eq!(
            failed.failed(Some(&error), Some(replay)).markdown(),
            "**ConflictError** correct one of the two\n\n\
             ```\ntenantry runs why import-subscription-sub_1\ntenantry runs replay import-subscription-sub_1\n```\n\n\
             - **Tenant** not fixed yet\n\n\
             [All runs that ended in ConflictError]\
             (/namespaces/default/workflows?query=%60FailureKind%60%3D%22ConflictError%22)"
        );
    }

    #[test]
    fn what_would_fail_again_as_it_was_is_to_be_corrected() {
        let page = page("w", [None, Some("cus_1"), Some("sub_1")]);
        let check = |kind, message: &str, set: &str| {
            let command = page.replay(Some(&RunError::new(kind, message)));
            assert_eq!(command.replace(" \\\n   ", ""), format!("tenantry runs replay w{set}"), "{message}");
        };
        let lost = FailureKind::StripeNotFound;
        check(lost, "sub_1 does not exist at Stripe", " --set stripe_subscription_id=sub_…");
        check(lost, "cus_1 does not exist at Stripe", " --set stripe_customer_id=cus_…");
        check(lost, "price_1 does not exist at Stripe", "");
        check(FailureKind::ValidationError, "client_name: expected a name", " --set client_name=…");
        check(FailureKind::ValidationError, "not an object: nothing", "");
        check(FailureKind::Exhausted, "sub_1: out of time", "");
    }

    #[test]
    fn what_others_wrote_is_shown_as_they_wrote_it() {
        assert_eq!(
            plain("No such price: 'price_1' *now* <b>\n[x](y)"),
            r"No such price: 'price_1' \*now\* \<b\> \[x\](y)"
        );
    }
}
