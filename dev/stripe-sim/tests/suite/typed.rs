//! Every object decodes as async-stripe's type for it, which fails on any missing field.

use miniserde::Deserialize;
use miniserde::json::from_str;
use reqwest::Method;
use serde_json::{Value, json};
use stripe_shared as typed;

use crate::client::Double;

/// Reads the object and decodes it; a list is decoded element by element.
async fn check<T: Deserialize>(double: &Double, path: &str) {
    let reply = double.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    let elements = match reply.body["data"].as_array().filter(|_| reply.body["object"] == "list") {
        Some(elements) => elements.clone(),
        None => vec![reply.body],
    };
    assert!(!elements.is_empty(), "{path} is empty");
    for element in elements {
        assert!(from_str::<T>(&element.to_string()).is_ok(), "{path} does not decode: {element:#}");
    }
}

#[tokio::test]
async fn every_kind_of_object_decodes() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    double.subscribe(&customer, &price, "&metadata[a]=b").await;
    double.subscribe(&customer, &price, "&trial_period_days=3&cancel_at_period_end=true").await;
    let failing = double.customer_with("pm_card_chargeCustomerFail").await;
    double.subscribe(&failing, &price, "").await;
    let asking = double.customer_with("pm_card_authenticationRequired").await;
    double.subscribe(&asking, &price, "").await;
    let source = double
        .post("/v1/customers", "source=tok_visa&address[line1]=x&shipping[name]=y&shipping[address][line1]=z")
        .await
        .id();
    double.post("/v1/invoiceitems", &format!("customer={source}&amount=500&currency=usd")).await;
    double.post("/v1/invoices", &format!("customer={source}")).await;
    for mode in ["subscription", "payment"] {
        let price = if mode == "payment" {
            double.post("/v1/prices", "currency=usd&unit_amount=5&product_data[name]=Once").await.id()
        } else {
            price.clone()
        };
        let form =
            format!("mode={mode}&line_items[0][price]={price}&line_items[0][quantity]=1&success_url=http://127.0.0.1/");
        double.post("/v1/checkout/sessions", &form).await;
        let paid = double.post("/v1/checkout/sessions", &form).await.id();
        double.admin(Method::POST, &format!("/checkout/sessions/{paid}/complete"), json!({})).await;
    }

    check::<typed::Account>(&double, "/v1/account").await;
    check::<typed::Charge>(&double, "/v1/charges?limit=100").await;
    check::<typed::CheckoutSession>(&double, "/v1/checkout/sessions").await;
    check::<typed::CheckoutSession>(
        &double,
        "/v1/checkout/sessions?expand[]=data.line_items&expand[]=data.subscription&expand[]=data.customer",
    )
    .await;
    check::<typed::Customer>(&double, "/v1/customers").await;
    check::<typed::Customer>(&double, &format!("/v1/customers/{customer}?expand[]=subscriptions&expand[]=sources"))
        .await;
    check::<typed::Event>(&double, "/v1/events?limit=100").await;
    check::<typed::Invoice>(&double, "/v1/invoices?limit=100&expand[]=data.payments&expand[]=data.confirmation_secret")
        .await;
    check::<stripe_billing::InvoiceItem>(&double, "/v1/invoiceitems").await;
    check::<typed::InvoicePayment>(&double, "/v1/invoice_payments").await;
    check::<typed::PaymentIntent>(&double, "/v1/payment_intents?limit=100").await;
    check::<typed::PaymentMethod>(&double, &format!("/v1/payment_methods?customer={customer}")).await;
    check::<typed::Plan>(&double, "/v1/plans").await;
    check::<typed::Price>(&double, "/v1/prices?expand[]=data.product").await;
    check::<typed::Product>(&double, "/v1/products").await;
    check::<typed::Subscription>(&double, "/v1/subscriptions?limit=100").await;
    check::<typed::Subscription>(&double, "/v1/subscriptions?expand[]=data.customer&expand[]=data.latest_invoice")
        .await;
    double.post("/v1/webhook_endpoints", "url=http://127.0.0.1:1/&enabled_events[]=customer.created").await;
    check::<stripe_misc::WebhookEndpoint>(&double, "/v1/webhook_endpoints").await;
    check::<typed::PaymentSource>(&double, &format!("/v1/customers/{source}/sources")).await;
    previews_decode(&double).await;
    schedules_decode(&double).await;
    deleted_objects_decode(&double, &customer).await;
}

/// One of now, and one of a renewal.
async fn previews_decode(double: &Double) {
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let sold = double.subscribe(&customer, &price, "").await;
    let item = sold.body["items"]["data"][0]["id"].as_str().expect("an item").to_owned();
    for proration in ["always_invoice", "none"] {
        let form = format!(
            "subscription={}&subscription_details[items][0][id]={item}&subscription_details[items][0][quantity]=12&subscription_details[proration_behavior]={proration}",
            sold.id()
        );
        let preview = double.post("/v1/invoices/create_preview", &form).await;
        assert!(from_str::<typed::Invoice>(&preview.text).is_ok(), "{}", preview.text);
    }
}

/// One in force, one that waits and one that was released.
async fn schedules_decode(double: &Double) {
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    for status in ["active", "released"] {
        let subscription = double.subscribe(&customer, &price, "").await.id();
        let schedule =
            double.post("/v1/subscription_schedules", &format!("from_subscription={subscription}")).await.id();
        if status == "released" {
            double.post(&format!("/v1/subscription_schedules/{schedule}/release"), "").await;
        }
    }
    let phase = format!("phases[0][items][0][price]={price}&phases[0][invoice_settings][days_until_due]=5");
    double.post("/v1/subscription_schedules", &format!("customer={customer}&start_date=4102444800&{phase}")).await;
    check::<typed::SubscriptionSchedule>(double, "/v1/subscription_schedules?expand[]=data.subscription").await;
    check::<typed::Subscription>(double, "/v1/subscriptions?expand[]=data.schedule").await;
    check::<typed::Event>(double, "/v1/events?limit=100&type=subscription_schedule.created").await;
}

async fn deleted_objects_decode(double: &Double, customer: &str) {
    let first = double.get("/v1/subscriptions").await.body["data"][0]["id"].clone();
    let path = format!("/v1/subscriptions/{}", first.as_str().unwrap_or_default());
    check::<typed::SubscriptionItem>(
        double,
        &path.replace("/v1/subscriptions/", "/v1/subscription_items?subscription="),
    )
    .await;
    double.delete(&path).await;
    check::<typed::Subscription>(double, &path).await;
    let gone: Value = double.delete(&format!("/v1/customers/{customer}")).await.body;
    assert!(from_str::<typed::DeletedCustomer>(&gone.to_string()).is_ok(), "{gone}");
}
