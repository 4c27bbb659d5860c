//! What it was measured on: without it no figure means anything.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use stack::{command, tools};

/// Prints the machine and the versions of what takes part.
pub(crate) fn print(data: &Path) -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    let memory = line_value("/proc/meminfo", "MemTotal:").unwrap_or_default();
    println!("Machine   {cores} cores ({}), {} MiB of memory", cpu(), kib(&memory) / 1024);
    println!("Disk      {} under {}", filesystem(data)?, data.display());
    println!("System    Linux {}", read("/proc/sys/kernel/osrelease").trim());
    let node = tools::node()?;
    let postgres = tools::postgres_bin_dir()?.join("postgres");
    for (name, program) in [("Postgres", postgres), ("Temporal", tools::temporal_cli()?), ("Node", node)] {
        println!("{name:<9} {}", command::stdout(Command::new(program).arg("--version"))?.trim());
    }
    println!("npm       stripe {}, pg {}", package("stripe")?, package("pg")?);
    println!("Rust      {}, release profile\n", command::stdout(Command::new("rustc").arg("--version"))?.trim());
    Ok(())
}

/// How busy the machine is: figures taken beside a load are worth nothing.
pub(crate) fn load_average() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The most memory that a process has had at once, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let peak = line_value(&format!("/proc/{pid}/status"), "VmHWM:").context("the process is gone")?;
    Ok(kib(&peak) * 1024)
}

/// The memory that a process has now, in bytes.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    line_value(&format!("/proc/{pid}/status"), "VmRSS:").map(|now| kib(&now) * 1024)
}

/// Seconds of processor time that a process has used.
pub(crate) fn cpu_secs(pid: u32) -> f64 {
    times(pid)[..2].iter().sum()
}

/// The same of a process and of all the children that it has and had, which is what Postgres is.
pub(crate) fn family_cpu_secs(pid: u32) -> f64 {
    let children = read(&format!("/proc/{pid}/task/{pid}/children"));
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    times(pid).iter().sum::<f64>() + children.map(cpu_secs).sum::<f64>()
}

/// `utime`, `stime` and those of the children that ended, of proc_pid_stat(5), where they are in
/// hundredths of a second; the name in brackets may hold spaces.
fn times(pid: u32) -> [f64; 4] {
    let stat = read(&format!("/proc/{pid}/stat"));
    let mut fields = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default().split(' ').skip(11);
    [(); 4].map(|()| fields.next().and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0) / 100.0)
}

/// The filesystem that a folder lies on; one in memory would make every commit free.
fn filesystem(folder: &Path) -> Result<String> {
    let mounts = read("/proc/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let (device, _, kind) = mounts
        .filter(|(_, place, _)| folder.starts_with(place))
        .max_by_key(|(_, place, _)| place.len())
        .context("no filesystem holds the data")?;
    if ["tmpfs", "ramfs"].contains(&kind) {
        bail!("{} lies in memory: set TMPDIR to a folder on a disk", folder.display());
    }
    Ok(format!("{kind} on {device}"))
}

fn cpu() -> String {
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    model.unwrap_or_default().trim_start_matches([':', '\t', ' ']).to_owned()
}

fn package(name: &str) -> Result<String> {
    let manifest = read(&tools::node_modules()?.join(name).join("package.json").display().to_string());
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    Ok(manifest["version"].as_str().unwrap_or_default().to_owned())
}

fn line_value(path: &str, name: &str) -> Option<String> {
    read(path).lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}

fn kib(text: &str) -> u64 {
    text.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
