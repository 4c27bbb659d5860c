//! Asking whoever sits in front of it, before something is done that is not easily undone.

use std::io::{BufRead, IsTerminal, Write};

use crate::exit::Exit;
use crate::failure::Failure;

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
    eprint!("{shown}\n\n{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
