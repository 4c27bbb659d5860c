//! Who does something, and why, for the record.

use domain::change_license::Requester;
use domain::replay_batch::{Reason, ReasonError};
use domain::words::WordError;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::lookup;

/// Who does it, and why.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct By {
    /// Who does it, for the record; without it, your login name
    #[arg(long, value_name = "WHO", value_parser = requester)]
    operator: Option<Requester>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<Reason>,
}

impl By {
    /// Whether nothing was said.
    pub(crate) fn is_silent(&self) -> bool {
        self.operator.is_none() && self.reason.is_none()
    }

    /// Who does it.
    pub(crate) fn operator(&self) -> Result<Requester, Failure> {
        let nobody = || Failure::new(Exit::Usage, "nothing here says who you are", "say it with --operator");
        self.operator.clone().or_else(login).ok_or_else(nobody)
    }
}

/// What a flag says of who does it.
pub(crate) fn requester(text: &str) -> Result<Requester, WordError> {
    text.to_owned().try_into()
}

fn reason(text: &str) -> Result<Reason, ReasonError> {
    text.to_owned().try_into()
}

/// Who is logged in, as far as the environment or the system says.
pub(crate) fn login() -> Option<Requester> {
    let stated = ["USER", "LOGNAME"].into_iter().find_map(lookup);
    stated.or_else(of_the_system)?.try_into().ok()
}

fn of_the_system() -> Option<String> {
    let said = std::process::Command::new("id").arg("-un").output().ok()?;
    String::from_utf8(said.stdout).ok()
}
