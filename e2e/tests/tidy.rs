//! The house rules: what must hold of the tree as a whole is held here, and not by memory.
//!
//! It reads manifests, sources and documents; it starts nothing and needs no server.

#[path = "tidy/settings.rs"]
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate of the product may be built on. Four floors, no arrow up, no circle.
const ARROWS: [(&str, &[&str]); 9] = [
    ("domain", &[]),
    ("workflows", &["domain"]),
    ("store", &["domain"]),
    ("stripe-gateway", &["domain"]),
    ("service", &["domain", "workflows", "store"]),
    ("activities", &["domain", "store", "stripe-gateway"]),
    ("worker", &["domain", "workflows", "activities", "store", "stripe-gateway", "service"]),
    ("webhook", &["domain", "workflows", "store", "stripe-gateway", "service"]),
    ("starter-cli", &["domain", "workflows", "store", "stripe-gateway", "service"]),
];

/// What the product is developed with. It may use anything, and the product none of it.
const TOOLS: [&str; 4] = ["stripe-sim", "stack", "bench", "e2e"];

/// Runtimes, databases and HTTP: a workflow that could name one would sooner or later use it.
const NOT_FOR_WORKFLOWS: [&str; 5] = ["tokio", "sqlx", "reqwest", "hyper", "axum"];

const LINES_MAX: usize = 400;

#[test]
fn every_crate_has_its_place_in_the_house() {
    let placed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).chain(TOOLS).collect();
    let crates = crates();
    let found: BTreeSet<&str> = crates.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(found, placed, "give a new crate its arrows in this file and its paragraph in ARCHITECTURE.md");
}

#[test]
fn no_arrow_points_up_or_sideways() {
    let crates = crates();
    let is_ours = |name: &str| crates.iter().any(|it| it.name == name);
    let mut offences = Vec::new();
    for (name, allowed) in ARROWS {
        let links = crates.iter().filter(|it| it.name == name).flat_map(|it| &it.dependencies);
        for link in links.filter(|link| !link.is_for_tests && is_ours(&link.name)) {
            if !allowed.contains(&link.name.as_str()) {
                offences.push(format!("{name} → {}", link.name));
            }
        }
    }
    assert_none("arrows that the house does not have", &offences);
}

#[test]
fn the_product_never_depends_on_its_tools() {
    let is_product = |it: &&Crate| ARROWS.iter().any(|(name, _)| *name == it.name);
    let mut offences = Vec::new();
    for it in crates().iter().filter(is_product) {
        let tools = it.dependencies.iter().filter(|link| TOOLS.contains(&link.name.as_str()));
        offences.extend(tools.map(|link| format!("{} → {}", it.name, link.name)));
    }
    assert_none("dependencies of the product on what it is developed with", &offences);
}

#[test]
fn a_workflow_cannot_name_a_runtime_a_database_or_an_http_client() {
    let crates = crates();
    let workflows = crates.iter().find(|it| it.name == "workflows").expect("workflows is a crate");
    let names = workflows.dependencies.iter().map(|link| link.name.clone());
    let offences: Vec<String> = names.filter(|name| NOT_FOR_WORKFLOWS.contains(&name.as_str())).collect();
    assert_none("dependencies that workflows must not have", &offences);
}

#[test]
fn versions_stand_in_the_root_manifest_only() {
    let root = read("Cargo.toml");
    let mut offences = Vec::new();
    for it in crates() {
        let manifest = read(&it.manifest());
        let own = dependency_lines(&manifest).filter(|line| !is_from_the_root(line, &root));
        offences.extend(own.map(|line| format!("{}: {line}", it.manifest())));
    }
    assert_none("dependencies without `workspace = true`", &offences);
}

/// The fuzz targets are a workspace of their own, which a build of this one does not look at. They
/// switch a feature of this crate on, so it has to be the very one that the product takes.
#[test]
fn the_fuzz_targets_take_temporals_crate_of_the_product() {
    let version = |lock: &str| {
        let text = read(lock);
        let (_, entry) = text.split_once("name = \"temporalio-protos\"")?;
        quoted(entry, "version = ").map(str::to_owned)
    };
    let product = version("Cargo.lock");
    assert!(product.is_some(), "the lock names no temporalio-protos");
    assert_eq!(version("stripe-gateway/fuzz/Cargo.lock"), product);
}

