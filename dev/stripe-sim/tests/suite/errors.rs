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
