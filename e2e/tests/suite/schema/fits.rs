//! The schemas that `tenantry schema` prints, and what was held against them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use e2e::World;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// Every schema by its name.
pub(super) struct Schemas<'a> {
    world: &'a World,
    by_name: BTreeMap<String, (Value, Validator)>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Schemas<'a> {
    /// As this build prints them, all in one document and each by itself.
    pub(super) fn of(world: &'a World) -> Result<Self> {
        let whole = parsed(&world.tenantry(&["schema"])?.exits(0)?.stdout)?;
        ensure!(jsonschema::meta::is_valid(&whole), "the document is no schema");
        let mut by_name = BTreeMap::new();
        for (name, schema) in whole["$defs"].as_object().context("no schemas")? {
            let alone = parsed(&world.tenantry(&["schema", name])?.exits(0)?.stdout)?;
            ensure!(alone == *schema, "{name} alone is another than among all");
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            let validator = options.build(schema).map_err(|error| error.to_owned()).context(name.clone())?;
            by_name.insert(name.clone(), (alone, validator));
        }
        Ok(Self { world, by_name, used: RefCell::default() })
    }

    /// What `tenantry` prints for a program, which fits the schema of that command, and so does the
    /// error, if there is one. Nothing else is said.
    pub(super) fn check(&self, command: &str, more: &[&str], exit: i32) -> Result<Value> {
        self.check_with(command, more, &[], exit)
    }

    /// The same with some settings changed.
    pub(super) fn check_with(&self, command: &str, more: &[&str], with: &[(&str, &str)], exit: i32) -> Result<Value> {
        let words: Vec<&str> = command.split(' ').chain(more.iter().copied()).chain(["--output", "json"]).collect();
        let said = self.world.tenantry_with(&words, &[&[("RUST_LOG", "off")], with].concat())?.exits(exit)?;
        // What was found stands on stdout, and is no error.
        if exit == 0 || exit == 6 && said.stderr.is_empty() {
            ensure!(said.stderr.is_empty(), "{words:?} says {}", said.stderr);
        } else {
            let error = parsed(&said.stderr).with_context(|| format!("stderr of {words:?}"))?;
            self.fits("error", &error)?;
            ensure!(error["code"] == exit, "{words:?} exits {exit} and says {error}");
        }
        if said.stdout.is_empty() {
            ensure!(exit != 0, "{words:?} prints nothing");
            return Ok(Value::Null);
        }
        let document = parsed(&said.stdout).with_context(|| format!("stdout of {words:?}"))?;
        self.fits(command, &document)?;
        Ok(document)
    }

    /// Each line of a report.
    pub(super) fn lines(&self, name: &str, text: &str) -> Result<()> {
        ensure!(!text.is_empty(), "{name} is empty");
        text.lines().try_for_each(|line| self.fits(name, &parsed(line)?))
    }

    /// A document fits its schema, and does not once it is damaged.
    pub(super) fn fits(&self, name: &str, document: &Value) -> Result<()> {
        let (schema, validator) = self.by_name.get(name).with_context(|| format!("no schema of {name}"))?;
        let wrong: Vec<String> =
            validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
        ensure!(wrong.is_empty(), "{name}: {}\n{document:#}", wrong.join("\n"));
        let damaged = if name.ends_with(" input") { damaged_input(document, schema) } else { damaged(document) };
        for damaged in damaged {
            ensure!(!validator.is_valid(&damaged), "{name} takes this for a good one:\n{damaged:#}");
        }
        self.used.borrow_mut().insert(name.to_owned());
        Ok(())
    }

    /// Nothing is left that no document was held against.
    pub(super) fn are_all_used(&self) -> Result<()> {
        let used = self.used.borrow();
        let unused: Vec<&String> = self.by_name.keys().filter(|name| !used.contains(*name)).collect();
        ensure!(unused.is_empty(), "nothing was held against {unused:?}");
        Ok(())
    }
}

/// What we print: nothing is there that its schema does not know, and each field is of its kind.
fn damaged(document: &Value) -> Vec<Value> {
    let mut more = document.clone();
    more["misspelled"] = json!(1);
    let names = document.as_object().into_iter().flat_map(|fields| fields.keys());
    let without = |name: &str| {
        let mut less = document.clone();
        less.as_object_mut().and_then(|fields| fields.remove(name));
        less
    };
    let first = names.clone().next().map(|name| without(name));
    [Some(more), first, Some(json!([document]))].into_iter().flatten().collect()
}

/// What a workflow takes: a field that it does not know is ignored, and one of another kind is not.
fn damaged_input(document: &Value, schema: &Value) -> Vec<Value> {
    let names = document.as_object().into_iter().flat_map(|fields| fields.keys());
    let names = names.filter(|name| schema["properties"].get(name.as_str()).is_some());
    let other = |name: &String| {
        let mut other = document.clone();
        other[name] = json!([{"neither": "nor"}]);
        other
    };
    names.map(other).chain([json!([document])]).collect()
}

pub(super) fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}
