//! `cargo dev` itself, as somebody would type it: what it says, what it keeps, what it leaves behind.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use stack::postgres::{Postgres, PostgresOptions};
use stack::process::{Exit, Launch};
use stack::{Process, binaries, command, deadline, http, ports, scratch, tools};

/// A run takes seconds; a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(180);

/// Longer than all of its servers may take to stop.
const GOODBYE: Duration = Duration::from_secs(40);

/// How many ports it takes, from the base: those of Temporal, its UI, Postgres, the Stripe double,
/// the webhook shim, and the private ones of worker and shim.
const PORTS: u16 = 7;
const STRIPE: u16 = 3;
const WEBHOOK: u16 = 4;
const WORKER_ADMIN: u16 = 5;
const WEBHOOK_ADMIN: u16 = 6;

#[test]
fn once_buys_and_changes_each_time_keeps_the_data_and_leaves_nothing_running() {
    let dev = Dev::new("once");
    let first = dev.once();
    let second = dev.once();
    assert_ne!(first, second);

    let postgres = Postgres::start(dev.cluster()).expect("the cluster that is left");
    let known = postgres.psql(&postgres.url("tenantry"), "SELECT tenant, licensed_user_count FROM tenants");
    let known = known.expect("rows");
    for tenant in [first, second] {
        assert!(known.contains(&vec![tenant, "12".to_owned()]), "{known:?}");
    }
}

#[test]
fn its_settings_are_there_while_everything_is_ready_and_only_then() {
    let dev = Dev::new("stay");
    let env_file = dev.dir.join("env");
    let (base, process) = dev.start(&[]);
    process.until("its settings", PATIENCE, || env_file.is_file().then_some(())).expect("ready");

    let check = |variables: &str, values: &str| {
        let script = format!(". \"$1\" && set -u && echo \"{variables}\"");
        let sourced = command::stdout(Command::new("/bin/sh").args(["-c", &script, "sh"]).arg(&env_file));
        assert_eq!(sourced.expect("a shell").trim_end(), values);
    };
    let at = |offset: u16| format!("127.0.0.1:{}", base + offset);
    let (ui, webhook) = (at(1), at(WEBHOOK));
    check("$DATABASE_MAX_CONNECTIONS $LOG_FORMAT $TEMPORAL_UI", &format!("10 text http://{ui}"));
    check("$ADMIN_ADDR $WEBHOOK_ADDR", &format!("{} {webhook}", at(WORKER_ADMIN)));
    check("$WEBHOOK_URL", &format!("http://{webhook}/api/webhooks/stripe"));
    check("$STRIPE_WEBHOOK_SECRET $STRIPE_WEBHOOK_SECRET_THIN", "whsec_tenantrydev whsec_tenantrydevthin");
    let text = std::fs::read_to_string(&env_file).expect("a file");
    assert!(text.contains("\n# LICENSE_PRICE_IDS is not set"), "{text}");
    assert!(text.contains(&format!("the shim has {}", at(WEBHOOK_ADMIN))), "{text}");

    let (_, beside) = dev.start(&["--once"]);
    assert_eq!(beside.wait(PATIENCE).expect("ends"), Exit::Code(1));
    assert!(beside.log().contains("another `cargo dev` uses"), "{}", beside.log());

    for (who, admin) in [("worker", WORKER_ADMIN), ("webhook shim", WEBHOOK_ADMIN)] {
        kill_as_it_says(&process, who);
        let said = format!("the {who} ended (signal 9) and was started again");
        process.until(&said, PATIENCE, || process.log().contains(&said).then_some(())).expect("started again");
        let is_ready = || http::get(&at(admin), "/readyz", &[]).is_ok_and(|answer| answer.status == 200).then_some(());
        process.until("it is ready again", PATIENCE, is_ready).expect("ready again");
    }

    process.signal("INT").expect("Ctrl-C");
    assert_eq!(process.wait(GOODBYE).expect("ends"), Exit::Code(0), "{}", process.log());
    assert!(!env_file.exists());
    assert_closed(base);
}

#[test]
fn a_taken_port_is_refused_before_anything_starts() {
    let dev = Dev::new("taken");
    let check = |offset: u16, whose: &str| {
        let base = ports::row(PORTS).expect("free ports");
        let _theirs = TcpListener::bind(("127.0.0.1", base + offset)).expect("a free port");
        let process = dev.start_at(base, &["--once"]);
        assert_eq!(process.wait(PATIENCE).expect("ends"), Exit::Code(1));
        let refusal = format!("port {}, meant for {whose}, is taken", base + offset);
        assert!(process.log().contains(&refusal), "{}", process.log());
        assert!(!dev.dir.join("data").exists(), "nothing was started");
    };
    check(STRIPE, "the Stripe double");
    check(WEBHOOK, "the webhook shim");
    check(WEBHOOK_ADMIN, "the webhook shim's health");
}

