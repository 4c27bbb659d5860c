//! `tenantry schema`: JSON Schemas (draft 2020-12) of what `--output json` prints, of the lines in
//! reports, and of what goes into workflows and comes out of them. They are derived from the types
//! that are printed and parsed, so that they cannot say another thing.

mod closed;
mod shapes;

use std::collections::BTreeMap;
use std::io::Write;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use domain::near::near;
use schemars::Schema;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use shapes::{DRAFT, Direction, Document};

const HELP: &str = "\
Examples:
  tenantry schema
  tenantry schema tenant show
  tenantry schema error
  tenantry schema 'import customers --report'
  tenantry schema createTenantWorkflow input

Each is a schema by itself. Without a name all of them are printed in one document, each under its
name in `$defs`. What we print has no other fields than its schema says; a workflow's input may
have, and they are ignored.";

/// Of what.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// A command, `error`, a report, or a workflow's input or result; without it, all of them
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(candidates))]
    name: Vec<String>,
}

fn candidates() -> Vec<CompletionCandidate> {
    shapes::all().into_iter().map(|document| CompletionCandidate::new(document.name)).collect()
}

/// Prints them. They are JSON for a person too.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let printed = match args.name.join(" ").as_str() {
        "" => whole(),
        name => one(name)?.to_value(),
    };
    let _ = writeln!(std::io::stdout(), "{}", output::json(&printed));
    Ok(Exit::Done)
}

/// All in one document. Each keeps its own id, so that references inside it stay inside it.
fn whole() -> Value {
    let schemas = shapes::all().into_iter().map(|document| (document.name.clone(), schema(&document)));
    json!({
        "$schema": DRAFT,
        "title": concat!("tenantry ", env!("CARGO_PKG_VERSION")),
        "$defs": schemas.collect::<BTreeMap<String, Schema>>(),
    })
}

fn one(name: &str) -> Result<Schema, Failure> {
    let all = shapes::all();
    if let Some(document) = all.iter().find(|document| document.name == name) {
        return Ok(schema(document));
    }
    let next = match near(name, all.iter().map(|document| document.name.as_str())) {
        Some(near) => format!("tenantry schema '{near}'"),
        None => "tenantry schema prints all of them".to_owned(),
    };
    Err(Failure::new(Exit::NotFound, format!("there is no schema of `{name}`"), next))
}

/// A document that is one of several things is any of them.
fn schema(document: &Document) -> Schema {
    let mut generator = document.direction.settings().into_generator();
    let mut shapes: Vec<Schema> = document.shapes.iter().map(|shape| shape(&mut generator)).collect();
    let mut schema = if shapes.len() == 1 { shapes.remove(0) } else { schemars::json_schema!({"anyOf": shapes}) };
    schema.insert("$schema".to_owned(), DRAFT.into());
    schema.insert("$id".to_owned(), format!("urn:tenantry:{}", document.name.replace(' ', ":")).into());
    schema.insert("title".to_owned(), document.name.clone().into());
    let definitions = generator.take_definitions(false);
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    match document.direction {
        Direction::Printed => closed::close(&mut schema),
        Direction::Parsed => {}
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::runs::WorkflowType;

    /// They print no document of ours.
    const WITHOUT: [&str; 3] = ["completions", "man", "schema"];

    fn commands(command: &clap::Command, above: &str) -> Vec<String> {
        let name = |command: &clap::Command| format!("{above} {}", command.get_name()).trim().to_owned();
        let each = |one: &clap::Command| match one.is_subcommand_required_set() {
            true => commands(one, &name(one)),
            false => vec![name(one)],
        };
        command.get_subcommands().flat_map(each).collect()
    }

    #[test]
    fn every_command_has_its_schema_and_every_schema_its_command() {
        let printing = commands(&Cli::command(), "").into_iter().filter(|name| !WITHOUT.contains(&name.as_str()));
        let registered = shapes::COMMANDS.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(registered.collect::<BTreeSet<_>>(), printing.collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_workflow_has_its_schemas() {
        let names: Vec<String> = shapes::all().into_iter().map(|document| document.name).collect();
        for workflow in WorkflowType::ALL {
            for part in ["input", "result"] {
                let name = format!("{} {part}", workflow.as_str());
                assert!(names.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn what_is_printed_is_closed_and_what_is_parsed_is_open() {
        let tenant = one("tenant show").expect("a schema");
        assert_eq!(tenant.get("additionalProperties"), Some(&false.into()));
        let required = tenant.get("required").and_then(Value::as_array).expect("required fields");
        assert!(required.contains(&"licensed_user_count".into()), "{required:?}");
        let input = one("createTenantWorkflow input").expect("a schema");
        assert_eq!(input.get("additionalProperties"), None);
        assert_eq!(input.get("required"), Some(&json!(["email", "client_name"])));
        assert_eq!(input.pointer("/properties/stripe_customer_id/pattern"), Some(&"^cus_[0-9A-Z_a-z]+$".into()));
    }

    #[test]
    fn a_name_that_is_not_known_is_told_the_near_one() {
        let failure = one("tenant shwo").expect_err("no such command");
        assert_eq!((failure.exit(), failure.next()), (Exit::NotFound, "tenantry schema 'tenant show'"));
        assert_eq!(one("moonlight").expect_err("no such thing").next(), "tenantry schema prints all of them");
    }
}
