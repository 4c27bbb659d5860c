//! The Stripe double of a world: what the store does at Stripe, faults and holds to order, and
//! the journal of what was asked.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use stack::process::Launch;
use stack::{Process, binaries, deadline, http, scratch};

/// The secret key of every world. Its value is a canary: no log, history or output may hold it.
pub const SECRET_KEY: &str = "sk_test_canaryQ7fV2mXw9LzR4tKp";

const START: Duration = Duration::from_secs(20);

/// A running `stripe-sim`.
#[derive(Debug)]
pub struct Double {
    address: String,
    /// None where it runs elsewhere.
    process: Option<Process>,
}

/// What the store has made at Stripe before it starts an onboarding.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// `cus_…`.
    pub customer: String,
    /// `sub_…`.
    pub subscription: String,
    /// How many seats were bought.
    pub quantity: i64,
}

/// One request that the double saw.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// With `/v1`.
    pub path: String,
    /// What was answered; none where the connection was cut.
    pub status: Option<u64>,
    /// Whether it changed anything.
    pub effect: bool,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// `Stripe-Version`.
    pub version: Option<String>,
    /// The fault that it met.
    pub fault: Option<String>,
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

    /// `metadata[key]` of an object, or the empty text.
    pub fn metadata(&self, path: &str, key: &str) -> Result<String> {
        Ok(self.get(path)?["metadata"][key].as_str().unwrap_or_default().to_owned())
    }

    /// A customer who can pay, and who waits for a tenant.
    pub fn customer(&self, email: &str) -> Result<String> {
        let customer = self.make("/customers", &[("email", email), ("metadata[pending_tenant]", "true")])?;
        self.post("/payment_methods/pm_card_visa/attach", &[("customer", &customer)])?;
        self.post(&format!("/customers/{customer}"), &[("invoice_settings[default_payment_method]", "pm_card_visa")])?;
        Ok(customer)
    }

    /// A monthly price per seat.
    pub fn price(&self) -> Result<String> {
        let product = [("product_data[name]", "Seats"), ("recurring[interval]", "month")];
        self.make("/prices", &[product[0], product[1], ("currency", "usd"), ("unit_amount", "1000")])
    }

    /// A subscription of that many seats.
    pub fn subscription(&self, customer: &str, price: &str, quantity: i64) -> Result<String> {
        let quantity = quantity.to_string();
        self.make(
            "/subscriptions",
            &[("customer", customer), ("items[0][price]", price), ("items[0][quantity]", &quantity)],
        )
    }

    /// The portal's change of a subscription's only item.
    pub fn set_quantity(&self, subscription: &str, quantity: i64) -> Result<()> {
        let path = format!("/subscriptions/{subscription}");
        let item = self.get(&path)?["items"]["data"][0]["id"].as_str().context("an item")?.to_owned();
        let item = [("items[0][id]", item.as_str()), ("items[0][quantity]", &quantity.to_string())];
        // Without a proration nothing else happens that there would be events of.
        self.post(&path, &[item[0], item[1], ("proration_behavior", "none")]).map(drop)
    }

    /// Has the quantity of a subscription's only item change when its period ends.
    pub fn schedule_quantity(&self, subscription: &str, quantity: i64) -> Result<()> {
        let made = self.post("/subscription_schedules", &[("from_subscription", subscription)])?;
        let (id, phase) = (made["id"].as_str().context("a schedule")?, &made["phases"][0]);
        let (start, end) = (phase["start_date"].to_string(), phase["end_date"].to_string());
        let item = &phase["items"][0];
        let (price, now) = (item["price"].as_str().context("a price")?, item["quantity"].to_string());
        let form = [
            ("end_behavior", "release"),
            ("phases[0][start_date]", &start),
            ("phases[0][end_date]", &end),
            ("phases[0][items][0][price]", price),
            ("phases[0][items][0][quantity]", &now),
            ("phases[1][items][0][price]", price),
            ("phases[1][items][0][quantity]", &quantity.to_string()),
            ("phases[1][proration_behavior]", "none"),
        ];
        self.post(&format!("/subscription_schedules/{id}"), &form).map(drop)
    }

    /// Changes the quantity, and holds the read that the change will lead to.
    pub fn set_quantity_and_hold(&self, subscription: &str, quantity: i64, phase: &str) -> Result<String> {
        // The first read is our own.
        let hold = self.hold("GET", &format!("/v1/subscriptions/{subscription}"), phase, 1)?;
        self.set_quantity(subscription, quantity)?;
        Ok(hold)
    }

    /// Ends a subscription now.
    pub fn cancel(&self, subscription: &str) -> Result<()> {
        self.delete(&format!("/subscriptions/{subscription}")).map(drop)
    }

    /// Every snapshot event of that type, newest first.
    pub fn events(&self, kind: &str) -> Result<Vec<Value>> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().and_then(|event| event["id"].as_str());
            let after = after.map(|id| format!("&starting_after={id}")).unwrap_or_default();
            let page = self.get(&format!("/events?type={kind}&limit=100{after}"))?;
            events.extend(page["data"].as_array().context("a page of events")?.iter().cloned());
            if page["has_more"] != true {
                return Ok(events);
            }
        }
    }

    /// What the store's checkout leaves behind: a customer with a paid subscription.
    pub fn buy(&self, quantity: i64) -> Result<Purchase> {
        let customer = self.customer("Ann@Example.com")?;
        let subscription = self.subscription(&customer, &self.price()?, quantity)?;
        Ok(Purchase { customer, subscription, quantity })
    }

    /// An open checkout session for that many seats.
    pub fn session(&self, customer: &str, quantity: i64) -> Result<String> {
        let (price, quantity) = (self.price()?, quantity.to_string());
        self.make(
            "/checkout/sessions",
            &[
                ("mode", "subscription"),
                ("customer", customer),
                ("line_items[0][price]", &price),
                ("line_items[0][quantity]", &quantity),
                ("success_url", "https://shop.example.com/done"),
            ],
        )
    }

    /// The person behind an open session pays.
    pub fn pay(&self, session: &str) -> Result<()> {
        self.admin("POST", &format!("/checkout/sessions/{session}/complete"), &json!({})).map(drop)
    }

    /// A purchase through a checkout session, and the session.
    pub fn check_out(&self, quantity: i64) -> Result<(Purchase, String)> {
        let customer = self.customer("Ann@Example.com")?;
        let session = self.session(&customer, quantity)?;
        self.pay(&session)?;
        let subscription = self.get(&format!("/checkout/sessions/{session}"))?["subscription"].clone();
        let subscription = subscription.as_str().context("a paid session has a subscription")?.to_owned();
        Ok((Purchase { customer, subscription, quantity }, session))
    }

    /// `DELETE /v1{path}`.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.ask("DELETE", &format!("/v1{path}"), &[])
    }

    /// Orders a fault for the next request (after `skip` others) of that method and path.
    pub fn fault(&self, method: &str, path: &str, kind: &str, skip: u64) -> Result<()> {
        let order = json!({"method": method, "path": path, "kind": kind, "count": 1, "skip": skip});
        self.admin("POST", "/faults", &order).map(drop)
    }

    /// How many ordered faults have struck.
    pub fn faults_struck(&self) -> Result<u64> {
        let listed = self.admin("GET", "/faults", &Value::Null)?;
        let faults = listed["data"].as_array().context("no list of faults")?;
        Ok(faults.iter().filter_map(|fault| fault["hits"].as_u64()).sum())
    }

    /// Holds the next request of that method and path, `before` it is carried out or `after`,
    /// until [`Double::release`].
    pub fn hold(&self, method: &str, path: &str, phase: &str, skip: u64) -> Result<String> {
        let order = json!({"method": method, "path": path, "phase": phase, "count": 1, "skip": skip});
        let made = self.admin("POST", "/holds", &order)?;
        made["id"].as_str().map(str::to_owned).context("no id of the hold")
    }

    /// Waits until a request is held there.
    pub fn wait_until_held(&self, hold: &str) -> Result<()> {
        deadline::poll("a request to be held", START, || {
            let shown = self.admin("GET", &format!("/holds/{hold}"), &Value::Null)?;
            Ok((shown["waiting"].as_u64() > Some(0)).then_some(()))
        })
    }

    /// Lets it go on.
    pub fn release(&self, hold: &str) -> Result<()> {
        self.admin("POST", &format!("/holds/{hold}/release"), &Value::Null).map(drop)
    }

    /// Every request since the last [`Double::forget_requests`].
    pub fn requests(&self) -> Result<Vec<Request>> {
        let listed = self.admin("GET", "/requests", &Value::Null)?;
        let requests = listed["data"].as_array().context("no list of requests")?;
        Ok(requests.iter().map(request).collect())
    }

    /// Empties the journal.
    pub fn forget_requests(&self) -> Result<()> {
        self.admin("DELETE", "/requests", &Value::Null).map(drop)
    }

    /// How many writes of a worker to that path changed something. Ours carry no key.
    pub fn effects(&self, path: &str) -> Result<usize> {
        let is_one =
            |request: &Request| request.effect && request.key.is_some() && request.path == format!("/v1{path}");
        Ok(self.requests()?.iter().filter(|request| is_one(request)).count())
    }

    /// Moves the double's clock on.
    pub fn advance(&self, secs: u64) -> Result<()> {
        self.admin("POST", "/clock", &json!({"advance_secs": secs})).map(drop)
    }

    /// Stops the double's clock, so that all that happens from now on shares a second, or lets it
    /// go on. Answers the time.
    pub fn freeze(&self, is_frozen: bool) -> Result<i64> {
        let clock = self.admin("POST", "/clock", &json!({"freeze": is_frozen}))?;
        clock["now"].as_i64().context("a clock tells the time")
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

fn request(entry: &Value) -> Request {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    Request {
        method: text("method").unwrap_or_default(),
        path: text("path").unwrap_or_default(),
        status: entry["status"].as_u64(),
        effect: entry["effect"].as_bool().unwrap_or_default(),
        key: text("idempotency_key"),
        version: text("stripe_version"),
        fault: text("fault"),
    }
}
