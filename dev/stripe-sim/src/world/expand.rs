//! `expand[]`: ids replaced by their objects (<https://docs.stripe.com/api/expanding_objects>).

use serde_json::Value;

use super::kind::Kind;
use super::list::list;
use super::{World, text};
use crate::error::Refusal;

/// Stripe stops here; `data` of a list counts as a level.
const LEVELS_MAX: usize = 4;

/// Refuses paths that are too deep, before anything is executed.
pub(crate) fn check_depth(paths: &[String]) -> Result<(), Refusal> {
    let Some(path) = paths.iter().find(|path| path.split('.').count() > LEVELS_MAX) else { return Ok(()) };
    let message = format!("You cannot expand more than {LEVELS_MAX} levels of a property. Property: {path}");
    Err(Refusal::invalid("expand", message))
}

impl World {
    /// Expands every path in `paths`, or refuses the first that cannot be.
    pub(crate) fn expand(&self, object: &mut Value, paths: &[String]) -> Result<(), Refusal> {
        paths.iter().try_for_each(|path| self.expand_path(object, &path.split('.').collect::<Vec<_>>(), path))
    }

    fn expand_path(&self, at: &mut Value, segments: &[&str], path: &str) -> Result<(), Refusal> {
        let Some((field, rest)) = segments.split_first() else { return Ok(()) };
        match at {
            Value::Array(elements) => {
                elements.iter_mut().try_for_each(|element| self.expand_path(element, segments, path))
            }
            Value::Object(_) => {
                self.expand_field(at, field, rest.is_empty(), path)?;
                self.expand_path(&mut at[*field], rest, path)
            }
            // Nothing there to expand, e.g. no `latest_invoice` yet.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn expand_field(&self, object: &mut Value, field: &str, is_last: bool, path: &str) -> Result<(), Refusal> {
        if let Some(included) = self.includable(object, field) {
            object[field] = included;
            return Ok(());
        }
        match object.get(field) {
            Some(Value::String(id)) => {
                let expanded = self.find(id).ok_or_else(|| cannot_expand(path))?;
                object[field] = expanded;
                Ok(())
            }
            Some(Value::Array(_)) => {
                self.expand_ids(&mut object[field]);
                Ok(())
            }
            Some(Value::Null) => Ok(()),
            Some(Value::Object(inner)) if !is_last || inner.contains_key("object") => Ok(()),
            Some(Value::Object(_) | Value::Bool(_) | Value::Number(_)) | None => Err(cannot_expand(path)),
        }
    }

    fn expand_ids(&self, array: &mut Value) {
        for element in array.as_array_mut().into_iter().flatten() {
            if let Some(found) = element.as_str().and_then(|id| self.find(id)) {
                *element = found;
            }
        }
    }

    /// The object that an id names, whatever its kind.
    fn find(&self, id: &str) -> Option<Value> {
        let row = Kind::ALL.iter().find_map(|kind| self.get_even_deleted(*kind, id))?;
        Some(self.present(row))
    }

    /// Fields that are only there when they are asked for.
    fn includable(&self, object: &Value, field: &str) -> Option<Value> {
        let id = text(object, "id");
        match (text(object, "object"), field) {
            ("customer", "subscriptions") => Some(self.subscriptions_of(id)),
            ("customer", "sources") => Some(self.owned_by(Kind::Card, id, &format!("/v1/customers/{id}/sources"))),
            ("invoice", "payments") => Some(self.payments_of(id)),
            ("invoice", "confirmation_secret") => Some(self.confirmation_secret(id)),
            ("checkout.session", "line_items") => {
                let row = self.get(Kind::CheckoutSession, id)?;
                let lines = row["_line_items"].as_array().cloned().unwrap_or_default();
                Some(list(lines, false, &format!("/v1/checkout/sessions/{id}/line_items")))
            }
            _ordinary => None,
        }
    }

    fn subscriptions_of(&self, customer: &str) -> Value {
        let live = |row: &&Value| text(row, "customer") == customer && text(row, "status") != "canceled";
        let data = self.rows(Kind::Subscription).filter(live).map(|row| self.present(row)).collect();
        list(data, false, &format!("/v1/customers/{customer}/subscriptions"))
    }

    pub(crate) fn owned_by(&self, kind: Kind, customer: &str, url: &str) -> Value {
        let data =
            self.rows(kind).filter(|row| text(row, "customer") == customer).map(|row| self.present(row)).collect();
        list(data, false, url)
    }

    fn payments_of(&self, invoice: &str) -> Value {
        let data = self.rows(Kind::InvoicePayment).filter(|row| text(row, "invoice") == invoice).cloned().collect();
        list(data, false, "/v1/invoice_payments")
    }

    fn confirmation_secret(&self, invoice: &str) -> Value {
        let intent = self.intent_of(invoice).and_then(|id| self.get(Kind::PaymentIntent, &id));
        intent.map_or(
            Value::Null,
            |row| serde_json::json!({"client_secret": row["client_secret"], "type": "payment_intent"}),
        )
    }

    /// The payment intent that is to pay the invoice.
    pub(crate) fn intent_of(&self, invoice: &str) -> Option<String> {
        let payment = self.rows(Kind::InvoicePayment).find(|row| text(row, "invoice") == invoice)?;
        Some(text(&payment["payment"], "payment_intent").to_owned())
    }
}

fn cannot_expand(path: &str) -> Refusal {
    let message = format!(
        "This property cannot be expanded ({path}). You may want to try expanding a different property, or see https://stripe.com/docs/api/expanding_objects."
    );
    Refusal::invalid("expand", message)
}
