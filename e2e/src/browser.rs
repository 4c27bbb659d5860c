//! A headless Chromium with one tab, driven by `e2e/browser/driver.js`.
//!
//! The script carries out what it is told; what a page must say, and by when, is decided here and in
//! the tests. Both end with their owner, however that ends: the browser behind a guard, the script
//! because its stdin does.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stack::process::Launch;
use stack::{Process, deadline, scratch, tools, workspace};

/// Nothing goes out to the network by itself, and nothing needs a display, a sandbox of the kernel's
/// (which containers often lack, and root always) or much shared memory.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--remote-debugging-port=0",
];

const START: Duration = Duration::from_secs(60);
/// Longer than the script gives one order.
const ANSWER: Duration = Duration::from_secs(90);
/// Until a page shows what it has to ask a server for, on a machine with much to do.
const SHOWN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// The browser and its driver; dropping it ends both.
#[derive(Debug)]
pub struct Browser {
    chromium: Process,
    driver: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Browser {
    /// Starts one with a profile of its own.
    pub fn start() -> Result<Self> {
        let folder = scratch::folder("chromium")?;
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let chromium = Launch::new("chromium", &tools::chromium()?, &folder.join("chromium.log"))
            .args(FLAGS)
            .args([profile])
            .spawn()?;
        let address = chromium.until("Chromium to listen", START, || {
            let log = chromium.log();
            let line = log.lines().find_map(|line| line.split_once("DevTools listening on "))?;
            Some(line.1.trim().to_owned())
        })?;
        let mut driver = Command::new(tools::node()?);
        driver.arg(workspace::root().join("e2e/browser/driver.js")).arg(address);
        driver.env("NODE_PATH", tools::node_modules()?).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut driver = driver.spawn().context("cannot run Node")?;
        let orders = driver.stdin.take().context("the driver has no stdin")?;
        let answers = lines(&mut driver)?;
        Ok(Self { chromium, driver, orders, answers })
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) -> Result<()> {
        self.order(&json!({"order": "open", "url": url})).map(drop)
    }

    /// All that stands on the page.
    pub fn text(&mut self) -> Result<String> {
        let text = self.order(&json!({"order": "text"}))?;
        text.as_str().map(str::to_owned).context("a page has a text")
    }

    /// Waits until the page says all of that, and answers all that it says.
    pub fn wait_for(&mut self, words: &[&str]) -> Result<String> {
        let mut last = String::new();
        let shown = deadline::poll_every("the page", SHOWN, PAUSE, || {
            last = self.text()?;
            Ok(words.iter().all(|word| last.contains(word)).then(|| last.clone()))
        });
        shown.with_context(|| format!("expected {words:?}, and the page says: {last}"))
    }

    /// Waits until the page's tables have that many rows, and answers each row's text.
    pub fn wait_for_rows(&mut self, count: usize) -> Result<Vec<String>> {
        let mut last = Vec::new();
        let shown = deadline::poll_every("the rows", SHOWN, PAUSE, || {
            last = serde_json::from_value::<Vec<String>>(self.order(&json!({"order": "rows"}))?)?;
            Ok((last.len() == count).then(|| last.clone()))
        });
        shown.with_context(|| format!("expected {count} rows, and there are: {last:?}"))
    }

    /// Follows the link of that text and answers where it leads.
    pub fn follow(&mut self, link: &str) -> Result<String> {
        let url = self.order(&json!({"order": "follow", "text": link}))?;
        url.as_str().map(str::to_owned).context("a tab has an address")
    }

    /// Keeps a picture of what is seen in `target/screenshots`. One of that name in the folder that
    /// `TENANTRY_SCREENSHOTS` names, such as `docs/images`, is replaced by it.
    pub fn screenshot(&mut self, name: &str) -> Result<()> {
        let path = workspace::root().join("target/screenshots").join(format!("{name}.png"));
        self.order(&json!({"order": "screenshot", "path": path}))?;
        let Some(folder) = std::env::var_os("TENANTRY_SCREENSHOTS") else { return Ok(()) };
        let shown = workspace::root().join(folder).join(format!("{name}.png"));
        if shown.exists() {
            fs::copy(path, shown)?;
        }
        Ok(())
    }

    fn order(&mut self, order: &Value) -> Result<Value> {
        writeln!(self.orders, "{order}").context("the browser's driver has ended")?;
        let answer = self.answers.recv_timeout(ANSWER).with_context(|| format!("no answer to {order}"))?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        match answer["failed"].as_str() {
            Some(why) => bail!("{order}: {why}"),
            None => Ok(answer["done"].take()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nobody can be told of a failure here.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = self.chromium.terminate(Duration::from_secs(5));
    }
}

/// What it says, line by line, until it ends.
fn lines(driver: &mut Child) -> Result<Receiver<String>> {
    let stdout = driver.stdout.take().context("the driver has no stdout")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Who listened may be gone.
            let _ = sender.send(line);
        }
    });
    Ok(lines)
}
