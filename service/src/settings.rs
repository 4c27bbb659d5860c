//! Where settings come from. Each group is parsed by the crate that owns it.

/// What is wrong with the `.env` file. It quotes nothing of it, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// Reading stopped at it, and the settings below it would be missing without a word.
    #[error(".env has a line that is not NAME=value; a value with spaces or # stands in quotes")]
    Line,
    /// It is there.
    #[error(".env cannot be read; make it readable, or move it away")]
    Unreadable,
}

/// Reads `.env`, from here or from a folder above, if there is one. What the environment has
/// already stays. Call it before there is a second thread: it writes into the environment.
pub fn load_dotenv() -> Result<(), DotenvError> {
    match dotenvy::dotenv() {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(dotenvy::Error::LineParse(..)) => Err(DotenvError::Line),
        Err(_) => Err(DotenvError::Unreadable),
    }
}

/// A setting's value; an empty one is none, as container files like to have it.
pub fn lookup(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
