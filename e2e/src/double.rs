//! The Stripe double of a world. What the store does there is in `shop`, many objects at once in
//! `bulk`, faults, holds, pace and clock in `orders`, and what was asked in `journal`.

mod bulk;
mod journal;
mod licenses;
mod orders;
mod shop;

use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use journal::Request;
pub use orders::Limit;
use serde_json::Value;
pub use shop::Purchase;
use stack::process::Launch;
use stack::{Process, binaries, http, scratch};

/// The secret key of every world. Its value is a canary: no log, history or output may hold it.
pub const SECRET_KEY: &str = "sk_test_canaryQ7fV2mXw9LzR4tKp";

const START: Duration = Duration::from_secs(60);

/// A running `stripe-sim`.
#[derive(Debug)]
pub struct Double {
    address: String,
    /// None where it runs elsewhere.
    process: Option<Process>,
}

impl Double {
    /// Starts one on a free port, behind an account of its own.
    pub fn start(account: &str) -> Result<Self> {
        let log = scratch::folder("stripe-sim")?.join("stripe-sim.log");
        let process = Launch::new("stripe-sim", &binaries::binary("stripe-sim")?, &log)
            .args(["--listen", "127.0.0.1:0", "--account", account])
            .spawn()?;
        let address = process.until("the double to listen", START, || {
            let log = process.log();
            let line = log.lines().find_map(|line| line.split_once("listening on http://"))?;
            Some(line.1.trim().to_owned())
        })?;
        Ok(Self { address, process: Some(process) })
    }

    /// One that somebody else has started, e.g. `http://127.0.0.1:12111`.
    pub fn at(base: &str) -> Self {
        Self { address: base.trim_start_matches("http://").to_owned(), process: None }
    }

    /// What `STRIPE_API_BASE` takes.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `GET /v1{path}`.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", &format!("/v1{path}"), &[])
    }

    /// `POST /v1{path}` of a form.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        self.ask("POST", &format!("/v1{path}"), form)
    }

    /// Like [`Double::post`], and answers the new object's id.
    pub fn make(&self, path: &str, form: &[(&str, &str)]) -> Result<String> {
        let made = self.post(path, form)?;
        made["id"].as_str().map(str::to_owned).with_context(|| format!("no id in the answer to POST {path}"))
    }

    /// `DELETE /v1{path}`.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.ask("DELETE", &format!("/v1{path}"), &[])
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Any `/_sim` request.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("Content-Type", "application/json")];
        let answer = http::request(method, &self.address, &format!("/_sim{path}"), &headers, &text)?;
        if answer.status != 200 {
            bail!("the double answered {} to {method} /_sim{path}: {}", answer.status, answer.body);
        }
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// `GET /v2{path}`.
    pub fn get_v2(&self, path: &str) -> Result<Value> {
        self.ask("GET", &format!("/v2{path}"), &[])
    }

    /// `POST /v2{path}` of a JSON object.
    pub fn post_v2(&self, path: &str, body: &Value) -> Result<Value> {
        let bearer = format!("Bearer {SECRET_KEY}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = http::request("POST", &self.address, &format!("/v2{path}"), &headers, body.to_string())?;
        if answer.status != 200 {
            bail!("the double answered {} to POST /v2{path}: {}", answer.status, answer.body);
        }
        Ok(serde_json::from_str(&answer.body)?)
    }

    fn ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let bearer = format!("Bearer {SECRET_KEY}");
        let headers = [("Authorization", bearer.as_str())];
        let answer = match method {
            "POST" => http::post_form(&self.address, path, &headers, form)?,
            _ => http::request(method, &self.address, path, &headers, "")?,
        };
        if answer.status != 200 {
            bail!("the double answered {} to {method} {path}: {}", answer.status, answer.body);
        }
        Ok(serde_json::from_str(&answer.body)?)
    }
}
