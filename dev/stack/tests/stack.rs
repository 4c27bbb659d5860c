//! The library against the real programs: what dies, dies; what is kept, is kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use stack::process::{Exit, Launch};
use stack::{Postgres, Process, deadline, scratch, shared, tools};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_child_dies_with_a_parent_that_is_killed() {
    // This test binary, run again as a parent that only starts a child and waits to be killed.
    let pid_file = scratch::folder("guard").expect("a folder").join("pid");
    let own = std::env::current_exe().expect("a path");
    let mut parent = Command::new(own)
        .args(["--exact", "a_parent_that_waits_to_be_killed", "--ignored", "--nocapture"])
        .env("PID_FILE", &pid_file)
        .stdout(Stdio::null())
        .spawn()
        .expect("a parent");
    let child = deadline::poll("the child's pid", PATIENCE, || Ok(read_pid(&pid_file))).expect("a child");
    assert!(is_alive(child));

    parent.kill().expect("SIGKILL");
    parent.wait().expect("its end");

    deadline::poll("the child to die", PATIENCE, || Ok((!is_alive(child)).then_some(()))).expect("dies");
}

/// No test: the parent of the test above. Its child takes no notice of TERM, as a hanging one would.
#[test]
#[ignore = "run by `a_child_dies_with_a_parent_that_is_killed`"]
fn a_parent_that_waits_to_be_killed() {
    let pid_file = PathBuf::from(std::env::var_os("PID_FILE").expect("PID_FILE"));
    let log = pid_file.with_extension("log");
    let script = "trap '' TERM; while :; do sleep 1; done";
    let launch = Launch::new("stubborn", Path::new("/bin/sh"), &log).args(["-c", script]);
    let child = launch.farewell("TERM", Duration::from_millis(500)).spawn().expect("a child");
    std::fs::write(&pid_file, format!("{}\n", child.pid())).expect("a pid file");
    let _ = child.wait(Duration::from_secs(600));
}

#[test]
fn an_end_is_noticed_and_named() {
    assert_eq!(shell("exit 3").wait(PATIENCE).expect("ends"), Exit::Code(3));
    assert_eq!(shell("sleep 60").kill9().expect("ends"), Exit::Signal(9));
    assert_eq!(shell("exec sleep 60").terminate(PATIENCE).expect("ends"), Exit::Signal(15));
    let deaf = shell("trap '' TERM; echo deaf; sleep 60");
    deaf.until("it to be deaf", PATIENCE, || deaf.log().contains("deaf").then_some(())).expect("deaf");
    assert_eq!(deaf.terminate(Duration::from_millis(200)).expect("ends"), Exit::Signal(9));
}

#[test]
fn output_goes_to_the_log() {
    let process = shell("echo out; echo err >&2; echo \"$COLOUR\"");
    process.wait(PATIENCE).expect("ends");
    assert_eq!(process.log(), "out\nerr\nblue\n");
}

#[test]
fn a_program_that_is_missing_is_told_from_its_log() {
    let log = scratch::folder("missing").expect("a folder").join("log");
    let process = Process::spawn("nothing", Path::new("/no/such/program"), &[], &[], &log).expect("a guard");
    let failure = process.until("it to answer", PATIENCE, || None::<()>).expect_err("cannot answer");
    assert!(format!("{failure:#}").contains("/no/such/program"), "{failure:#}");
}

#[test]
fn postgres_keeps_its_data_over_a_stop_and_a_kill() {
    let postgres = Postgres::start(shared::private_postgres("restart").expect("options")).expect("Postgres");
    let url = postgres.create_database("kept").expect("a database");
    postgres.psql(&url, "CREATE TABLE t (n int, s text); INSERT INTO t VALUES (1, 'a b'), (2, NULL)").expect("rows");

    postgres.stop().expect("stops");
    assert!(postgres.psql(&url, "SELECT 1").is_err());
    postgres.start_again().expect("starts");
    let rows = postgres.psql(&url, "SELECT n, s FROM t ORDER BY n").expect("rows");
    assert_eq!(rows, [["1", "a b"], ["2", ""]]);

    postgres.psql(&url, "CHECKPOINT").expect("a checkpoint");
    postgres.kill9().expect("dies");
    postgres.start_again().expect("starts");
    assert_eq!(postgres.value(&url, "SELECT count(*) FROM t").expect("a count"), "2");
}

