//! Metadata is merged; an empty text deletes its key.

use serde_json::json;

use crate::client::Double;

#[tokio::test]
async fn metadata_is_merged_and_an_empty_text_deletes() {
    let double = Double::start();
    let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
    let id = double.subscribe(&customer, &price, "&metadata[a]=1").await.id();
    for path in [format!("/v1/customers/{customer}"), format!("/v1/subscriptions/{id}")] {
        let check = async |form: &str, expected| {
            let reply = double.post(&path, form).await;
            assert_eq!(reply.body["metadata"], expected, "{path} {form}");
            assert_eq!(double.get(&path).await.body["metadata"], expected, "{path} {form}");
        };
        check("metadata[a]=1&metadata[b]=2", json!({"a": "1", "b": "2"})).await;
        check("metadata[a]=&metadata[c]=3", json!({"b": "2", "c": "3"})).await;
        check("description=x", json!({"b": "2", "c": "3"})).await;
        check("metadata=", json!({})).await;
    }
}

#[tokio::test]
async fn an_update_tells_what_was_there_before() {
    let double = Double::start();
    let customer = double.post("/v1/customers", "metadata[a]=1").await.id();
    double.post(&format!("/v1/customers/{customer}"), "metadata[b]=2").await;
    double.post(&format!("/v1/customers/{customer}"), "metadata[b]=2").await;
    let events = double.events("customer.updated").await;
    assert_eq!(events.len(), 1, "nothing changed the second time");
    assert_eq!(events[0]["data"]["previous_attributes"], json!({"metadata": {"b": null}}));
}
