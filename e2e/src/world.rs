//! A world: a database, a task queue, a double and a worker of one's own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stack::psql::Session;
use stack::temporal::TemporalOptions;
use stack::{Postgres, Process, Temporal, binaries, deadline, ports, scratch, shared, unique};

use crate::double::{Double, Purchase, SECRET_KEY};
use crate::run::Run;
use crate::said::Said;
use crate::servers::PrivateTemporal;
use crate::shim::{WEBHOOK_SECRET, WEBHOOK_SECRET_THIN};

/// The master billing tenant of every world.
pub const MASTER: &str = "00000000-0000-4000-8000-000000000001";
/// What every world's workers put into `metadata.algapsa_url`.
pub const APP_URL: &str = "https://psa.example.com";

/// A world with no worker yet, or with one.
#[derive(Debug)]
pub struct World {
    name: String,
    /// The shared Temporal.
    pub temporal: &'static Temporal,
    pub(crate) private_temporal: Option<PrivateTemporal>,
    pub(crate) postgres: Db,
    /// The database's URL, password included.
    pub database_url: String,
    /// Its Stripe.
    pub stripe: Double,
    pub(crate) dir: PathBuf,
    settings: Vec<(String, String)>,
    pub(crate) worker: Mutex<Option<Process>>,
    /// Told apart by this from every other world's ids and queues.
    unique: u32,
}

/// The shared Postgres, or one that may be stopped.
#[derive(Debug)]
pub(crate) enum Db {
    Shared(&'static Postgres),
    Private(Box<Postgres>),
}

impl Db {
    pub(crate) fn get(&self) -> &Postgres {
        match self {
            Self::Shared(postgres) => postgres,
            Self::Private(postgres) => postgres,
        }
    }
}

/// What is special about a world.
#[derive(Debug, Default)]
pub struct WorldBuilder {
    name: String,
    settings: Vec<(String, String)>,
    private_postgres: bool,
    untaught_temporal: bool,
    private_temporal: bool,
    temporal_with_ui: bool,
    claimed: bool,
}

impl WorldBuilder {
    /// Sets a variable of the worker's environment.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a Postgres that it may stop.
    pub fn private_postgres(mut self) -> Self {
        self.private_postgres = true;
        self
    }

    /// Gives it a Temporal of its own that knows no search attribute of ours.
    pub fn untaught_temporal(mut self) -> Self {
        self.untaught_temporal = true;
        self
    }

    /// Writes the account that the database belongs to, as a worker does at its first start: a shim
    /// waits for that.
    pub fn claimed(mut self) -> Self {
        self.claimed = true;
        self
    }

    /// Gives it a Temporal that it may kill, and start again on its data.
    pub fn private_temporal(mut self) -> Self {
        self.private_temporal = true;
        self
    }

    /// Gives it a Temporal of its own that has a UI, and no runs but the world's.
    pub fn temporal_with_ui(mut self) -> Self {
        self.temporal_with_ui = true;
        self
    }

    /// Makes it, without a worker.
    pub fn without_worker(self) -> Result<World> {
        let postgres = match self.private_postgres {
            true => Db::Private(Box::new(Postgres::start(shared::private_postgres(&self.name)?)?)),
            false => Db::Shared(shared::postgres()?),
        };
        let database_url = database(&postgres, &self.name)?;
        let account = format!("acct_{}", self.name.replace('-', ""));
        let (private_temporal, temporal) = self.temporal()?;
        let world = World {
            temporal,
            private_temporal,
            postgres,
            database_url,
            stripe: Double::start(&account)?,
            dir: scratch::folder(&self.name)?,
            settings: self.settings,
            worker: Mutex::new(None),
            unique: unique::number(),
            name: self.name,
        };
        if self.claimed {
            world.claim(&account, false)?;
        }
        Ok(world)
    }

    fn temporal(&self) -> Result<(Option<PrivateTemporal>, &'static Temporal)> {
        if self.private_temporal {
            return PrivateTemporal::start(&self.name).map(|(own, temporal)| (Some(own), temporal));
        }
        if !self.untaught_temporal && !self.temporal_with_ui {
            return Ok((None, shared::temporal()?));
        }
        let log = scratch::folder(&self.name)?.join("temporal.log");
        let mut options = TemporalOptions::new(ports::free()?, &log);
        if self.untaught_temporal {
            options.search_attributes.clear();
        }
        if self.temporal_with_ui {
            options.ui_port = Some(ports::free()?);
        }
        // It lives as long as this process, as the shared one does.
        Ok((None, Box::leak(Box::new(Temporal::start(options)?))))
    }

