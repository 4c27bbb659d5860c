//! The command line: what can be asked, and how it is refused.

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::output::Output;
use crate::{
    completions, events, import, license, man, migrate, reconcile, runs, schedule, schema, start_tenant, tenant_show,
    tenant_why, ui,
};

const EXAMPLES: &str = "\
Examples:
  tenantry doctor
  tenantry migrate --master-tenant 0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11
  tenantry start tenant --email ann@example.com --client-name 'Ann & Co' \\
      --customer cus_QXg1oyoEfW2bZ3 --subscription sub_1MowQVLkdIwHu7ix --wait
  tenantry tenant show cus_QXg1oyoEfW2bZ3 --output json
  tenantry tenant why cus_QXg1oyoEfW2bZ3
  tenantry license set cus_QXg1oyoEfW2bZ3 15 --wait
  tenantry events list --status failed
  tenantry runs list --failed
  tenantry runs why create-tenant-cus_QXg1oyoEfW2bZ3
  tenantry reconcile

Settings come from the environment and from .env; `tenantry doctor` checks them.
";

/// Turns Stripe purchases into tenants, by hand: start, look, replay, migrate, check.
#[derive(Debug, Parser)]
#[command(name = "tenantry", version, disable_help_subcommand = true, after_help = format!("{EXAMPLES}\n{}", exit::TABLE))]
pub(crate) struct Cli {
    /// For a person, or for a program: data as one JSON document on stdout, an error on stderr
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT", display_order = 100)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a workflow
    #[command(subcommand)]
    Start(Start),
    /// Look at tenants
    #[command(subcommand)]
    Tenant(Tenant),
    /// Take over for tenants what Stripe has
    #[command(subcommand)]
    Import(Box<import::Import>),
    /// Look at a tenant's licences, and change how many there are
    #[command(subcommand)]
    License(Box<license::License>),
    /// Look at the events that Stripe sent, and have them handled again
    #[command(subcommand)]
    Events(Box<events::Events>),
    /// Look at runs of workflows: what failed, why, and what to do about it
    #[command(subcommand)]
    Runs(Box<runs::Runs>),
    /// Open the Temporal UI at the right page
    Ui(ui::Args),
    /// Compare what is here with what Stripe has, and repair it where asked to
    Reconcile(reconcile::Args),
    /// Have that done again and again
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Bring the database's schema up to this build, and make the master billing tenant
    Migrate(migrate::Args),
    /// Check every setting and service, and say what to do about each that is red
    #[command(after_help = crate::doctor::HELP)]
    Doctor,
    /// Print JSON Schemas of what `--output json` prints, and of what workflows take and answer
    Schema(schema::Args),
    /// Print what a shell needs in order to complete commands, flags, values and ids of runs
    Completions(completions::Args),
    /// Print the manual, or write a page for each command
    Man(man::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Start {
    /// Onboard a purchase: make its tenant, or go on where a failed run stopped
    Tenant(Box<start_tenant::Args>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// Show a tenant with its customer, subscriptions, licence count and last change
    Show(tenant_show::Args),
    /// Explain how a tenant came to its licence count
    Why(tenant_why::Args),
}

/// The command line, or how the command ended without it: help was asked for, or a flag is wrong.
pub(crate) fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let output = stated_output(std::env::args());
        if !error.use_stderr() || is_help && output == Output::Text {
            let _ = error.print();
            return if is_help { Exit::Usage } else { Exit::Done };
        }
        refuse(&error).report(output)
    })
}

const SEE_HELP: &str = "run it with --help to see every flag, with examples";

/// clap's words in the shape of our errors: what is wrong, and the word that was probably meant.
fn refuse(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(Exit::Usage, "there is more to say: a command, or what it is about", SEE_HELP);
    }
    let rendered = error.to_string();
    let said = rendered.split("\n\n").next().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said).trim();
    let tips = rendered.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let next: Vec<&str> = tips.chain([SEE_HELP]).collect();
    Failure::new(Exit::Usage, said, next.join("; "))
}

/// The format that the arguments ask for, where they could not be parsed.
fn stated_output(args: impl Iterator<Item = String>) -> Output {
    let args: Vec<String> = args.collect();
    let is_json = args.iter().any(|arg| arg == "--output=json")
        || args.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    if is_json { Output::Json } else { Output::Text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(flags: &str, expected: Result<(), &str>) {
        let words = format!("tenantry start tenant --email a@b --client-name Ann {flags}");
        let parsed = Cli::try_parse_from(words.split_whitespace());
        match (parsed, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(flag)) => {
                assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()), "{flags}");
                assert!(refuse(&error).message().contains(flag), "{flags}: {error}");
            }
            (parsed, expected) => panic!("{flags}: {parsed:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_value_is_refused_and_its_flag_named() {
        check("--customer cus_1 --subscription sub_1 --licenses 0 --wait", Ok(()));
        check("--customer sub_1", Err("--customer"));
        check("--subscription cus_1", Err("--subscription"));
        check("--licenses -3", Err("--licenses"));
        check("--licenses ten", Err("--licenses"));
        check("--licenses 2147483648", Err("--licenses"));
        check("--checkout-session cus_1", Err("--checkout-session"));
        check("--tenant 42", Err("--tenant"));
        check("--timeout 60", Err("--wait"));
        check("--wait --timeout 0", Err("--timeout"));
    }

    #[test]
    fn a_typo_is_told_the_near_word() {
        let check = |words: &str, near: &str| {
            let error = Cli::try_parse_from(words.split(' ')).expect_err(words);
            let failure = refuse(&error);
            assert!(failure.next().contains(&format!("'{near}'")), "{words}: {failure:?}");
            assert!(!failure.message().contains("Usage:"), "{words}: {failure:?}");
        };
        check("tenantry evnts list", "events");
        check("tenantry events lst", "list");
        check("tenantry events list --stats failed", "--status");
        check("tenantry events list --status faild", "failed");
        check("tenantry events replay --status parkd", "parked");
        check("tenantry runs list --type createTenantWorkflw", "createTenantWorkflow");
        check("tenantry runs list --kind StripeNotFond", "StripeNotFound");
        check("tenantry license set cus_1 4 --effective period-nd", "period-end");
        check("tenantry doctor --output jsn", "json");
        check("tenantry completions bsh", "bash");
    }

    #[test]
    fn the_format_of_a_refusal_is_the_one_that_was_asked_for() {
        let stated = |words: &str| stated_output(words.split(' ').map(str::to_owned));
        assert_eq!(stated("tenantry doctor --output json"), Output::Json);
        assert_eq!(stated("tenantry --output=json doctor"), Output::Json);
        assert_eq!(stated("tenantry tenant show json"), Output::Text);
    }
}
