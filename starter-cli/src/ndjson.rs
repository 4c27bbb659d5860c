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

    /// A line each; `again` is the command that writes them once more.
    pub(crate) fn write<T: Serialize>(mut self, lines: &[T], again: &str) -> Result<(), Failure> {
        let written = lines.iter().try_for_each(|line| {
            let text = serde_json::to_string(line).unwrap_or_else(|error| unreachable!("{error}"));
            writeln!(self.file, "{text}")
        });
        written.and_then(|()| self.file.flush()).map_err(|error| {
            let message = format!("the report at {} is not whole: {error}", self.path.display());
            Failure::new(Exit::Failed, message, again)
        })
    }
}