#[test]
fn every_crate_takes_the_lints_of_the_house() {
    let takes = |it: &Crate| read(&it.manifest()).contains("\n[lints]\nworkspace = true\n");
    let offences: Vec<String> = crates().iter().filter(|it| !takes(it)).map(|it| it.name.clone()).collect();
    assert_none("crates without `[lints] workspace = true`", &offences);
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_go() {
    let lengths = rust_files().map(|path| (read(&path).lines().count(), path));
    let offences: Vec<String> =
        lengths.filter(|(lines, _)| *lines > LINES_MAX).map(|(lines, path)| format!("{path}: {lines} lines")).collect();
    assert_none("files to be split", &offences);
}

#[test]
fn no_lint_is_silenced_and_no_test_is_skipped() {
    let offences = lines_of(rust_files(), |line| {
        let line = line.trim_start();
        let is_silenced = line.starts_with("#[allow(") || line.starts_with("#![allow(");
        // A process that a test starts and kills is a test by itself, which cargo must not run.
        let is_skipped = line.starts_with("#[ignore") && !line.starts_with("#[ignore = \"run by `");
        is_silenced || is_skipped
    });
    assert_none("take #[expect(lint, reason = \"…\")] instead, and mend the test", &offences);
}

#[test]
fn nothing_is_left_to_be_written() {
    // The bodies of activity definitions are never called: the macro wants some, and replaces them.
    let is_definition = |path: &String| path.starts_with("domain/src/") && path.ends_with("_steps.rs");
    let gaps = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    let files = rust_files().filter(|path| !is_definition(path));
    assert_none("gaps", &lines_of(files, |line| gaps.iter().any(|gap| line.contains(gap))));
}

#[test]
fn tests_wait_for_what_happens_and_never_for_time() {
    let naps = [concat!("thread::", "sleep"), concat!("time::", "sleep")];
    let tests = rust_files().filter(|path| path.starts_with("e2e/tests/"));
    let offences = lines_of(tests, |line| naps.iter().any(|nap| line.contains(nap)));
    assert_none("take `stack::deadline::poll`", &offences);
}

/// Beside the name of its activity the Temporal UI shows a step's summary, and six hundred that say the
/// same say nothing. Their type asks for one that is made; this, that it is not made of a literal.
#[test]
fn every_step_names_what_it_is_about() {
    let options = ["database", "long_database", "stripe", "last_look"].map(|kind| format!("patience::{kind}(\""));
    let workflows = rust_files().filter(|path| path.starts_with("workflows/src/"));
    let offences = lines_of(workflows, |line| options.iter().any(|option| line.contains(option)));
    assert_none("summaries without the id of anything", &offences);
}

#[test]
fn every_migration_opens_with_why() {
    let migrations = files().into_iter().filter(|path| path.starts_with("migrations/"));
    let offences: Vec<String> = migrations.filter(|path| !read(path).starts_with("-- ")).collect();
    assert_none("migrations without an opening comment", &offences);
}

#[test]
fn every_room_has_its_place_in_the_architecture() {
    let text = read("docs/ARCHITECTURE.md");
    let rooms: BTreeSet<String> =
        files().iter().filter_map(|path| path.split_once('/').map(|(room, _)| format!("{room}/"))).collect();
    let is_named = |room: &&String| text.contains(&format!("`{room}`")) || text.contains(&format!("\n{room} "));
    let offences: Vec<String> = rooms.iter().filter(|room| !is_named(room)).cloned().collect();
    assert_none("rooms that ARCHITECTURE.md does not name", &offences);
}

#[test]
fn the_documents_name_nothing_that_is_gone() {
    let crates = crates();
    let mut offences = Vec::new();
    for document in ["docs/ARCHITECTURE.md", "docs/OPERATIONS.md", "README.md"] {
        let text = read(document);
        let spans = code_spans(&text);
        assert!(spans.len() > 50, "only {} code spans were found in {document}", spans.len());
        let is_gone = |span: &&str| (is_path(span) && !root().join(span).exists()) || names_nothing(span, &crates);
        offences.extend(spans.into_iter().filter(is_gone).map(|span| format!("{document}: {span}")));
    }
    assert_none("paths and items that do not exist", &offences);
}

// What every rule says when it is broken.

fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

fn assert_same(file: &str, found: &BTreeSet<String>, code: &BTreeSet<String>) {
    let missing: Vec<_> = code.difference(found).collect();
    let unknown: Vec<_> = found.difference(code).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{file} lacks {missing:?} and has too much: {unknown:?}");
}

// The tree.

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every file that git has, or would take.
fn files() -> Vec<String> {
    let listed = output(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]));
    listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
}

