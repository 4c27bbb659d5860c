//! `expand[]`.

use serde_json::Value;

use crate::client::Double;

#[tokio::test]
async fn ids_become_objects_down_to_four_levels() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let id = double.subscribe(&customer, &price, "").await.id();
    let check = async |path: String, pointer: &str, object: &str| {
        let reply = double.get(&path).await;
        assert_eq!(
            reply.body.pointer(pointer).map(|found| found["object"].clone()),
            Some(Value::from(object)),
            "{path}: {}",
            reply.text
        );
    };
    let one = format!("/v1/subscriptions/{id}?expand[]");
    check(format!("{one}=customer"), "/customer", "customer").await;
    check(format!("{one}=latest_invoice"), "/latest_invoice", "invoice").await;
    check(format!("{one}=latest_invoice.payments"), "/latest_invoice/payments/data/0", "invoice_payment").await;
    check(format!("{one}=items.data.price.product"), "/items/data/0/price/product", "product").await;
    check(
        format!("{one}=customer.invoice_settings.default_payment_method"),
        "/customer/invoice_settings/default_payment_method",
        "payment_method",
    )
    .await;
    check("/v1/subscriptions?expand[]=data.customer".to_owned(), "/data/0/customer", "customer").await;
    check("/v1/subscriptions?expand[]=data.items.data.price".to_owned(), "/data/0/items/data/0/price", "price").await;
    check(format!("/v1/customers/{customer}?expand[]=subscriptions"), "/subscriptions/data/0", "subscription").await;
}

#[tokio::test]
async fn what_cannot_be_expanded_is_refused() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    double.subscribe(&customer, &price, "").await;
    for path in ["data.items.data.price.product", "data.status", "data.nothing"] {
        let reply = double.get(&format!("/v1/subscriptions?expand[]={path}")).await;
        assert_eq!(reply.refusal(), (400, "invalid_request_error", "", "expand"), "{path}");
    }
}
