//! An error as a person reads it: what went wrong, and what to do next.

use std::error::Error;

use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::output::Output;
use crate::{screen, style};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    next: String,
}

/// A [`Failure`] on stderr, with `--output json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Json<'a> {
    /// How the command ended, 1 to 6; see `tenantry --help`.
    #[schemars(range(min = 1, max = 6))]
    code: u8,
    message: &'a str,
    next: &'a str,
}

impl Failure {
    /// Ends the command with that code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: next.into() }
    }

    /// A setting that is missing or wrong. The errors of our configurations name it and never
    /// repeat its value.
    pub(crate) fn setting(error: impl Error) -> Self {
        Self::new(Exit::Usage, error.to_string(), "correct it in the environment or in .env")
    }

    /// The code that it ends the command with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What went wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do.
    pub(crate) fn next(&self) -> &str {
        &self.next
    }

    /// Says it on stderr.
    pub(crate) fn report(&self, output: Output) -> Exit {
        match output {
            Output::Text => anstream::eprintln!("{}", self.text()),
            Output::Json => {
                let Self { exit, message, next } = self;
                eprintln!("{}", crate::output::json(&Json { code: exit.code(), message, next }));
            }
        }
        self.exit
    }
}

impl Failure {
    fn text(&self) -> String {
        let (error, next) = (style::paint(style::BAD, "error:"), style::paint(style::HEAD, "next:"));
        format!("{error} {}\n{next} {}", screen::tame(&self.message), screen::tame(&self.next))
    }
}

/// An error and its causes in one line, each cause once: libraries like to repeat theirs.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn it_looks_as_before() {
        let failure = Failure::new(Exit::NotFound, "no event evt_1 in the database at db:5432/app", "correct the id");
        snapshot::check_text("failure", || failure.text());
    }
}
