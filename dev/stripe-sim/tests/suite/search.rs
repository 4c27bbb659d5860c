//! Customers, searched: letter case, pages, and an index that lags behind.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, Reply};

fn names(found: &Reply) -> Vec<&str> {
    let data = found.body["data"].as_array().unwrap_or_else(|| panic!("{}", found.text));
    data.iter().map(|row| row["name"].as_str().unwrap_or_default()).collect()
}

async fn search(double: &Double, query: &str) -> Reply {
    double.get(&format!("/v1/customers/search?query={query}")).await
}

#[tokio::test]
async fn a_search_finds_what_the_lists_filter_misses() {
    let double = Double::start();
    double.post("/v1/customers", "name=small&email=ann@example.com&metadata[team]=Red").await;
    double.post("/v1/customers", "name=capital&email=Ann@Example.com").await;
    double.post("/v1/customers", "name=other&email=joann@example.com").await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(names(&search(&double, query).await), expected, "{query}");
    };
    check("email:'ANN@example.com'", &["capital", "small"]).await;
    check("email~'ann@'", &["other", "capital", "small"]).await;
    check("email:'ann@example.com'+AND+metadata['team']:'red'", &["small"]).await;
    check("email:'nobody@example.com'", &[]).await;
    let list = double.get("/v1/customers?email=ANN@example.com").await;
    assert_eq!(names(&list), [""; 0], "the list knows letter case");
}

#[tokio::test]
async fn a_search_is_read_by_the_page() {
    let double = Double::start();
    for name in ["a", "b", "c", "d", "e"] {
        double.post("/v1/customers", &format!("name={name}&email=same@example.com")).await;
    }
    let (mut seen, mut page) = (Vec::new(), String::new());
    loop {
        let found = search(&double, &format!("email:'same@example.com'&limit=2{page}")).await;
        assert_eq!(found.body["object"], "search_result", "{}", found.text);
        seen.push(names(&found).concat());
        assert_eq!(found.body["has_more"], found.body["next_page"].is_string());
        let Some(next) = found.body["next_page"].as_str() else { break };
        page = format!("&page={next}");
    }
    assert_eq!(seen, ["ed", "cb", "a"]);
}

#[tokio::test]
async fn what_is_no_search_is_refused() {
    let double = Double::start();
    let check = async |query: &str, param: &str| {
        let reply = double.get(&format!("/v1/customers/search?{query}")).await;
        assert_eq!((reply.status, reply.refusal().3), (400, param), "{query}");
    };
    check("", "query").await;
    check("query=email", "query").await;
    check("query=address:'x'", "query").await;
    check("query=email:'a'&limit=101", "limit").await;
    check("query=email:'a'&page=2", "page").await;
    check("query=email:'a'&starting_after=cus_1", "starting_after").await;
}

#[tokio::test]
async fn the_index_lags_behind_to_order() {
    let double = Double::start();
    let old = double.post("/v1/customers", "name=old&email=old@example.com").await.id();
    double.admin(Method::POST, "/search", json!({"held": true})).await;
    double.post("/v1/customers", "name=new&email=new@example.com").await;
    double.post(&format!("/v1/customers/{old}"), "email=moved@example.com").await;
    let check = async |email: &str, expected: &[&str]| {
        assert_eq!(names(&search(&double, &format!("email:'{email}'")).await), expected, "{email}");
    };
    check("new@example.com", &[]).await;
    check("moved@example.com", &[]).await;
    check("old@example.com", &["old"]).await;
    let list = double.get("/v1/customers?email=moved@example.com").await;
    assert_eq!(names(&list), ["old"], "lists are never behind");
    assert_eq!(list.body["data"][0]["_indexed"], Value::Null);
    double.admin(Method::POST, "/search", json!({})).await;
    check("new@example.com", &["new"]).await;
    check("moved@example.com", &["old"]).await;
    check("old@example.com", &[]).await;
}

#[tokio::test]
async fn the_index_catches_up_with_the_clock() {
    let double = Double::start();
    double.freeze().await;
    double.admin(Method::POST, "/search", json!({"secs": 60})).await;
    double.post("/v1/customers", "name=new&email=new@example.com").await;
    assert_eq!(names(&search(&double, "email:'new@example.com'").await), [""; 0]);
    double.admin(Method::POST, "/clock", json!({"advance_secs": 59})).await;
    assert_eq!(names(&search(&double, "email:'new@example.com'").await), [""; 0]);
    double.admin(Method::POST, "/clock", json!({"advance_secs": 1})).await;
    assert_eq!(names(&search(&double, "email:'new@example.com'").await), ["new"]);
}
