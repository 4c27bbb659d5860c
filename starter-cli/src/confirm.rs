//! Asking whoever sits in front of it, before something is done that is not easily undone.

use std::io::{BufRead, IsTerminal, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Report;

/// Nothing was started.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Declined {
    #[schemars(extend("const" = false))]
    started: bool,
    #[serde(skip)]
    said: &'static str,
}

impl Declined {
    /// For a person in these words.
    pub(crate) fn new(said: &'static str) -> Self {
        Self { started: false, said }
    }
}

impl Report for Declined {
    fn text(&self) -> String {
        self.said.to_owned()
    }
}

/// Refuses where nobody could answer: `what` would be done, and `look` shows it first.
pub(crate) fn refuse_unasked(what: &str, look: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    let message = format!("{what}, and nobody can be asked here");
    Err(Failure::new(Exit::Usage, message, format!("add --yes; or look first with {look}")))
}

/// Shows it on stderr and asks; anything but a yes is no.
pub(crate) fn said_yes(shown: &str, question: &str) -> bool {
    anstream::eprint!("{shown}\n\n");
    agreed(question)
}

/// Asks on stderr; anything but a yes is no.
pub(crate) fn agreed(question: &str) -> bool {
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
