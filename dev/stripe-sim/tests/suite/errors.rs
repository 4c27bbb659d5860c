//! Refusals look like Stripe's.

use reqwest::Method;

use crate::client::Double;

const INVALID: &str = "invalid_request_error";

#[tokio::test]
async fn a_wrong_request_is_refused_with_type_code_and_param() {
    let double = Double::start();
    let customer = double.customer_with("pm_card_visa").await;
    let check = async |method: Method, path: &str, form: &str, expected: (u16, &str, &str)| {
        let reply = double.send(method, path, form, None).await.expect("an answer");
        assert_eq!(reply.refusal(), (expected.0, INVALID, expected.1, expected.2), "{path} {form}");
        assert!(reply.header("request-id").starts_with("req_"));
    };
    let (get, post) = (Method::GET, Method::POST);
    check(get.clone(), "/v1/customers/cus_nobody", "", (404, "resource_missing", "id")).await;
    check(get.clone(), "/v1/subscriptions/sub_none", "", (404, "resource_missing", "id")).await;
    check(get.clone(), "/v1/prices/price_none", "", (404, "resource_missing", "price")).await;
    check(get.clone(), "/v1/customers?colour=red", "", (400, "parameter_unknown", "colour")).await;
    check(get, "/v1/nothing", "", (404, "", "")).await;
    check(post.clone(), "/v1/customers", "metadata[a]=b&colour=red", (400, "parameter_unknown", "colour")).await;
    check(post.clone(), "/v1/products", "", (400, "parameter_missing", "name")).await;
    check(
        post.clone(),
        "/v1/prices",
        "currency=usd&unit_amount=ten&product=p",
        (400, "parameter_invalid_integer", "unit_amount"),
    )
    .await;
    check(post.clone(), "/v1/subscriptions", "customer=cus_nobody", (400, "resource_missing", "customer")).await;
    let items = format!("customer={customer}&items[0][price]=price_none");
    check(post.clone(), "/v1/subscriptions", &items, (400, "resource_missing", "items[0][price]")).await;
    let typo = format!("customer={customer}&items[0][prize]=x");
    check(post, "/v1/subscriptions", &typo, (400, "parameter_unknown", "items[0][prize]")).await;
}

#[tokio::test]
async fn what_would_be_ignored_is_refused() {
    let double = Double::start();
    let check = async |method: Method, path: &str, param: &str| {
        let query = if method == Method::GET { format!("{path}?{param}=x") } else { path.to_owned() };
        let form = if method == Method::GET { String::new() } else { format!("{param}=x") };
        let reply = double.send(method, &query, &form, None).await.expect("an answer");
        assert_eq!(reply.refusal(), (400, INVALID, "parameter_unknown", param), "{path}");
    };
    let (lists, writes) = (IGNORED_BY_LISTS, IGNORED_BY_WRITES);
    for (path, param) in lists.iter().flat_map(|(path, params)| params.iter().map(move |param| (path, param))) {
        check(Method::GET, path, param).await;
    }
    for (path, param) in writes.iter().flat_map(|(path, params)| params.iter().map(move |param| (path, param))) {
        check(Method::POST, path, param).await;
    }
    check(Method::DELETE, "/v1/subscriptions/sub_1", "prorate").await;
    check(Method::DELETE, "/v1/subscriptions/sub_1", "invoice_now").await;
    check(Method::DELETE, "/v1/subscription_items/si_1", "proration_date").await;
}

const IGNORED_BY_LISTS: &[(&str, &[&str])] = &[
    (
        "/v1/subscriptions",
        &["current_period_end[gte]", "current_period_start[gte]", "automatic_tax[enabled]", "test_clock"],
    ),
    ("/v1/customers", &["test_clock"]),
    ("/v1/checkout/sessions", &["payment_link", "customer_account"]),
    ("/v1/payment_methods", &["customer_account"]),
    ("/v1/payment_intents/pi_1", &["client_secret"]),
];

