//! A report in a file: one JSON document a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// Where the lines go.
pub(crate) struct ReportFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl ReportFile {
    /// Empties it, or makes it. Before anything is started: who named a file that cannot be written
    /// wants to know now.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| {
            let message = format!("cannot write the report to {}: {error}", path.display());
            Failure::new(Exit::Usage, message, "name another file with --report")
        })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// All that there is.
    pub(crate) fn write<T: Serialize>(mut self, lines: &[T], again: &str) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| self.add(line, again))?;
        self.end(again)
    }

    /// One more line; `again` is the command that writes all of them once more.
    pub(crate) fn add(&mut self, line: &impl Serialize, again: &str) -> Result<(), Failure> {
        let text = serde_json::to_string(line).unwrap_or_else(|error| unreachable!("{error}"));
        writeln!(self.file, "{text}").map_err(|error| self.broken(&error, again))
    }

    /// That was the last.
    pub(crate) fn end(mut self, again: &str) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.broken(&error, again))
    }

    fn broken(&self, error: &std::io::Error, again: &str) -> Failure {
        Failure::new(Exit::Failed, format!("the report at {} is not whole: {error}", self.path.display()), again)
    }
}
