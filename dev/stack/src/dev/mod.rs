//! What `cargo dev` does, in order.

mod change;
mod env_file;
mod plan;
mod program;
mod purchase;
mod report;
mod servers;
mod shop;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use stack::file_lock::FileLock;
use stack::{binaries, deadline, tools};

use plan::Plan;
use servers::Servers;

/// How often it looks whether all still run.
const LOOK: Duration = Duration::from_millis(200);

/// Starts everything and plays the demo; then stays until it is interrupted, unless `once`.
pub(crate) fn run(port_base: u16, dir: &Path, once: bool) -> Result<()> {
    let plan = Plan::new(port_base, dir);
    let Some(_lock) = FileLock::try_take(&plan.lock)? else {
        let dir = dir.display();
        bail!(
            "another `cargo dev` uses {dir}: stop it first, or take another folder and other ports (`--dir`, `--port-base`)"
        );
    };
    env_file::remove_old(&plan)?;
    plan.check_ports()?;
    prepare()?;

    let mut servers = Servers::start(&plan)?;
    let outcome = show(&plan, &mut servers, once);
    servers.stop();
    outcome
}

/// Everything that takes long the first time.
fn prepare() -> Result<()> {
    binaries::binary("worker")?;
    tools::temporal_cli()?;
    tools::postgres_bin_dir()?;
    Ok(())
}

fn show(plan: &Plan, servers: &mut Servers, once: bool) -> Result<()> {
    let purchase = purchase::buy(plan, servers)?;
    let change = change::make(plan, servers, &purchase)?;
    let _ready = env_file::write(plan, servers)?;
    report::print(plan, servers, &purchase, &change, once)?;
    if once { Ok(()) } else { stay(servers) }
}

/// Being interrupted is how this ends well.
fn stay(servers: &mut Servers) -> Result<()> {
    while !deadline::interrupted() {
        servers.look_after()?;
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Forgets the logs of an earlier start.
fn remove_logs(plan: &Plan) -> Result<()> {
    if plan.logs.exists() {
        fs::remove_dir_all(&plan.logs)?;
    }
    Ok(())
}