const IGNORED_BY_WRITES: &[(&str, &[&str])] = &[
    (
        "/v1/subscriptions",
        &[
            "add_invoice_items[0][price]",
            "automatic_tax[enabled]",
            "backdate_start_date",
            "billing_cycle_anchor",
            "billing_mode[type]",
            "currency",
            "default_source",
            "discounts[0][coupon]",
            "items[0][discounts][0][coupon]",
            "items[0][tax_rates][0]",
            "off_session",
            "payment_settings[save_default_payment_method]",
            "trial_from_plan",
        ],
    ),
    (
        "/v1/subscriptions/sub_1",
        &["billing_cycle_anchor", "collection_method", "items[0][clear_usage]", "pause_collection[until]"],
    ),
    ("/v1/subscriptions/sub_1/cancel", &["invoice_now", "prorate"]),
    ("/v1/subscriptions/sub_1/resume", &["proration_date"]),
    (
        "/v1/subscription_schedules",
        &["billing_mode[type]", "default_settings[transfer_data][destination]", "phases[0][start_date]"],
    ),
    (
        "/v1/subscription_schedules/sub_sched_1",
        &["from_subscription", "phases[0][add_invoice_items][0][price]", "phases[0][coupon]", "start_date"],
    ),
    ("/v1/subscription_items/si_1", &["discounts[0][coupon]", "proration_date", "tax_rates[0]"]),
    (
        "/v1/customers",
        &[
            "balance",
            "coupon",
            "invoice_settings[footer]",
            "promotion_code",
            "tax[ip_address]",
            "tax_id_data[0][type]",
            "test_clock",
        ],
    ),
    ("/v1/customers/cus_1/sources", &["metadata[a]"]),
    ("/v1/invoiceitems", &["discountable", "invoice", "period[end]", "subscription", "unit_amount_decimal"]),
    ("/v1/invoices", &["automatic_tax[enabled]", "collection_method", "days_until_due", "default_payment_method"]),
    ("/v1/invoices/in_1/pay", &["forgive", "paid_out_of_band", "source"]),
    ("/v1/payment_intents", &["capture_method", "off_session", "payment_method_data[type]", "setup_future_usage"]),
    ("/v1/payment_intents/pi_1/confirm", &["off_session", "return_url"]),
    ("/v1/payment_methods", &["customer", "payment_method"]),
    ("/v1/prices", &["currency_options[eur][unit_amount]", "custom_unit_amount[enabled]", "tiers[0][up_to]"]),
    ("/v1/plans", &["id", "metadata[a]", "tiers[0][up_to]"]),
    ("/v1/products", &["default_price", "package_dimensions[height]"]),
    (
        "/v1/checkout/sessions",
        &[
            "allow_promotion_codes",
            "automatic_tax[enabled]",
            "discounts[0][coupon]",
            "expires_at",
            "line_items[0][adjustable_quantity][enabled]",
            "payment_method_collection",
            "subscription_data[billing_cycle_anchor]",
            "subscription_data[trial_settings][end_behavior][missing_payment_method]",
        ],
    ),
    ("/v1/webhook_endpoints", &["connect"]),
];

#[tokio::test]
async fn what_the_double_cannot_do_is_not_promised() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let check = async |path: &str, form: &str, param: &str| {
        let reply = double.post(path, form).await;
        assert_eq!((reply.status, reply.refusal().3), (400, param), "{path} {form}: {}", reply.text);
    };
    let subscription = format!("customer={customer}&items[0][price]={price}");
    check("/v1/subscriptions", &format!("{subscription}&payment_behavior=pending_if_incomplete"), "payment_behavior")
        .await;
    let ends = "trial_settings[end_behavior][missing_payment_method]";
    check("/v1/subscriptions", &format!("{subscription}&trial_period_days=1&{ends}=wait"), ends).await;
    let phase = format!("customer={customer}&phases[0][items][0][price]={price}");
    for param in ["phases[0][billing_cycle_anchor]", "default_settings[billing_cycle_anchor]"] {
        check("/v1/subscription_schedules", &format!("{phase}&{param}=phase_start"), param).await;
    }
    let tax = "phases[0][automatic_tax][enabled]";
    check("/v1/subscription_schedules", &format!("{phase}&{tax}=true"), tax).await;
    check("/v1/invoices", &format!("customer={customer}&auto_advance=true"), "auto_advance").await;
    let sepa = "amount=5&currency=eur&payment_method_types[]=sepa_debit";
    check("/v1/payment_intents", sepa, "payment_method_types").await;
    let tiered = "currency=usd&product_data[name]=P&unit_amount=1&billing_scheme=tiered";
    check("/v1/prices", tiered, "billing_scheme").await;
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_behind() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let sold = double.subscribe(&customer, &price, "").await;
    let item = sold.body["items"]["data"][0]["id"].as_str().unwrap_or_default();
    let open = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={price}&line_items[0][quantity]=1&success_url=http://127.0.0.1/"
    );
    let session = double.post("/v1/checkout/sessions", &open).await.id();
    let state = async || {
        let mut pages = Vec::new();
        for path in ["customers", "prices", "products", "invoices", "events", "subscriptions", "payment_methods"] {
            pages.push(double.get(&format!("/v1/{path}?limit=100")).await.text);
        }
        pages
    };
    let before = state().await;
    let check = async |path: &str, form: &str| {
        let refused = double.post(path, form).await;
        assert_eq!(refused.status, 400, "{path} {form}: {}", refused.text);
        assert_eq!(state().await, before, "{path} {form}");
        let entry = double.requests(path).await.last().cloned().unwrap_or_default();
        assert_eq!(entry["effect"], false, "{path} {form}");
    };
    check("/v1/customers", "name=a&expand[]=nothing").await;
    check("/v1/customers", "source=tok_visa&payment_method=pm_card_visa&default_source=card_none").await;
    let inline = format!(
        "customer={customer}&items[0][price_data][currency]=usd&items[0][price_data][unit_amount]=5&items[0][price_data][recurring][interval]=month&items[0][price_data][product]=prod_none"
    );
    check("/v1/subscriptions", &inline).await;
    let billed = format!("items[0][id]={item}&items[0][quantity]=20&proration_behavior=always_invoice");
    let path = format!("/v1/subscriptions/{}", sold.id());
    check(&path, &format!("{billed}&days_until_due=soon")).await;
    check(&path, &format!("{billed}&cancel_at=soon")).await;
    check(&path, &format!("{billed}&trial_end=soon")).await;
    check(&path, &format!("{billed}&expand[]=status")).await;
    // The page pays in one step of its own, which is taken back with the rest.
    let page = format!("/v1/payment_pages/{session}/confirm");
    check(&page, "payment_method=pm_card_visa&expand[]=nothing").await;
    assert_eq!(double.post(&page, "payment_method=pm_card_visa").await.status, 200);
}

