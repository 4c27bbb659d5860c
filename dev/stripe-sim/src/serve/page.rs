//! The payment page at a checkout session's `url`: enough of one to pay in a browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::admin::by_hand;
use super::app::App;
use super::reply::with_body;
use crate::api::checkout_complete::{Payer, complete};
use crate::params::Params;
use crate::world::kind::Kind;
use crate::world::{number, text};

/// For a person who opens the double's address, and for health checks.
pub(crate) async fn hello() -> Response {
    with_body(
        200,
        "text/plain; charset=utf-8",
        "stripe-sim: a Stripe double. The API is under /v1 and /v2, faults, deliveries and clock under /_sim.\n"
            .to_owned(),
    )
}

pub(crate) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let session = app.read_world(|world| world.get(Kind::CheckoutSession, &id).cloned());
    page(session.as_ref(), "")
}

/// The button: pays and goes on to the shop, or says why not.
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Params::parse(&String::from_utf8_lossy(&body));
    let payer = Payer {
        method: form.str("payment_method").unwrap_or("pm_card_visa").to_owned(),
        email: json!(form.str("email")),
        name: json!(form.str("name")),
    };
    let (outcome, session) = app.with_world(|world| {
        world.cause = by_hand(&headers);
        let outcome = complete(world, &id, payer);
        (outcome, world.get(Kind::CheckoutSession, &id).cloned())
    });
    match (outcome, session) {
        (Ok(()), Some(session)) => redirect(&success_url(&session)),
        (Err(refusal), session) => page(session.as_ref(), &refusal.to_string()),
        (Ok(()), None) => page(None, ""),
    }
}

fn success_url(session: &Value) -> String {
    let url = session["success_url"].as_str().or_else(|| session["return_url"].as_str()).unwrap_or("/");
    url.replace("{CHECKOUT_SESSION_ID}", text(session, "id"))
}

fn redirect(to: &str) -> Response {
    let mut response = with_body(StatusCode::SEE_OTHER.as_u16(), "text/plain", String::new());
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn page(session: Option<&Value>, problem: &str) -> Response {
    let Some(session) = session else { return html(404, "<h1>No such checkout session</h1>") };
    if text(session, "status") != "open" {
        return html(200, &format!("<h1>This checkout is {}</h1>", escape(text(session, "status"))));
    }
    let status = if problem.is_empty() { 200 } else { 402 };
    html(status, &form(session, problem))
}

fn form(session: &Value, problem: &str) -> String {
    let lines: String = session["_line_items"].as_array().into_iter().flatten().map(line).collect();
    let problem = if problem.is_empty() { String::new() } else { format!("<p role=alert>{}</p>", escape(problem)) };
    let email = escape(text(session, "customer_email"));
    let cancel = session["cancel_url"]
        .as_str()
        .map_or(String::new(), |url| format!("<p><a href=\"{}\">Cancel</a></p>", escape(url)));
    format!(
        "<h1>Pay {}</h1><ul>{lines}</ul>{problem}<form method=post>\
         <p><label>E-mail <input name=email type=email value=\"{email}\"></label></p>\
         <p><label>Name <input name=name></label></p>\
         <p><label>Card <select name=payment_method>\
         <option value=pm_card_visa>Visa 4242, pays</option>\
         <option value=pm_card_authenticationRequired>Visa 3184, 3-D Secure</option>\
         <option value=pm_card_chargeCustomerFail>Visa 0341, declined</option></select></label></p>\
         <p><button type=submit>Pay</button></p></form>{cancel}",
        money(number(session, "amount_total"), text(session, "currency"))
    )
}

fn line(line: &Value) -> String {
    let amount = money(number(line, "amount_total"), text(line, "currency"));
    format!("<li>{} × {}: {amount}</li>", number(line, "quantity"), escape(text(line, "description")))
}

fn money(cents: i64, currency: &str) -> String {
    format!("{}.{:02} {}", cents / 100, cents % 100, escape(&currency.to_uppercase()))
}

fn html(status: u16, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Checkout (double)</title><body>{body}</body></html>"
    );
    with_body(status, "text/html; charset=utf-8", page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
