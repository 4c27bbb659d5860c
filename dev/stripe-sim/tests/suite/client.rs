//! A double of one's own and a small client for it. Answers are JSON with their status.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stripe_sim::{Config, Running, start};
use tokio::time::sleep;

/// A double, and a client with a test key.
pub(crate) struct Double {
    running: Running,
    pub(crate) client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The id of the object in the body.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text)).to_owned()
    }

    /// Status, type, code and param of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, &str, &str) {
        let error = &self.body["error"];
        let part = |name: &str| error[name].as_str().unwrap_or_default();
        (self.status, part("type"), part("code"), part("param"))
    }
}

impl Double {
    pub(crate) fn start() -> Self {
        Self::with(Config { retry_after: Duration::from_millis(20), ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { running: start(config).expect("the double starts"), client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.base_url())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "", None).await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Reply {
        self.send(Method::POST, path, form, None).await.expect("an answer")
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "", None).await.expect("an answer")
    }

    /// A POST under an idempotency key.
    pub(crate) async fn post_as(&self, key: &str, path: &str, form: &str) -> Reply {
        self.send(Method::POST, path, form, Some(key)).await.expect("an answer")
    }

    /// A POST to the second version of the API.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Reply {
        let request = self.client.post(self.url(path)).bearer_auth("sk_test_double").body(body.to_string());
        read(request.send().await.expect("an answer")).await.expect("an answer")
    }

    /// A webhook endpoint there: its id and its secret.
    pub(crate) async fn register(&self, url: &str, more: &str) -> (String, String) {
        let reply = self.post("/v1/webhook_endpoints", &format!("url={url}{more}")).await;
        (reply.id(), reply.body["secret"].as_str().expect("a secret").to_owned())
    }

    /// A destination for thin events there: its id and its secret.
    pub(crate) async fn register_thin(&self, url: &str, types: &[&str]) -> (String, String) {
        let order = json!({
            "name": "Thin", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": types,
            "webhook_endpoint": {"url": url}, "include": ["webhook_endpoint.url", "webhook_endpoint.signing_secret"],
        });
        let reply = self.post_json("/v2/core/event_destinations", &order).await;
        (reply.id(), reply.body["webhook_endpoint"]["signing_secret"].as_str().expect("a secret").to_owned())
    }

    /// What becomes of deliveries from now on.
    pub(crate) async fn policy(&self, policy: Value) {
        let answer = self.admin(Method::POST, "/deliveries/policy", policy).await;
        assert!(answer["error"].is_null(), "{answer}");
    }

    /// Deliveries that fit a query such as `event=evt_1&state=held`.
    pub(crate) async fn deliveries(&self, query: &str) -> Vec<Value> {
        let list = self.admin(Method::GET, &format!("/deliveries?{query}"), json!({})).await;
        list["data"].as_array().cloned().unwrap_or_else(|| panic!("{list}"))
    }

    /// Stops the clock: all that happens from now on shares a second.
    pub(crate) async fn freeze(&self) -> i64 {
        let clock = self.admin(Method::POST, "/clock", json!({"freeze": true})).await;
        clock["now"].as_i64().expect("seconds")
    }

    /// A request that may get no answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        form: &str,
        key: Option<&str>,
    ) -> reqwest::Result<Reply> {
        let mut request =
            self.client.request(method, self.url(path)).bearer_auth("sk_test_double").body(form.to_owned());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.header("content-type", "application/x-www-form-urlencoded").send().await?;
        read(response).await
    }

    /// An admin route with a JSON body.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, self.url(&format!("/_sim{path}"))).body(body.to_string());
        read(request.send().await.expect("an answer")).await.expect("an answer").body
    }

    pub(crate) async fn fault(&self, order: Value) {
        let answer = self.admin(Method::POST, "/faults", order).await;
        assert!(answer["id"].is_string(), "{answer}");
    }

    /// The journal's entries for a path.
    pub(crate) async fn requests(&self, path: &str) -> Vec<Value> {
        let journal = self.admin(Method::GET, "/requests", json!({})).await;
        let entries = journal["data"].as_array().cloned().unwrap_or_default();
        entries.into_iter().filter(|entry| entry["path"] == path).collect()
    }

    /// A customer who can pay with this card.
    pub(crate) async fn customer_with(&self, card: &str) -> String {
        let form = format!("email=a@example.com&payment_method={card}&invoice_settings[default_payment_method]={card}");
        self.post("/v1/customers", &form).await.id()
    }

    /// A monthly price of 10 dollars.
    pub(crate) async fn price(&self) -> String {
        let form = "currency=usd&unit_amount=1000&recurring[interval]=month&product_data[name]=Pro";
        self.post("/v1/prices", form).await.id()
    }

    pub(crate) async fn subscribe(&self, customer: &str, price: &str, more: &str) -> Reply {
        let form = format!("customer={customer}&items[0][price]={price}&items[0][quantity]=10{more}");
        self.post("/v1/subscriptions", &form).await
    }

    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/events?limit=100&type={kind}")).await;
        page.body["data"].as_array().cloned().expect("a list of events")
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Reply> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    Ok(Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text })
}

/// Asks again until the answer is there.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "still waiting: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