#[tokio::test]
async fn a_declined_payment_is_remembered() {
    let double = Double::start();
    let form = "amount=500&currency=usd&confirm=true&payment_method=pm_card_chargeCustomerFail";
    assert_eq!(double.post("/v1/payment_intents", form).await.status, 402);
    assert_eq!(double.events("payment_intent.payment_failed").await.len(), 1);
}

#[tokio::test]
async fn only_versions_that_the_double_can_render_are_let_in() {
    let double = Double::start();
    for (version, status) in [
        (stripe_sim::API_VERSION, 200),
        ("2026-10-28.endive", 200),
        ("2024-06-20", 400),
        ("2026-08-26.dahlia", 400),
        ("yesterday", 400),
    ] {
        let request = double.client.get(double.url("/v1/account")).bearer_auth("sk_test_double");
        let response = request.header("stripe-version", version).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{version}");
    }
}

#[tokio::test]
async fn only_test_keys_are_let_in() {
    let double = Double::start();
    let check = async |key: Option<&str>, status: u16| {
        let mut request = double.client.get(double.url("/v1/account"));
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        assert_eq!(request.send().await.expect("an answer").status(), status, "{key:?}");
    };
    check(None, 401).await;
    check(Some("Bearer sk_live_abcdefgh"), 401).await;
    check(Some("Bearer pk_test_abcdefgh"), 401).await;
    check(Some("Bearer nonsense"), 401).await;
    check(Some("Bearer sk_test_abcdefgh"), 200).await;
    check(Some("Bearer rk_test_abcdefgh"), 200).await;
    check(Some("Basic c2tfdGVzdF9hYmM6"), 200).await;
    let rolled = double.client.post(double.url("/_sim/keys/expire")).body(r#"{"key":"sk_test_abcdefgh"}"#).send().await;
    assert_eq!(rolled.expect("an answer").status(), 200);
    check(Some("Bearer sk_test_abcdefgh"), 401).await;
    check(Some("Bearer rk_test_abcdefgh"), 200).await;
}

#[tokio::test]
async fn another_account_is_forbidden() {
    let double = Double::start();
    let own = double.get("/v1/account").await.id();
    for (account, status) in [(own.as_str(), 200), ("acct_another", 403)] {
        let request = double.client.get(double.url("/v1/customers")).bearer_auth("sk_test_double");
        assert_eq!(request.header("stripe-account", account).send().await.expect("an answer").status(), status);
    }
}

#[tokio::test]
async fn answers_echo_what_the_client_said() {
    let double = Double::start();
    let request = double.client.post(double.url("/v1/customers")).bearer_auth("sk_test_double");
    let response = request
        .header("stripe-version", "2026-09-30.endive")
        .header("idempotency-key", "k")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.headers()["stripe-version"], "2026-09-30.endive");
    assert_eq!(response.headers()["idempotency-key"], "k");
}

#[tokio::test]
async fn the_journal_never_holds_a_key() {
    let double = Double::start();
    double.get("/v1/account").await;
    let journal = double.requests("/v1/account").await;
    assert_eq!((journal.len(), journal[0]["status"].as_u64()), (1, Some(200)));
    assert!(!format!("{journal:?}").contains("sk_test"));
}
