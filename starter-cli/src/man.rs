//! `tenantry man`: the manual, made from what `--help` says.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

const HELP: &str = "\
Examples:
  tenantry man | man -l -
  tenantry man ~/.local/share/man/man1

A folder gets a page for each command, such as tenantry-runs-list.1.";

/// Where to.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The folder for all pages, which is made where it is missing; without it the first page is
    /// printed
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints or writes it.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).unwrap_or_else(|error| unreachable!("{error}"));
        let _ = std::io::stdout().write_all(&page);
        return Ok(Exit::Done);
    };
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.map_err(|error| {
        let message = format!("cannot write the pages to {}: {error}", dir.display());
        Failure::new(Exit::Usage, message, "name a folder that can be written to")
    })?;
    Ok(Exit::Done)
}
