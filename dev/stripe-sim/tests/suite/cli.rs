//! The official Stripe CLI, which knows nothing of the double.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Double;

struct Cli {
    binary: PathBuf,
    double: Double,
    /// Its own, so that no profile of whoever runs the tests is found.
    home: PathBuf,
}

impl Cli {
    fn start() -> Self {
        let binary = stack::tools::stripe_cli().expect("the Stripe CLI");
        Self { binary, double: Double::start(), home: stack::scratch::folder("stripe-cli").expect("a folder") }
    }

    /// Its output, once it succeeded.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(std::env::vars_os()).args(arguments).output().expect("the CLI starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "stripe {arguments:?}:\n{out}\n{err}");
        out.into_owned()
    }

    /// The CLI in an environment without what is Stripe's or the user's in it.
    fn command(&self, environment: impl Iterator<Item = (OsString, OsString)>) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--api-base").arg(self.double.url("")).env_clear();
        command.envs(environment.filter(|(name, _)| !name.to_string_lossy().starts_with("STRIPE_")));
        command.env("HOME", &self.home).env("XDG_CONFIG_HOME", self.home.join(".config"));
        // It counts its users after it is done, and at times panics over that.
        command.env("STRIPE_CLI_TELEMETRY_OPTOUT", "1").env("STRIPE_API_KEY", "sk_test_0123456789abcdef");
        command
    }

    /// The object that it prints, after what it may say first.
    fn object(&self, arguments: &[&str]) -> Value {
        let printed = self.run(arguments);
        let object = &printed[printed.find('{').unwrap_or_default()..];
        serde_json::from_str(object).unwrap_or_else(|error| panic!("stripe {arguments:?}: {error}: {printed}"))
    }

    fn created(&self, arguments: &[&str]) -> String {
        self.object(arguments)["id"].as_str().expect("an id").to_owned()
    }

    fn events(&self, kind: &str) -> usize {
        let events = self.object(&["get", "/v1/events", "-d", &format!("type={kind}"), "-d", "limit=100"]);
        events["data"].as_array().map_or(0, Vec::len)
    }
}

#[test]
fn the_cli_does_not_see_its_users_stripe() {
    let cli = Cli::start();
    let users = stack::scratch::folder("stripe-user").expect("a folder");
    std::fs::create_dir_all(users.join("stripe")).expect("a folder");
    std::fs::write(users.join("stripe/config.toml"), "[default]\ntest_mode_api_key = 'sk_test_users'\n")
        .expect("a file");
    let users = users.into_os_string();
    let environment = [
        ("HOME", users.clone()),
        ("XDG_CONFIG_HOME", users),
        ("STRIPE_API_KEY", "sk_live_users".into()),
        ("STRIPE_DEVICE_NAME", "users".into()),
    ];
    let environment = environment.into_iter().map(|(name, value)| (name.into(), value));
    let output = cli.command(environment).args(["config", "--list"]).output().expect("the CLI starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !printed.contains("users"), "{printed}");
}

#[test]
fn the_cli_sells_ten_licences() {
    let cli = Cli::start();
    let default = "invoice_settings[default_payment_method]=pm_card_visa";
    let customer =
        cli.created(&["customers", "create", "--email=a@example.com", "--payment-method=pm_card_visa", "-d", default]);
    let product = cli.created(&["products", "create", "--name=Pro"]);
    let recurring = ["--currency=usd", "--unit-amount=1000", "-d", "recurring[interval]=month"];
    let price = cli.created(&[&["prices", "create", "--product", &product], &recurring[..]].concat());
    let (item, quantity) = (format!("items[0][price]={price}"), "items[0][quantity]=10");
    let sold = cli.object(&["subscriptions", "create", "--customer", &customer, "-d", &item, "-d", quantity]);
    assert_eq!((&sold["status"], &sold["items"]["data"][0]["quantity"]), (&json!("active"), &json!(10)));
    let id = sold["id"].as_str().expect("an id");
    let tagged = cli.object(&["subscriptions", "update", id, "-d", "metadata[k]=v"]);
    assert_eq!(tagged["metadata"], json!({"k": "v"}));
    let canceled = cli.object(&["subscriptions", "cancel", id, "--confirm"]);
    assert_eq!(canceled["status"], "canceled");
}

#[test]
fn every_trigger_leaves_its_event() {
    let cli = Cli::start();
    for kind in [
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.trial_will_end",
        "subscription_schedule.created",
        "subscription_schedule.updated",
        "subscription_schedule.released",
        "subscription_schedule.canceled",
        "checkout.session.completed",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.payment_failed",
        "payment_intent.succeeded",
    ] {
        let before = cli.events(kind);
        cli.run(&["trigger", kind]);
        assert_eq!(cli.events(kind), before + 1, "{kind}");
    }
}

#[test]
fn fixtures_are_played() {
    let cli = Cli::start();
    let fixture = json!({
        "_meta": {"template_version": 0},
        "fixtures": [
            {"name": "customer", "path": "/v1/customers", "method": "post", "params": {
                "payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}},
            {"name": "price", "path": "/v1/prices", "method": "post", "params": {
                "currency": "usd", "unit_amount": 1000, "recurring": {"interval": "month"}, "product_data": {"name": "Pro"}}},
            {"name": "subscription", "path": "/v1/subscriptions", "method": "post", "params": {
                "customer": "${customer:id}", "items": [{"price": "${price:id}", "quantity": 3}]}},
        ],
    });
    let file = std::env::temp_dir().join(format!("stripe-sim-fixture-{}.json", std::process::id()));
    std::fs::write(&file, fixture.to_string()).expect("a file");
    cli.run(&["fixtures", file.to_str().expect("a path")]);
    std::fs::remove_file(&file).expect("the file goes");
    let listed = cli.object(&["subscriptions", "list"]);
    assert_eq!(listed["data"][0]["items"]["data"][0]["quantity"], 3);
}

#[test]
fn the_cli_searches_for_a_customer() {
    let cli = Cli::start();
    let customer = cli.created(&["customers", "create", "--email=Ann@example.com"]);
    let found = cli.object(&["customers", "search", "--query", "email:'ann@example.com'"]);
    assert_eq!(found["data"][0]["id"], customer);
}

#[test]
fn the_cli_previews_the_next_invoice() {
    let cli = Cli::start();
    let customer = cli.created(&["customers", "create", "--payment-method=pm_card_visa"]);
    let price =
        ["--currency=usd", "--unit-amount=1000", "-d", "recurring[interval]=month", "-d", "product_data[name]=Pro"];
    let item = format!("items[0][price]={}", cli.created(&[&["prices", "create"], &price[..]].concat()));
    let method = "trial_period_days=3";
    let sold = cli.created(&["subscriptions", "create", "--customer", &customer, "-d", &item, "-d", method]);
    let preview = cli.object(&["invoices", "create_preview", "--subscription", &sold]);
    assert_eq!((&preview["amount_due"], &preview["status"]), (&json!(1_000), &json!("draft")));
}