/// One `cargo dev` in a folder of its own.
struct Dev {
    dir: PathBuf,
}

impl Dev {
    fn new(name: &str) -> Self {
        // What takes long the first time is not what is measured here.
        tools::temporal_cli().expect("Temporal");
        tools::postgres_bin_dir().expect("Postgres");
        Self { dir: scratch::folder(name).expect("a folder") }
    }

    /// Plays its demo, ends well, leaves nothing behind, and answers the tenant of the story.
    fn once(&self) -> String {
        let (base, process) = self.start(&["--once"]);
        let exit = process.wait(PATIENCE).expect("ends");
        let log = process.log();
        assert_eq!(exit, Exit::Code(0), "{log}");
        assert_closed(base);
        assert!(!self.dir.join("env").exists(), "nothing is ready any more");
        let table = log.rsplit("A purchase became a tenant").next().unwrap_or_default();
        let row = |name: &str| {
            let mut rows = table.lines().filter_map(|line| line.trim_start().strip_prefix(name));
            rows.next().unwrap_or_else(|| panic!("no {name} in {log}")).trim().to_owned()
        };
        let customer = row("customer");
        let customer = customer.split_whitespace().next().unwrap_or_default();
        assert!(customer.starts_with("cus_"), "{log}");
        assert!(row("event").starts_with("evt_"), "{log}");
        let runs = format!("http://127.0.0.1:{}/namespaces/default/workflows", base + 1);
        assert!(row("onboarding").starts_with(&format!("{runs}/create-tenant-{customer}/")), "{log}");
        assert!(row("sync").starts_with(&format!("{runs}/sync-subscription-{}/", row("subscription"))), "{log}");
        assert_is_told_in_order(table);
        row("tenant")
    }

    /// On ports that were free a moment ago; where one of them is not any more, on others.
    fn start(&self, args: &[&str]) -> (u16, Process) {
        for _ in 0..5 {
            let base = ports::row(PORTS).expect("free ports");
            let process = self.start_at(base, args);
            let has_begun = || !process.is_running() || process.log().contains(" is ready");
            deadline::poll("a first server", PATIENCE, || Ok(has_begun().then_some(()))).expect("begins");
            if !process.log().contains(", is taken") {
                return (base, process);
            }
        }
        panic!("somebody takes every port");
    }

    fn start_at(&self, base: u16, args: &[&str]) -> Process {
        let stack = binaries::binary("stack").expect("built");
        let launch = Launch::new("cargo dev", &stack, &self.dir.join(format!("{base}.log")));
        let launch = launch.args(["--port-base", &base.to_string(), "--dir"]).args([&self.dir]).args(args);
        launch.farewell("TERM", GOODBYE).spawn().expect("a process")
    }

    /// The cluster that it made, on a port that is free now.
    fn cluster(&self) -> PostgresOptions {
        let major = tools::postgres_major().expect("a version");
        PostgresOptions {
            data_dir: self.dir.join(format!("data/postgres-{major}")),
            port: ports::free().expect("a port"),
            durable: false,
            password: "tenantry-dev".to_owned(),
            log_file: self.dir.join("logs/left.log"),
        }
    }
}

fn assert_closed(base: u16) {
    let open: Vec<u16> = (base..base + PORTS).filter(|port| ports::is_taken(*port)).collect();
    assert!(open.is_empty(), "somebody still listens on {open:?}");
}

/// Moments are in order of time, and each of them is there.
fn assert_is_told_in_order(story: &str) {
    let moments: Vec<(f32, &str)> = story.lines().filter_map(moment).collect();
    assert!(moments.is_sorted_by_key(|(at, _)| *at), "{moments:?}");
    let told: Vec<&str> = moments.iter().map(|(_, what)| *what).collect();
    assert!(told[0].starts_with("Demo Company") && told[0].ends_with(" buys 10 licences."), "{told:?}");
    let rest = [
        "It is a tenant with 10 licences.",
        "At Stripe, somebody changes the quantity to 12.",
        "The webhook shim has Stripe's event.",
        "The tenant has 12 licences.",
    ];
    assert_eq!(told[1..], rest);
}

/// The seconds and what happened then, of a line such as `0.7 s  It is a tenant.`.
fn moment(line: &str) -> Option<(f32, &str)> {
    let (at, what) = line.trim_start().split_once(" s  ")?;
    Some((at.parse().ok()?, what))
}

/// Types the command that its last page shows.
fn kill_as_it_says(dev: &Process, who: &str) {
    let comment = format!("# the {who}");
    let find = || dev.log().lines().find(|line| line.trim_end().ends_with(&comment)).map(str::to_owned);
    let line = dev.until(&comment, Duration::from_secs(60), find).expect("a line that kills it");
    command::stdout(Command::new("/bin/sh").args(["-c", &line])).expect("killed");
}
