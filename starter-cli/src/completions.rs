//! `tenantry completions`: what a shell needs in order to complete our words. The script that it is
//! given asks `tenantry` itself at every Tab, so that it never knows less than this build, and knows
//! the ids of runs.

use std::ffi::OsStr;
use std::io::Write;
use std::time::Duration;

use clap::CommandFactory;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use domain::replay_batch::WORKFLOW_ID_PREFIX;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::runs::ids_beginning_with;

const HELP: &str = "\
Examples:
  source <(tenantry completions bash)
  tenantry completions zsh > ~/.zfunc/_tenantry
  tenantry completions fish > ~/.config/fish/completions/tenantry.fish

Commands, flags and their values complete, and the ids of runs by how they begin, if Temporal
answers within a second.";

/// The variable that the script sets when it asks.
const ASKED: &str = "TENANTRY_COMPLETE";
/// Whoever presses Tab waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[arg(value_name = "SHELL", value_parser = shell())]
    shell: String,
}

fn shell() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Shells::builtins().names())
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell).unwrap_or_else(|| unreachable!("{} is one of them", args.shell));
    let mut script = Vec::new();
    let written = shell.write_registration(ASKED, "tenantry", "tenantry", &ourselves(), &mut script);
    written.map_err(|error| Failure::new(Exit::Failed, error.to_string(), "try again"))?;
    let _ = std::io::stdout().write_all(&script);
    Ok(Exit::Done)
}

/// As we were called: by name where the shell finds us, else by the path.
fn ourselves() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let is_path = std::path::Path::new(&called).components().count() > 1;
    let path = is_path.then(|| std::path::absolute(&called).ok()).flatten();
    path.map_or_else(|| called.to_string_lossy().into_owned(), |path| path.display().to_string())
}

/// Answers the shell, if it is the shell that asks.
pub(crate) fn answered() -> bool {
    let folder = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(Cli::command).var(ASKED);
    asked.try_complete(std::env::args_os(), folder.as_deref()).unwrap_or_else(|error| error.exit())
}

/// The ids of runs that begin so.
pub(crate) fn run_ids(beginning: &OsStr) -> Vec<CompletionCandidate> {
    let ids = beginning.to_str().map(ids).unwrap_or_default();
    ids.into_iter().map(CompletionCandidate::new).collect()
}

/// The names of batches that begin so.
pub(crate) fn batch_names(beginning: &OsStr) -> Vec<CompletionCandidate> {
    let ids = beginning.to_str().map(|beginning| ids(&format!("{WORKFLOW_ID_PREFIX}{beginning}"))).unwrap_or_default();
    let names = ids.iter().filter_map(|id| id.strip_prefix(WORKFLOW_ID_PREFIX));
    names.map(CompletionCandidate::new).collect()
}

/// Whatever keeps them away, the shell completes nothing then, and its prompt stays clean.
fn ids(beginning: &str) -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let found = runtime.block_on(async { tokio::time::timeout(PATIENCE, ids_beginning_with(beginning)).await });
    found.unwrap_or_default()
}