    /// Makes it and starts its worker.
    pub fn start(self) -> Result<World> {
        let world = self.without_worker()?;
        world.start_worker(&[])?;
        Ok(world)
    }
}

/// A migrated database: the first is migrated by `tenantry migrate`, the others are copies of it.
fn database(postgres: &Db, name: &str) -> Result<String> {
    static TEMPLATE: Mutex<bool> = Mutex::new(false);
    let database = format!("world_{}_{}", name.replace('-', "_"), unique::number());
    let Db::Shared(postgres) = postgres else {
        let url = postgres.get().create_database(&database)?;
        migrate(&url)?;
        return Ok(url);
    };
    // One at a time: Postgres copies no database that somebody else is copying from.
    let mut made = TEMPLATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*made {
        migrate(&postgres.create_database("template_world")?)?;
        *made = true;
    }
    postgres.copy_database("template_world", &database)
}

fn migrate(url: &str) -> Result<()> {
    let mut tenantry = Command::new(binaries::binary("tenantry")?);
    stack::command::isolate(&mut tenantry);
    tenantry.env("DATABASE_URL", url).args(["migrate", "--master-tenant", MASTER]);
    stack::command::stdout(&mut tenantry).map(drop).context("tenantry migrate failed")
}

impl World {
    /// A world of that name (`a-z`, `0-9`, `-`).
    pub fn named(name: &str) -> WorldBuilder {
        WorldBuilder { name: name.to_owned(), ..WorldBuilder::default() }
    }

    /// Writes which account and mode the database belongs to.
    pub fn claim(&self, account: &str, livemode: bool) -> Result<()> {
        let sql = format!(
            "INSERT INTO stripe_accounts (tenant, stripe_account_external_id, livemode)
             VALUES ('{MASTER}', '{account}', {livemode})"
        );
        self.rows(&sql).map(drop)
    }

    /// Its task queue.
    pub fn task_queue(&self) -> String {
        format!("{}-{}", self.name, self.unique)
    }

    /// Every variable that a process of this world is given.
    pub fn environment(&self) -> Vec<(String, String)> {
        let all = [
            ("DATABASE_URL", self.database_url.clone()),
            ("DATABASE_MAX_CONNECTIONS", "5".to_owned()),
            ("TEMPORAL_ADDRESS", self.temporal.address()),
            ("TEMPORAL_TASK_QUEUE", self.task_queue()),
            ("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("STRIPE_WEBHOOK_SECRET_THIN", WEBHOOK_SECRET_THIN.to_owned()),
            ("WEBHOOK_ADDR", "127.0.0.1:0".to_owned()),
            ("STRIPE_API_BASE", self.stripe.base()),
            ("MASTER_BILLING_TENANT_ID", MASTER.to_owned()),
            ("APP_URL", APP_URL.to_owned()),
            ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
            // The double has no limit, unless a test orders one.
            ("BULK_REQUESTS_PER_SEC", "5000".to_owned()),
            ("TENANTRY_HOLD_DIR", self.dir.display().to_string()),
            ("RUST_LOG", "info".to_owned()),
        ];
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value));
        all.chain(self.settings.iter().cloned()).collect()
    }

    /// What the store sends for a purchase, as in its documentation.
    pub fn call_of_the_store(purchase: &Purchase) -> Value {
        json!({
            "email": "Ann@Example.com",
            "client_name": "Ann's Company",
            "stripe_customer_id": purchase.customer,
            "stripe_subscription_id": purchase.subscription,
            "initial_license_count": purchase.quantity,
            "plan": "pro",
        })
    }

    /// Starts the onboarding of a purchase the way the store does.
    pub fn onboard(&self, purchase: &Purchase) -> Result<Run> {
        let id = format!("create-tenant-{}", purchase.customer);
        self.start_with(&id, &Self::call_of_the_store(purchase).to_string())
    }

    /// Starts `createTenantWorkflow` under an id with any input, through the official CLI.
    pub fn start_with(&self, workflow_id: &str, input: &str) -> Result<Run> {
        self.start_workflow("createTenantWorkflow", &self.workflow_id(workflow_id), "AllowDuplicateFailedOnly", input)
    }

    /// Starts a workflow under an id, which no other run may have at the same time.
    pub fn start_workflow(&self, kind: &str, workflow_id: &str, reuse: &str, input: &str) -> Result<Run> {
        let queue = self.task_queue();
        let started = self.temporal.cli(&[
            "workflow",
            "start",
            "--type",
            kind,
            "--task-queue",
            &queue,
            "--workflow-id",
            workflow_id,
            "--id-reuse-policy",
            reuse,
            "--id-conflict-policy",
            "Fail",
            "--input",
            input,
            "--output",
            "json",
        ])?;
        let started: Value = serde_json::from_str(&started)?;
        Ok(Run::new(self.temporal, workflow_id, started["runId"].as_str().map(str::to_owned)))
    }