#[test]
fn the_shared_postgres_wants_its_password_and_copies_databases() {
    let postgres = shared::postgres().expect("Postgres");
    let url = postgres.create_database("original").expect("a database");
    postgres.psql(&url, "CREATE TABLE t AS SELECT 7 AS n").expect("a table");
    let copy = postgres.copy_database("original", "copy").expect("a copy");
    assert_eq!(postgres.value(&copy, "SELECT n FROM t").expect("a row"), "7");
    assert!(postgres.has_database("copy").expect("an answer"));
    assert!(!postgres.has_database("no_such").expect("an answer"));

    let wrong = url.replace(postgres.password(), "wrong");
    let refusal = postgres.psql(&wrong, "SELECT 1").expect_err("refused");
    assert!(format!("{refusal:#}").contains("password authentication failed"), "{refusal:#}");
    let refusal = postgres.session(&wrong).expect_err("refused");
    assert!(format!("{refusal:#}").contains("password authentication failed"), "{refusal:#}");
}

#[test]
fn a_session_holds_its_locks_until_it_commits_or_is_dropped() {
    let postgres = shared::postgres().expect("Postgres");
    let url = postgres.create_database("sessions").expect("a database");
    postgres.psql(&url, "CREATE TABLE t AS SELECT 1 AS n").expect("a table");
    let mut holder = postgres.session(&url).expect("a session");
    let mut other = postgres.session(&url).expect("a session");
    let locks = "SELECT mode FROM pg_locks WHERE relation = 't'::regclass AND pid <> pg_backend_pid()";
    let row = "SELECT n FROM t FOR UPDATE NOWAIT -- at once";

    assert!(holder.run("BEGIN").expect("begins").is_empty());
    assert_eq!(holder.run("UPDATE t SET n = 2 RETURNING n, NULL, 'a\nb';").expect("a row"), [["2", "", "a\nb"]]);
    assert_eq!(other.run(locks).expect("rows"), [["RowExclusiveLock"]]);
    let refusal = other.run(row).expect_err("locked").to_string();
    assert!(refusal.contains("could not obtain lock on row"), "{refusal}");
    holder.run("COMMIT").expect("commits");
    assert_eq!(other.run(row).expect("a session outlives an error"), [["2"]]);

    holder.run("BEGIN").expect("begins");
    holder.run("UPDATE t SET n = 3").expect("updates");
    drop(holder);
    assert_eq!(other.run("SELECT n FROM t FOR UPDATE").expect("a row"), [["2"]]);

    let killed = other.run("SELECT pg_terminate_backend(pg_backend_pid())").expect_err("ends").to_string();
    assert!(killed.contains("terminating connection"), "{killed}");
    assert!(other.run("SELECT 1").is_err());
}

#[test]
fn temporal_answers_and_knows_our_search_attributes() {
    let temporal = shared::temporal().expect("Temporal");
    let list = temporal.cli(&["operator", "search-attribute", "list"]).expect("an answer");
    for name in stack::temporal::SEARCH_ATTRIBUTES {
        let line = list.lines().find(|line| line.contains(name)).expect("registered");
        assert!(line.contains("Keyword"), "{line}");
    }
    let workflows = temporal.cli(&["workflow", "list", "--output", "json"]).expect("an answer");
    assert_eq!(workflows.split_whitespace().collect::<String>(), "[]");
}

#[test]
fn a_tool_is_installed_once() {
    let first = tools::temporal_cli().expect("installed or found");
    let before = std::fs::metadata(&first).expect("a file").modified().expect("a time");
    assert_eq!(tools::temporal_cli().expect("found"), first);
    assert_eq!(std::fs::metadata(&first).expect("a file").modified().expect("a time"), before);
}

#[test]
fn the_official_stripe_cli_is_the_pinned_one() {
    let stripe = tools::stripe_cli().expect("installed or found");
    let version = stack::command::stdout(Command::new(stripe).arg("--version")).expect("a version");
    assert!(version.contains("1.52.0"), "{version}");
}

#[test]
fn node_finds_the_pinned_packages() {
    let mut node = Command::new(tools::node().expect("installed or found"));
    let script = "console.log(require('stripe').PACKAGE_VERSION, require('pg/package.json').version)";
    node.env("NODE_PATH", tools::node_modules().expect("installed or found")).args(["-e", script]);
    assert_eq!(stack::command::stdout(&mut node).expect("both are there"), "23.1.0 8.23.1\n");
}

fn shell(script: &str) -> Process {
    let log = scratch::folder("shell").expect("a folder").join("log");
    Process::spawn("shell", Path::new("/bin/sh"), &["-c", script], &[("COLOUR", "blue")], &log).expect("a shell")
}

fn read_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok()
}

fn is_alive(pid: u32) -> bool {
    let probe = Command::new("/bin/sh").args(["-c", "kill -0 \"$1\" 2>/dev/null", "kill", &pid.to_string()]).status();
    probe.is_ok_and(|status| status.success())
}
