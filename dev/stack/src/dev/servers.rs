//! The processes: started in the order in which they need each other, stopped the other way round.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use stack::postgres::PostgresOptions;
use stack::process::Launch;
use stack::temporal::TemporalOptions;
use stack::{Postgres, Process, Temporal, binaries, command, http, tools, unprivileged, workspace};

use super::plan::{DATABASE, DATABASE_PASSWORD, MASTER_TENANT, Plan};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(5);

/// A worker that dies more often than this within [`TROUBLE_WINDOW`] is not being killed by hand.
const TROUBLE_DEATHS: usize = 5;
const TROUBLE_WINDOW: Duration = Duration::from_secs(30);

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) temporal: Temporal,
    pub(super) postgres: Postgres,
    stripe: Process,
    pub(super) worker: Process,
    settings: Vec<(&'static str, String)>,
    worker_log: PathBuf,
    worker_deaths: Vec<Instant>,
}

impl Servers {
    /// Starts all, migrates, and waits until the worker is ready.
    pub(super) fn start(plan: &Plan) -> Result<Self> {
        super::remove_logs(plan)?;
        let postgres = step("Postgres", || start_postgres(plan))?;
        let temporal = step("Temporal", || start_temporal(plan))?;
        let stripe = step("the Stripe double", || start_stripe(plan))?;
        let settings = plan.settings(&postgres.url(DATABASE));
        step("the schema", || migrate(&postgres, &settings))?;
        let worker_log = plan.log("worker");
        let worker = step("the worker", || start_ready_worker(plan, &settings, &worker_log))?;
        Ok(Self { temporal, postgres, stripe, worker, settings, worker_log, worker_deaths: Vec::new() })
    }

    /// Starts the worker again if it died; that anything else died is an error.
    pub(super) fn look_after(&mut self) -> Result<()> {
        for server in [self.temporal.process(), &self.stripe] {
            if let Some(exit) = server.exit() {
                bail!("{} ended ({exit}): {}", server.name(), server.last_words());
            }
        }
        if !self.postgres.is_running() {
            bail!("Postgres ended: {}", self.postgres.last_words());
        }
        if let Some(exit) = self.worker.exit() {
            self.note_a_death()?;
            self.worker = start_worker(&self.settings, &self.worker_log)?;
            println!("the worker ended ({exit}) and was started again, pid {}", self.worker.pid());
        }
        Ok(())
    }

    /// Every setting, as the worker has it.
    pub(super) fn settings(&self) -> &[(&'static str, String)] {
        &self.settings
    }

    /// Whoever uses something ends before it does. What does not end in time is killed.
    pub(super) fn stop(self) {
        for process in [&self.worker, &self.stripe] {
            warn(process.name(), process.terminate(STOP).map(drop));
        }
        warn("Temporal", self.temporal.process().terminate(STOP).map(drop));
        warn("Postgres", self.postgres.stop());
    }

    fn note_a_death(&mut self) -> Result<()> {
        self.worker_deaths.retain(|death| death.elapsed() < TROUBLE_WINDOW);
        self.worker_deaths.push(Instant::now());
        if self.worker_deaths.len() > TROUBLE_DEATHS {
            bail!("the worker keeps dying: {}", self.worker.last_words());
        }
        Ok(())
    }
}

fn step<T>(what: &str, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let started = start()?;
    println!("{what} is ready ({:.1} s)", began.elapsed().as_secs_f32());
    Ok(started)
}

fn warn(what: &str, stopped: Result<()>) {
    if let Err(error) = stopped {
        eprintln!("{what} did not stop as asked: {error:#}");
    }
}

fn start_temporal(plan: &Plan) -> Result<Temporal> {
    let mut options = TemporalOptions::new(plan.temporal, &plan.log("temporal"));
    options.ui_port = Some(plan.temporal_ui);
    options.db_filename = Some(plan.data.join("temporal.db"));
    // A month, so that last week's run is still there to look at.
    options.retention = Some("720h".to_owned());
    Temporal::start(options)
}

fn start_postgres(plan: &Plan) -> Result<Postgres> {
    let postgres = Postgres::start(PostgresOptions {
        data_dir: postgres_data(plan)?.join(format!("postgres-{}", tools::postgres_major()?)),
        port: plan.postgres,
        durable: true,
        password: DATABASE_PASSWORD.to_owned(),
        log_file: plan.log("postgres"),
    })?;
    if !postgres.has_database(DATABASE)? {
        postgres.create_database(DATABASE)?;
    }
    Ok(postgres)
}

/// The folder for data, or one under the temporary directory when the user that runs Postgres cannot
/// enter it. That one goes when the other went: the two belong together.
fn postgres_data(plan: &Plan) -> Result<PathBuf> {
    let is_new = !plan.data.exists();
    std::fs::create_dir_all(&plan.data).with_context(|| format!("cannot create {}", plan.data.display()))?;
    let user = unprivileged::user()?;
    if unprivileged::can_enter(user, &plan.data) {
        return Ok(plan.data.clone());
    }
    let base = unprivileged::temp_dir(user)?.join(workspace::name_of(&plan.data));
    unprivileged::open_folder(&base)?;
    let elsewhere = base.join("data");
    if is_new && elsewhere.exists() {
        std::fs::remove_dir_all(&elsewhere)?;
    }
    unprivileged::open_folder(&elsewhere)?;
    Ok(elsewhere)
}

fn start_stripe(plan: &Plan) -> Result<Process> {
    let address = plan.stripe_address();
    let state = plan.data.join("stripe-sim.json").display().to_string();
    let stripe = Launch::new("stripe-sim", &binaries::binary("stripe-sim")?, &plan.log("stripe-sim"))
        .args(["--listen", &address, "--state", &state])
        .isolated()
        .spawn()?;
    stripe.until("the Stripe double to answer", START, || answers(&address, "/_sim/health"))?;
    Ok(stripe)
}

fn migrate(postgres: &Postgres, settings: &[(&'static str, String)]) -> Result<()> {
    let mut tenantry = Command::new(binaries::binary("tenantry")?);
    command::isolate(&mut tenantry);
    tenantry.args(["migrate", "--master-tenant", MASTER_TENANT]);
    tenantry.envs(settings.iter().map(|(name, value)| (name, value)));
    command::stdout(&mut tenantry).with_context(|| {
        format!("cannot make the schema in {}", postgres.url(DATABASE).replace(DATABASE_PASSWORD, "…"))
    })?;
    Ok(())
}

fn start_ready_worker(plan: &Plan, settings: &[(&'static str, String)], log: &std::path::Path) -> Result<Process> {
    let worker = start_worker(settings, log)?;
    let address = plan.worker_address();
    worker
        .until("the worker to be ready", START, || answers(&address, "/readyz"))
        .with_context(|| format!("if its data does not fit together any more, remove {}", plan.data.display()))?;
    Ok(worker)
}

fn start_worker(settings: &[(&'static str, String)], log: &std::path::Path) -> Result<Process> {
    let worker = Launch::new("worker", &binaries::binary("worker")?, log);
    worker.isolated().env(settings.iter().map(|(name, value)| (*name, value))).farewell("TERM", STOP).spawn()
}

fn answers(address: &str, path: &str) -> Option<()> {
    http::get(address, path, &[]).is_ok_and(|answer| answer.status == 200).then_some(())
}
