//! The processes: started in the order in which they need each other, stopped the other way round.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use stack::postgres::PostgresOptions;
use stack::process::Launch;
use stack::temporal::TemporalOptions;
use stack::{Postgres, Process, Temporal, binaries, command, tools, unprivileged, workspace};

use super::plan::{DATABASE, DATABASE_PASSWORD, MASTER_TENANT, Plan, WEBHOOK_SECRET, WEBHOOK_SECRET_THIN};
use super::program::{Program, START, STOP, Settings, answers};

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) temporal: Temporal,
    pub(super) postgres: Postgres,
    stripe: Process,
    pub(super) worker: Program,
    pub(super) webhook: Program,
    settings: Settings,
}

impl Servers {
    /// Starts all, migrates, and waits until worker and shim are ready.
    pub(super) fn start(plan: &Plan) -> Result<Self> {
        super::remove_logs(plan)?;
        let postgres = step("Postgres", || start_postgres(plan))?;
        let temporal = step("Temporal", || start_temporal(plan))?;
        let stripe = step("the Stripe double", || start_stripe(plan))?;
        let settings = plan.settings(&postgres.url(DATABASE));
        step("the schema", || migrate(&postgres, &settings))?;
        let worker = step("the worker", || Program::start(plan, "the worker", "worker", &settings))?;
        // After the worker, which writes down whose events these are.
        let shims = plan.shims(&settings);
        let webhook = step("the webhook shim", || Program::start(plan, "the webhook shim", "webhook", &shims))?;
        Ok(Self { temporal, postgres, stripe, worker, webhook, settings })
    }

    /// Starts worker and shim again if they died; that anything else died is an error.
    pub(super) fn look_after(&mut self) -> Result<()> {
        for server in [self.temporal.process(), &self.stripe] {
            if let Some(exit) = server.exit() {
                bail!("{} ended ({exit}): {}", server.name(), server.last_words());
            }
        }
        if !self.postgres.is_running() {
            bail!("Postgres ended: {}", self.postgres.last_words());
        }
        self.worker.look_after()?;
        self.webhook.look_after()
    }

    /// Every setting, as the worker has it.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whoever uses something ends before it does. What does not end in time is killed.
    pub(super) fn stop(self) {
        for process in [self.webhook.process(), self.worker.process(), &self.stripe] {
            warn(process.name(), process.terminate(STOP).map(drop));
        }
        warn("Temporal", self.temporal.process().terminate(STOP).map(drop));
        warn("Postgres", self.postgres.stop());
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
        .args(["--webhook", &plan.webhook_url(), "--webhook-secret", WEBHOOK_SECRET])
        .args(["--webhook-thin-secret", WEBHOOK_SECRET_THIN])
        .isolated()
        .spawn()?;
    stripe.until("the Stripe double to answer", START, || answers(&address, "/_sim/health"))?;
    Ok(stripe)
}

fn migrate(postgres: &Postgres, settings: &Settings) -> Result<()> {
    let mut tenantry = Command::new(binaries::binary("tenantry")?);
    command::isolate(&mut tenantry);
    tenantry.args(["migrate", "--master-tenant", MASTER_TENANT]);
    tenantry.envs(settings.iter().map(|(name, value)| (name, value)));
    command::stdout(&mut tenantry).with_context(|| {
        format!("cannot make the schema in {}", postgres.url(DATABASE).replace(DATABASE_PASSWORD, "…"))
    })?;
    Ok(())
}