    /// An id that no other world uses: ids of Stripe are unique anyway, others are made so.
    fn workflow_id(&self, id: &str) -> String {
        if id.contains('_') { id.to_owned() } else { format!("{id}-{}", self.unique) }
    }

    /// The run of that workflow id, the latest if there are several.
    pub fn run(&self, workflow_id: &str) -> Run {
        Run::new(self.temporal, workflow_id, None)
    }

    /// `tenantry` in this world.
    pub fn tenantry(&self, args: &[&str]) -> Result<Said> {
        self.tenantry_with(args, &[])
    }

    /// `tenantry` with some settings changed.
    pub fn tenantry_with(&self, args: &[&str], settings: &[(&str, &str)]) -> Result<Said> {
        let mut tenantry = Command::new(binaries::binary("tenantry")?);
        stack::command::isolate(&mut tenantry);
        tenantry.args(args).envs(self.environment()).envs(settings.iter().copied()).current_dir(&self.dir);
        let output = tenantry.output()?;
        Ok(Said {
            command: format!("tenantry {}", args.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// A psql session of one's own, to hold locks with.
    pub fn session(&self) -> Result<Session> {
        self.postgres.get().session(&self.database_url)
    }

    /// Waits until that many sessions of this database wait for a lock.
    pub fn wait_for_lock_waiters(&self, count: usize) -> Result<()> {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE NOT granted AND datname = current_database()";
        let what = format!("{count} to wait for a lock");
        // Each gives up after two seconds, so that one look must not take as long as starting psql.
        let mut session = self.session()?;
        deadline::poll_every(&what, Duration::from_secs(90), Duration::from_millis(20), || {
            let rows = session.run(waiting)?;
            Ok((rows[0][0].parse::<usize>()? >= count).then_some(()))
        })
    }

    /// Rows of a query, as text.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        self.postgres.get().psql(&self.database_url, sql)
    }

    /// The one value of a query.
    pub fn value(&self, sql: &str) -> Result<String> {
        self.postgres.get().value(&self.database_url, sql)
    }

    /// Tenants without the master billing tenant.
    pub fn tenants(&self) -> Result<usize> {
        Ok(self.value(&format!("SELECT count(*) FROM tenants WHERE tenant <> '{MASTER}'"))?.parse()?)
    }

    /// What must be true of a purchase that worked: one tenant with one customer, one
    /// subscription, that count, one change; both tags at Stripe, each written once.
    pub fn assert_onboarded(&self, purchase: &Purchase, tenant: &str) -> Result<()> {
        let Purchase { customer, subscription, quantity } = purchase;
        let rows = self.rows(&format!(
            "SELECT t.tenant, t.licensed_user_count, c.metadata->>'source', c.billing_tenant, s.quantity, s.status,
                    (SELECT count(*) FROM license_changes l WHERE l.tenant = t.tenant)
             FROM tenants t JOIN stripe_customers c USING (tenant) JOIN stripe_subscriptions s USING (tenant)
             WHERE c.stripe_customer_external_id = '{customer}' AND s.stripe_subscription_external_id = '{subscription}'"
        ))?;
        let quantity = quantity.to_string();
        let expected = [tenant, &quantity, "nm_store_checkout", MASTER, &quantity, "active", "1"];
        ensure!(rows == [expected.map(str::to_owned)], "rows of {customer}: {rows:?}, expected {expected:?}");
        self.assert_tagged(purchase, tenant)
    }

    fn assert_tagged(&self, purchase: &Purchase, tenant: &str) -> Result<()> {
        let (customer, subscription) =
            (format!("/customers/{}", purchase.customer), format!("/subscriptions/{}", purchase.subscription));
        let tags = &self.stripe.get(&customer)?["metadata"];
        let expected = json!({"tenant_id": tenant, "algapsa_url": APP_URL, "onboarded": "true"});
        ensure!(*tags == expected, "{customer} is tagged {tags}");
        ensure!(self.stripe.metadata(&subscription, "tenant_id")? == tenant, "{subscription} is not tagged");
        for path in [&customer, &subscription] {
            let writes = self.stripe.effects(path)?;
            ensure!(writes == 1, "{path} was written {writes} times");
        }
        Ok(())
    }
}