fn rust_files() -> impl Iterator<Item = String> {
    files().into_iter().filter(|path| path.ends_with(".rs"))
}

fn lines_of(files: impl Iterator<Item = String>, is_offence: impl Fn(&str) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for path in files {
        let text = read(&path);
        let lines = text.lines().enumerate().filter(|(_, line)| is_offence(line));
        offences.extend(lines.map(|(n, line)| format!("{path}:{}: {}", n + 1, line.trim())));
    }
    offences
}

// Crates and their manifests.

struct Crate {
    name: String,
    /// Relative to the root.
    dir: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_for_tests: bool,
}

impl Crate {
    fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.dir)
    }
}

fn crates() -> Vec<Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = output(Command::new(cargo).args(["metadata", "--no-deps", "--format-version=1", "--offline"]));
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("packages").iter().map(read_crate).collect()
}

fn read_crate(package: &Value) -> Crate {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    let dir = manifest.parent().and_then(|dir| dir.strip_prefix(root()).ok()).expect("a member lies in the root");
    let dependency = |link: &Value| Dependency {
        name: link["name"].as_str().expect("a name").to_owned(),
        is_for_tests: link["kind"] == "dev",
    };
    Crate {
        name: package["name"].as_str().expect("a name").to_owned(),
        dir: dir.to_str().expect("UTF-8").to_owned(),
        dependencies: package["dependencies"].as_array().expect("dependencies").iter().map(dependency).collect(),
    }
}

/// The lines of the dependency tables: one dependency each.
fn dependency_lines(manifest: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    manifest.lines().filter(move |line| {
        if line.starts_with('[') {
            is_inside = line.ends_with("dependencies]");
            // A table of its own for one dependency is looked at as a line.
            return line.contains("dependencies.");
        }
        is_inside && !line.trim().is_empty() && !line.starts_with('#')
    })
}

/// Cargo lets a member rename a dependency only if it states the version too; then it must be
/// the root's.
fn is_from_the_root(line: &str, root: &str) -> bool {
    match (quoted(line, "package = "), quoted(line, "version = ")) {
        (Some(package), Some(version)) => root.contains(&format!("\n{package} = \"{version}\"\n")),
        _ => line.contains("workspace = true"),
    }
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = line.split_once(key)?;
    value.strip_prefix('"')?.split_once('"').map(|(value, _)| value)
}

// Documents.

/// What stands between backticks, fenced blocks left out.
fn code_spans(text: &str) -> Vec<&str> {
    let outside_fences = text.split("```").step_by(2);
    outside_fences.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

fn is_path(span: &str) -> bool {
    let is_plain = span.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    let is_file = [".rs", ".md", ".toml", ".sql", ".yml", ".lock"].iter().any(|end| span.ends_with(end));
    // What runs and builds leave behind is not part of the tree.
    let is_local = span.starts_with('/') || span.starts_with(".dev/") || span.starts_with("target/");
    is_plain && (span.contains('/') || is_file) && !is_local
}

/// Whether the span is a Rust path, such as `store::Store::create_tenant`, to nothing of ours.
fn names_nothing(span: &str, crates: &[Crate]) -> bool {
    let is_plain = span.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
    if !is_plain || !span.contains("::") {
        return false;
    }
    let segments: Vec<&str> = span.split("::").collect();
    let owner = crates.iter().find(|it| it.name.replace('-', "_") == segments[0]);
    let (scope, names) = match owner {
        Some(owner) => (format!("{}/", owner.dir), &segments[1..]),
        None => (String::new(), &segments[..]),
    };
    let sources: Vec<String> = rust_files().filter(|path| path.starts_with(&scope)).map(|path| read(&path)).collect();
    names.iter().any(|name| !sources.iter().any(|source| defines(source, name)))
}

/// Whether a line of the source begins a definition of that name, or is a variant.
fn defines(source: &str, name: &str) -> bool {
    let kinds = ["fn ", "mod ", "struct ", "enum ", "trait ", "const ", "static ", "type ", "macro_rules! "];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    source.lines().any(|line| {
        let is_item = kinds
            .iter()
            .any(|kind| line.split_once(kind).is_some_and(|(_, rest)| rest.strip_prefix(name).is_some_and(ends)));
        let is_variant = |rest: &str| rest.starts_with([',', '(']) || rest.starts_with(" {");
        is_item || line.trim_start().strip_prefix(name).is_some_and(is_variant)
    })
}
